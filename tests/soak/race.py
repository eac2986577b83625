"""Writers, a collector that never stops, and SIGKILL, all in processes of their own on one store.

What a put has returned must be loadable while it is recorded.

A writer puts a value, checks it, records it in a document, checks it again and again, and at last takes the record back: from then on it is garbage, which
grows old until some writer puts it again, perhaps at the moment at which the collector deletes it. Deletes and renewals are slowed down to widen those moments.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sematic_airflow_provider.artifacts import retention
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Pace, Store
from sematic_airflow_provider.errors import CollectionRefusedError


@dataclass(frozen=True)
class Race:
    """One run. ``kind`` is local, fsspec or s3."""

    kind: str
    url: str
    seconds: float
    seed: int
    writers: int = 4
    values: int = 150
    kill_every: float = 1.5
    refresh: float = 0.5
    grace: float = 3.0

    @property
    def pace(self) -> Pace:
        return Pace(refresh=self.refresh, settle=0.4, lease=6.0)


def store_of(race: Race) -> Store:
    """The store, slow where it deletes and renews."""
    random_ = random.Random()
    if race.kind == "local":
        for owner, name in ((Path, "unlink"), (os, "utime")):
            _slow_down(owner, name, random_)
        return LocalStore(race.url, create=True, pace=race.pace)
    if race.kind == "fsspec":
        store = FsspecStore(race.url, pace=race.pace)
        _slow_down(type(store._fs), "rm_file", random_)
        _slow_down(type(store._fs), "touch", random_)
        return store
    from sematic_airflow_provider.artifacts.s3_store import S3Store
    from tests.artifacts.s3_servers import access

    s3 = S3Store(race.url, access=access, pace=race.pace)
    for clients in (s3._clients, s3._clients_that_ask_once):
        for operation in ("DeleteObject", "CopyObject"):
            clients.client().meta.events.register(
                f"before-call.s3.{operation}", lambda **_: time.sleep(random_.random() * 0.05)
            )
    return s3


def _slow_down(owner: Any, name: str, random_: random.Random) -> None:
    real: Callable[..., Any] = getattr(owner, name)

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(random_.random() * 0.02)
        return real(*args, **kwargs)

    setattr(owner, name, slow)


def value_of(number: int) -> Any:
    """Bytes, nested lists of arrays that share members, and values that are stored in chunks."""
    made = random.Random(number)
    if number % 30 == 7:
        return made.randbytes(5 << 20)
    if number % 3 == 0:
        shared = np.full(300, number % 9)
        return [shared, np.full(200, number), [shared, np.frombuffer(made.randbytes(700), np.uint8)]]
    return made.randbytes(made.randrange(1, 4000))


def _write(race: Race, number: int, folder: str, turn: int) -> None:
    store = store_of(race)
    repository = Repository(store)
    chosen = random.Random(f"{race.seed}/{number}/{turn}")
    counts = Counter[str]()
    held: list[tuple[float, str, int, ArtifactRef]] = []
    end = time.monotonic() + race.seconds
    record = 0
    try:
        for path in [path for path in store.list_documents("records") if path.startswith(f"records/w{number}-")]:
            left = json.loads(store.read_document(path) or b"")  # by this writer, before it was killed
            _check(repository, ArtifactRef.from_json(left), left["seed"], "recorded by a writer that was killed")
            counts["left behind and whole"] += 1
            store.delete_document(path)
        while time.monotonic() < end:
            value = chosen.randrange(race.values)
            started = time.monotonic()
            ref = repository.save(value_of(value))
            _check(repository, ref, value, "as put")
            counts["puts"] += 1
            time.sleep(chosen.random() * 0.2)
            record += 1
            path = f"records/w{number}-{turn}-{record}.json"
            store.write_document(path, json.dumps(ref.to_json() | {"seed": value}).encode())
            if (
                time.monotonic() - started < race.grace / 2
            ):  # a machine that stood still longer breaks the rule for records
                held.append((time.monotonic() + chosen.random() * 1.5, path, value, ref))
            else:
                store.delete_document(path)
            for one in [one for one in held if one[0] < time.monotonic()]:
                _check(repository, one[3], one[2], "before its record is taken back")
                counts["checks"] += 1
                store.delete_document(one[1])
                held.remove(one)
            if held:
                one = chosen.choice(held)
                _check(repository, one[3], one[2], "while recorded")
                counts["checks"] += 1
    except BaseException:
        (Path(folder) / f"failure-w{number}-{turn}.txt").write_text(traceback.format_exc())
        raise
    finally:
        (Path(folder) / f"counts-w{number}-{turn}.json").write_text(json.dumps(counts))


def _check(repository: Repository, ref: ArtifactRef, value: int, when: str) -> None:
    assert _plain(repository.load(ref)) == _plain(value_of(value)), f"{ref} {when} is another value"


def _plain(value: Any) -> Any:
    """What can be compared: arrays as bytes."""
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value.tobytes() if isinstance(value, np.ndarray) else value


def _collect(race: Race, folder: str, turn: int) -> None:
    store, random_ = store_of(race), random.Random(turn)
    counts = Counter[str]()
    end = time.monotonic() + race.seconds
    try:
        while time.monotonic() < end:
            try:
                found = retention.plan(
                    store, lambda: retention.document_roots(store), grace=race.grace, shortest_grace=0
                )
                time.sleep(random_.random() * 1.5)  # so that what was doomed is put again before it goes
                swept = retention.sweep(store, found)
                counts.update(collections=1, deleted=swept.blobs, spared=swept.spared)
            except CollectionRefusedError as error:
                if "another collection" not in str(error):  # of one that was killed a moment ago
                    raise
                time.sleep(0.2)
            (Path(folder) / f"counts-gc-{turn}.json").write_text(json.dumps(counts))
    except BaseException:
        (Path(folder) / f"failure-gc-{turn}.txt").write_text(traceback.format_exc())
        raise


def run(race: Race) -> Counter[str]:
    """Run it; what happened how often.

    Raises:
        AssertionError: something that was needed was lost; with what the process said.
    """
    folder = Path(tempfile.mkdtemp(prefix="sematic-race-"))
    context = multiprocessing.get_context("spawn")
    chosen = random.Random(race.seed)
    counts = Counter[str]()
    turns = Counter[int]()
    end = time.monotonic() + race.seconds

    def start(number: int) -> Any:
        turns[number] += 1
        left = Race(**{**race.__dict__, "seconds": max(0.1, end - time.monotonic())})
        target, arguments = (
            (_collect, (left, str(folder), turns[number]))
            if number < 0
            else (
                _write,
                (left, number, str(folder), turns[number]),
            )
        )
        process = context.Process(target=target, args=arguments)
        process.start()
        return process

    running = {number: start(number) for number in (-1, *range(race.writers))}
    while time.monotonic() < end and not list(folder.glob("failure-*")):
        time.sleep(min(max(0.0, end - time.monotonic()), race.kill_every * (0.5 + chosen.random())))
        victim = chosen.choice(list(running))
        if time.monotonic() < end - 3:
            running[victim].kill()
            running[victim].join()
            counts["killed"] += 1
            running[victim] = start(victim)
    for process in running.values():
        process.join()
    failures = [path.read_text() for path in sorted(folder.glob("failure-*"))]
    assert not failures, f"seed {race.seed}, {race.kind}: " + "\n".join(failures)
    for path in folder.glob("counts-*"):
        counts.update(json.loads(path.read_text() or "{}"))
    repository = Repository(store_of(race))
    for path in repository.store.list_documents("records"):  # of writers that were killed: nobody has taken these back
        data = repository.store.read_document(path)
        if data is not None:
            record = json.loads(data)
            _check(repository, ArtifactRef.from_json(record), record["seed"], "recorded by a writer that was killed")
            counts["left behind and whole"] += 1
    for digest, found in repository.store.blobs():
        assert len(repository.store.get(Digest(digest))) == found.size
        counts["blobs at the end"] += 1
    return counts


if __name__ == "__main__":
    where = tempfile.mkdtemp(prefix="sematic-race-store-")
    print(
        run(
            Race(
                sys.argv[1],
                f"local://{where}" if sys.argv[1] == "fsspec" else where,
                float(sys.argv[2]),
                int(sys.argv[3]),
            )
        )
    )
