"""Anchors: hashes of seals, left as documents in the artifact store, so that whoever can write the database alone cannot make the chain anew unseen.

They are written once (``audit/<deployment>/<number>.json``), every so many seals, and every so often while there are new ones.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.db.owners import this_deployment
from sematic_airflow_provider.db.seals import Head

log = logging.getLogger(__name__)

FOLDER: Final = "audit"
_SEALS: Final = 1000
_TIME: Final = dt.timedelta(hours=1)


class Anchor(NamedTuple):
    """The hash of a seal, and who keeps it, for people."""

    number: int
    hash: str
    where: str


class Anchors:
    """Leaves anchors in a store; remembers which was the last. A process has one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: tuple[int, dt.datetime] | None = None

    def leave(self, head: Head | None, now: dt.datetime | None = None) -> Anchor | None:
        """Leave one for the last seal, where it is time to; gives the one that was left.

        Raises:
            StoreError: the store cannot be read or written.
        """
        if head is None:
            return None
        moment = now or dt.datetime.now(dt.timezone.utc)
        if self._last is None or _is_time(self._last, head, moment):
            self._last = self._found()  # another process may have left one meanwhile
        if not _is_time(self._last, head, moment):
            return None
        path = f"{_folder()}/{head.number:012d}.json"
        record = {"number": head.number, "hash": head.hash, "sealed_at": head.sealed_at.isoformat()}
        made = self._store.create_document(path, canonical_json({**record, "left_at": moment.isoformat()}))
        self._last = (head.number, moment)
        return Anchor(head.number, head.hash, path) if made else None

    def _found(self) -> tuple[int, dt.datetime]:
        never = (0, dt.datetime.min.replace(tzinfo=dt.timezone.utc))
        paths = self._store.list_documents(_folder())
        if not paths:
            return never
        try:
            record = json.loads(self._store.read_document(paths[-1]) or b"")
            return int(record["number"]), dt.datetime.fromisoformat(record["left_at"])
        except (ValueError, KeyError, TypeError):
            log.warning("the anchor %s cannot be read", paths[-1])
            return never


def _is_time(last: tuple[int, dt.datetime], head: Head, now: dt.datetime) -> bool:
    number, at = last
    return head.number > number and (head.number >= number + _SEALS or now >= at + _TIME)


def anchors(store: Store) -> Iterator[Anchor]:
    """All anchors that this deployment has left in a store.

    Raises:
        StoreError: the store cannot be read.
    """
    for path in store.list_documents(_folder()):
        try:
            record: Any = json.loads(store.read_document(path) or b"")
            yield Anchor(int(record["number"]), str(record["hash"]), path)
        except (ValueError, KeyError, TypeError):
            yield Anchor(_number(path), "", path)  # it cannot be read, so it is like no hash


def _number(path: str) -> int:
    name = path.rpartition("/")[2].removesuffix(".json")
    return int(name) if name.isdigit() else 1


def _folder() -> str:
    return f"{FOLDER}/{this_deployment().id}"
