"""What collections have deleted: lists of digests, ``gc/deleted/<time>-….json``, by which what was deleted is told from what was lost."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sematic_airflow_provider.artifacts.digest import Digest, canonical_json
from sematic_airflow_provider.artifacts.store import Store

_FOLDER = "gc/deleted"


@contextmanager
def note_deletions(store: Store, digests: Sequence[Digest]) -> Iterator[Callable[[Sequence[Digest]], None]]:
    """Write down what is going to be deleted, and in the end, by calling what this gives, what really was.

    Whoever is killed between leaves a list that names too many. It says of them that they were not lost, where they are not there; and no more.
    """
    now = store.now()
    path = f"{_FOLDER}/{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{uuid.uuid4().hex[:8]}.json"

    def write(what: Sequence[Digest]) -> None:
        store.write_document(path, canonical_json({"at": now, "digests": list(what)}))

    def note(deleted: Sequence[Digest]) -> None:
        if not deleted:
            store.delete_document(path)
        elif len(deleted) != len(digests):
            write(deleted)

    write(digests)
    yield note


def deleted_before(store: Store) -> set[bytes]:
    """All that was ever deleted by a collection."""
    found: set[bytes] = set()
    for path in store.list_documents(_FOLDER):
        found.update(bytes.fromhex(digest) for digest in _read(store, path)[1])
    return found


def deleted_at(store: Store, digest: Digest) -> float | None:
    """When a collection last deleted this artifact (seconds since 1970); None where none has."""
    times = [at for at, digests in (_read(store, path) for path in store.list_documents(_FOLDER)) if digest in digests]
    return max(times, default=None)


def _read(store: Store, path: str) -> tuple[float, list[str]]:
    data = store.read_document(path)
    if data is None:
        return 0.0, []
    record = json.loads(data)
    return float(record["at"]), list(record["digests"])
