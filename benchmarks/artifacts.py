"""Handing a value from one task to the next: saved durably in one fresh process, loaded in another.

Ways are measured one after another, then again, so that a slow minute of the machine meets all. The limit and what it is compared with: ``limit``;
what is inside the measured time: ``child``; the peers: ``peers.toml``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks.environments import PLACE, Peer
from benchmarks.goals import Summary, judge, summaries
from benchmarks.reporting import keep, print_goals, print_table, versions_of
from benchmarks.requests import asked, request_goals
from benchmarks.runs import LIMIT, FailedError, Kept, Runner, ways
from benchmarks.values import KINDS

SLOW = 8.0
REPEATS_OF_SLOW = 2
PACKAGES = ("sematic-airflow-provider", "numpy", "pandas", "pyarrow", "scikit-learn", "joblib", "skops", "pyfastcdc")


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print, keep, judge."""
    options = _options(arguments)
    chosen = {name: way for name, way in ways().items() if not options.ways or name in options.ways}
    plan = [(kind, way) for kind in options.kinds for way in chosen.values() if kind in way.values]
    kept = Kept(PLACE / f"artifacts-scale-{options.scale:g}.json", resume=options.resume)
    started = time.monotonic()
    _measure(plan, kept, options.repeats, Runner(options.scale))
    found = summaries(plan, kept)
    requests = asked(options.scale)
    _print(options.kinds, chosen, found, kept)
    goals = judge(found) + request_goals(requests)
    setting = {
        "scale": options.scale,
        "repeats": options.repeats,
        "figure": "median",
        "minutes": round((time.monotonic() - started) / 60, 1),
    }
    versions = versions_of(PACKAGES)
    for way in chosen.values():
        versions |= {f"{way.name}: {package}": number for package, number in way.versions.items()}
    if options.keep:
        figures = {
            "ways": [one.record() for one in found],
            "failed": kept.failed,
            "requests": [vars(r) for r in requests],
        }
        print(f"\nkept in benchmarks/results/{keep('artifacts', figures, goals, versions, setting).name}")
    return print_goals(goals)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks artifacts", description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of values")
    parser.add_argument("--ways", nargs="+", choices=ways(), help="limit, ours and peers; all of them when not given")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1: full size")
    parser.add_argument(
        "--resume", action="store_true", help="go on with what an interrupted run has kept below .bench"
    )
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write nothing into benchmarks/results")
    return parser.parse_args(arguments)


def _measure(plan: list[tuple[str, Peer]], kept: Kept, repeats: int, runner: Runner) -> None:
    took: dict[tuple[str, str], float] = {}
    for kind in dict.fromkeys(kind for kind, _ in plan):
        for repeat in range(repeats):
            for way in (way for its_kind, way in plan if its_kind == kind):
                if len(kept.of(kind, way.name)) > repeat or way.name in kept.failed.get(kind, {}):
                    continue
                if repeat >= _wanted(kept, kind, way.name, repeats):
                    continue
                started = time.monotonic()
                left = sum(_expected(took, *key) * n for key, n in _left(plan, kept, repeats).items())
                _say(f"{kind}, {way.name}, repeat {repeat + 1}: about {left / 60:.0f} min left")
                try:
                    kept.add(kind, way.name, runner.once(way, kind, check=repeat == 0))
                except FailedError as error:
                    kept.fail(kind, way.name, str(error))
                    _say(f"{kind}, {way.name}: {error}")
                took[kind, way.name] = time.monotonic() - started


def _wanted(kept: Kept, kind: str, way: str, repeats: int) -> int:
    """How many runs a way is given: few, where it takes many times the limit."""
    limit, own = kept.of(kind, LIMIT), kept.of(kind, way)
    if limit and own and _total(own[0]) > SLOW * _total(limit[0]):
        return min(repeats, REPEATS_OF_SLOW)
    return repeats


def _total(run: dict[str, dict[str, float]]) -> float:
    return sum(phase["wall_s"] / phase.get("documents", 1) for phase in run.values())


def _left(plan: list[tuple[str, Peer]], kept: Kept, repeats: int) -> dict[tuple[str, str], int]:
    counts = {}
    for kind, way in plan:
        if way.name not in kept.failed.get(kind, {}):
            done = len(kept.of(kind, way.name))
            counts[kind, way.name] = max(0, _wanted(kept, kind, way.name, repeats) - done)
    return counts


def _expected(took: dict[tuple[str, str], float], kind: str, way: str) -> float:
    """Seconds that a run will take, from those of this kind and way, or of this way, or of all."""
    if (kind, way) in took:
        return took[kind, way]
    same = [seconds for (_, other), seconds in took.items() if other == way] or list(took.values()) or [10.0]
    return sum(same) / len(same)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


HEADERS = (
    "value", "way", "runs", "save s", "load s", "total s", "spread", "x limit", "CPU s", "save +MiB", "load +MiB", "disk MiB", "hash checked",
)  # fmt: skip


def _print(kinds: Sequence[str], chosen: dict[str, Peer], found: list[Summary], kept: Kept) -> None:
    for kind in kinds:
        print(f"\n{KINDS[kind].title}{' (a document)' if kind == 'json' else ''}")
        own = [one for one in found if one.kind == kind]
        print_table(HEADERS, [one.cells(chosen[one.way].verifies) for one in own])
        for way, reason in kept.failed.get(kind, {}).items():
            print(f"{kind}  {way}  no figures: {reason}")
        for way in (way for way in chosen.values() if kind not in way.values):
            print(f"{kind}  {way.name}  cannot hand this on: {way.note}")
    print(
        "\nsave +MiB, load +MiB: the greatest resident memory meanwhile, above what there was before; of a load, less the value."
    )
    print(f"A way that takes more than {SLOW:.0f} times the limit is run {REPEATS_OF_SLOW} times.")
    print("Only the limit and ours sync what they write; for the others it is done, within the time measured.")
    for way in chosen.values():
        print(f"  {way.name}: {way.note}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
