"""``python -m tests.soak --minutes 30``: the race of ``race.py`` on every kind of store in turn, each time with another seed, which is printed."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.soak.race import Race, run

KINDS = ("local", "fsspec", "s3")


@contextmanager
def _place(kind: str) -> Iterator[str]:
    """An empty store of this kind; its URL."""
    with tempfile.TemporaryDirectory(prefix="sematic-soak-") as folder:
        if kind != "s3":
            yield f"local://{folder}/store" if kind == "fsspec" else f"{folder}/store"
            return
        from tests.artifacts.s3_servers import moto_server

        server = moto_server()
        try:
            yield f"s3://{server.bucket()}/artifacts?endpoint_url={server.endpoint}"
        finally:
            server.stop()


def main() -> int:
    """Race until the time is over; 1 when something that was needed was lost, with the command that does the same again."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these kinds of store (default: all)")
    parser.add_argument("--seed", type=int, help="the first seed (default: another one each time)")
    parser.add_argument("--seconds", type=float, default=30, help="how long one race takes")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    totals: dict[str, Counter[str]] = {kind: Counter() for kind in options.kind or KINDS}
    while time.monotonic() < end:
        for kind in totals:
            seconds = min(options.seconds, end - time.monotonic())
            if seconds < 5:
                break
            print(f"{kind}: seed {seed}, {seconds:.0f} s", flush=True)
            try:
                with _place(kind) as url:
                    counts = run(Race(kind, url, seconds, seed))
            except AssertionError as error:
                print(f"LOST: {error}\nagain: python -m tests.soak --kind {kind} --seed {seed}", flush=True)
                return 1
            totals[kind].update(counts, races=1)
            seed += 1
    for kind, counts in totals.items():
        print(f"{kind}: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
