"""What is asked of the store when a value is saved that is stored already, and when a scalar is loaded: counted, not timed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reporting import Goal
from benchmarks.values import KINDS
from sematic_airflow_provider.artifacts.content import Content
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import BlobStat, Stored

SCALARS = {"a number": 0.25, "a short text": "ready", "a small dictionary": {"accuracy": 0.91, "rows": 1000}}


@dataclass(frozen=True)
class Asked:
    """Of one save or load: looks at blobs, reads, and bytes written (blobs and documents)."""

    what: str
    looks: int
    reads: int
    written: int


class _Counted(LocalStore):
    """A local store that counts. A put looks at the blob once, whatever it finds."""

    def __init__(self, root: str) -> None:
        super().__init__(root, create=True)
        self.count: Counter[str] = Counter()

    def put_all(self, contents: Sequence[Content]) -> list[Stored]:
        stored = super().put_all(contents)
        self.count["looks"] += len(stored)
        self.count["written"] += sum(one.size for one in stored if one.new)
        return stored

    def get(self, digest: Digest) -> memoryview:
        self.count["reads"] += 1
        return super().get(digest)

    def read_into(self, digest: Digest, target: memoryview) -> None:
        self.count["reads"] += 1
        super().read_into(digest, target)

    def stat(self, digest: Digest) -> BlobStat | None:
        self.count["looks"] += 1
        return super().stat(digest)

    def read_document(self, path: str) -> bytes | None:
        self.count["reads"] += 1
        return super().read_document(path)

    def write_document(self, path: str, data: bytes) -> None:
        self.count["written"] += len(data)
        super().write_document(path, data)

    def taken(self, what: str) -> Asked:
        found = Asked(what, self.count["looks"], self.count["reads"], self.count["written"])
        self.count.clear()
        return found


def asked(scale: float) -> list[Asked]:
    """Second saves of each kind of value, smaller than where time is measured, and loads of scalars."""
    found: list[Asked] = []
    with tempfile.TemporaryDirectory(prefix="sematic-bench-") as folder:
        store = _Counted(f"{folder}/store")
        repository = Repository(store, scratch=folder)
        for name, kind in KINDS.items():
            value: Any = kind.make(min(scale, 0.05), Path(folder))
            value = value[0] if name == "json" else value
            repository.save(value)
            store.count.clear()
            repository.save(value)
            found.append(store.taken(f"second save of {name}"))
        for name, scalar in SCALARS.items():
            ref = repository.save(scalar)
            store.count.clear()
            repository.load(ref)
            found.append(store.taken(f"load of {name}"))
    return found


def request_goals(found: list[Asked]) -> list[Goal]:
    """Nothing is written twice; scalars are not read."""
    goals = []
    for one in found:
        seen = f"{one.looks} looks, {one.reads} reads, {one.written} bytes written"
        loads = one.what.startswith("load")
        met = not one.written and not one.reads and one.looks <= (0 if loads else 1)
        goals.append(Goal(one.what, seen, "nothing asked" if loads else "nothing written or read, 1 look at most", met))
    return goals
