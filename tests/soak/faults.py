"""Faults for as long as one likes: ``python -m tests.soak.faults --minutes 30``. The seed of each round is printed; ``--seed`` begins with another.

Each round is one of: faults at system calls of a local store; writers of which some are killed; one writer killed at a random moment again and again;
threads on a network that fails, also with stalls and uploads in parts; the race of writers and collector on a network that fails.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from botocore.config import Config

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.s3_access import S3Access
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.artifacts.store import blob_path
from sematic_airflow_provider.errors import ArtifactCorruptedError, StoreError
from tests.artifacts.faulty_proxy import Fault, FaultyProxy, Request, at_random
from tests.artifacts.s3_servers import S3Server, moto_server, session
from tests.soak import race

_ROOT = Path(__file__).parents[2]
_PART = 5 << 20


def system_calls(seed: int, server: S3Server) -> Counter[str]:
    """Some faults at system calls of each scenario; in a program of its own, which may fork."""
    return sum(
        (_program(scenario, 25, seed) for scenario in ("document", "blobs", "moved", "value", "folder")), Counter[str]()
    )


def writers(seed: int, server: S3Server) -> Counter[str]:
    """Two to sixteen writers of the same values."""
    return _program("writers", random.Random(seed).randrange(2, 17), *range(seed, seed + 4))


def _program(*arguments: object) -> Counter[str]:
    command = [sys.executable, "-m", "tests.artifacts.system_faults", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    assert done.returncode == 0, done.stderr[-4000:]
    return Counter(json.loads(done.stdout))


_WRITER = """
import random, sys
from sematic_airflow_provider.artifacts.repository import open_repository
repository, made = open_repository(sys.argv[1], previews=False), random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    repository.save([made.randbytes(made.choice([100, 5000, 6 << 20])), {"more": made.randbytes(300)}])
    repository.store.write_document("results/last.json", b"%d" % made.randrange(10) * 5000)
"""


def killed_at_any_moment(seed: int, server: S3Server) -> Counter[str]:
    """A writer that is killed, whenever that is, by the clock; what it left is checked and tidied."""
    chosen, counts = random.Random(seed), Counter[str]()
    folder = tempfile.mkdtemp(prefix="sematic-killed-")
    store = LocalStore(folder)
    try:
        for turn in range(10):
            command = [sys.executable, "-c", _WRITER, folder, str(seed * 100 + turn)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chosen.random() * 0.4)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            for digest, found in store.blobs():
                assert len(store.get(digest)) == found.size
                counts["whole blobs"] += 1
            document = store.read_document("results/last.json")
            assert document is None or (len(document) == 5000 and len(set(document)) == 1)
            counts["leftovers"] += store.tidy(time.time() + 1)
            counts["killed"] += 1
    finally:
        shutil.rmtree(folder)
    return counts


def network(seed: int, server: S3Server) -> Counter[str]:
    """Threads that save and load through a proxy that does everything, stalls included; then all is read past it."""
    chosen, counts, wrong = random.Random(seed), Counter[str](), list[str]()
    bucket = server.bucket()
    with FaultyProxy(server.port, at_random(seed, chosen.uniform(0.05, 0.3), stall=3.0)) as proxy:
        store = S3Store(
            f"s3://{bucket}/a?endpoint_url={proxy.endpoint}",
            access=lambda: S3Access(session(), config=Config(connect_timeout=2, read_timeout=2)),
            part_size=_PART,
        )

        def work(number: int) -> None:
            made, repository = random.Random(f"{seed}/{number}"), Repository(store)
            for _ in range(8):
                value = made.randbytes(made.choice([10, 5000, 300_000, _PART + 5, 6 << 20]))
                try:
                    if repository.load(repository.save(value)) != value:
                        wrong.append(digest_bytes(value))
                    counts["came back"] += 1
                except (StoreError, ArtifactCorruptedError) as error:
                    counts["refused"] += 1
                    if bucket not in str(error):
                        wrong.append(str(error))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts.update(proxy.faults())
    assert not wrong, wrong
    for page in server.behind.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="a/blobs/"):
        for entry in page.get("Contents", ()):
            data = server.behind.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            assert entry["Key"] == f"a/{blob_path(digest_bytes(data))}"
            server.behind.delete_object(Bucket=bucket, Key=entry["Key"])  # moto keeps all in memory
            counts["whole objects"] += 1
    return counts


def collector(seed: int, server: S3Server) -> Counter[str]:
    """The race of writers, a collector and kills, while requests fail; deletes go through, since they are not sent again."""
    spoil = at_random(seed, 0.02)

    def plan(request: Request) -> Fault | None:
        return spoil(request) if request.kind not in ("DeleteObject", "ListObjects") else None

    with FaultyProxy(server.port, plan) as proxy:
        url = f"s3://{server.bucket()}/a?endpoint_url={proxy.endpoint}"
        return race.run(race.Race("s3", url, 25.0, seed, writers=3)) + proxy.faults()


ROUNDS: tuple[Callable[[int, S3Server], Counter[str]], ...] = (
    system_calls,
    writers,
    killed_at_any_moment,
    network,
    collector,
)


def main() -> None:
    """Round after round until the time is over; the first failure ends it, and its seed is the last that was printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--only", choices=[round_.__name__ for round_ in ROUNDS])
    asked = parser.parse_args()
    end, seed, total = time.monotonic() + asked.minutes * 60, asked.seed, Counter[str]()
    chosen = [round_ for round_ in ROUNDS if asked.only in (None, round_.__name__)]
    with moto_server() as server:
        while time.monotonic() < end and seed - asked.seed < asked.rounds:
            round_ = chosen[seed % len(chosen)]
            print(f"seed {seed} {round_.__name__}", end=" ", flush=True)
            counts = round_(seed, server)
            print(dict(counts), flush=True)
            total += counts
            seed += 1
    print(f"{seed - asked.seed} rounds: {dict(total)}")


if __name__ == "__main__":
    main()
