"""Records of the step cache: documents in the store, below ``steps/``.

* ``steps/entries/<first 2>/<key>.json``: what a step with this key returned. It keeps its outputs from being collected for as long as it is there and has
  not expired.
* ``steps/last/<first 2>/<digest of Dag, task and map index>.json``: the key of a task's last run and its parts, so that a miss can say what changed. It
  keeps nothing.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, digest_record, parse_digest
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import InvalidRefError

FOLDER = "steps/"
_ENTRIES, _LAST = "steps/entries/", "steps/last/"
_FORMAT = 1
_AT_ONCE = 8
_END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.timezone.utc).timestamp()


@dataclass(frozen=True, slots=True)
class By:
    """The task instance that computed or asked, and when (seconds since 1970)."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    at: float = 0.0

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> By:
        """Read it back.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is none.
        """
        texts = (str(record["dag_id"]), str(record["run_id"]), str(record["task_id"]))
        at = float(record["at"])
        if not 0 <= at < _END_OF_TIME:
            raise ValueError(f"no time: {at}")
        return cls(*texts, int(record["map_index"]), at)

    @property
    def moment(self) -> dt.datetime:
        """When, in UTC."""
        return dt.datetime.fromtimestamp(self.at, dt.timezone.utc)

    def __str__(self) -> str:
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}/{self.run_id}/{self.task_id}{index} at {self.moment:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a step with this key returned, and what it told beside.

    ``expires`` is a time in seconds since 1970, or None. ``extras`` is what the events of outlet assets carried, by the asset's name and URI;
    ``length`` that of a returned list or dict; ``reads`` what the step read, so that lineage can tell it of a run that reads nothing.
    """

    key: Digest
    parts: Mapping[str, str]
    outputs: Mapping[str, ArtifactRef]
    by: By
    namespace: str = ""
    expires: float | None = None
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[ArtifactRef, ...] = ()
    extras: tuple[Mapping[str, Any], ...] = ()
    length: int | None = None

    def expired(self, now: float | None = None) -> bool:
        """Whether its time to live is over."""
        return self.expires is not None and self.expires <= (time.time() if now is None else now)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        record = {
            "format": _FORMAT,
            "parts": dict(self.parts),
            "outputs": {name: ref.to_json() for name, ref in self.outputs.items()},
            "by": asdict(self.by),
            "namespace": self.namespace,
            "expires": self.expires,
            "metrics": dict(self.metrics),
            "facts": dict(self.facts),
            "reads": [ref.to_json() for ref in self.reads],
            "extras": [dict(extra) for extra in self.extras],
            "length": self.length,
        }
        return canonical_json(record)

    @classmethod
    def from_bytes(cls, key: Digest, data: bytes) -> Entry | None:
        """Read one back; None where it is none, or of a later version: it is then as if it were not there."""
        try:
            record = json.loads(data)
            if record["format"] != _FORMAT:
                return None
            return cls(
                key=key,
                parts=_texts(record["parts"]),
                outputs={str(name): ArtifactRef.from_json(ref) for name, ref in record["outputs"].items()},
                by=By.from_json(record["by"]),
                namespace=str(record["namespace"]),
                expires=None if record["expires"] is None else _number(record["expires"]),
                metrics={str(name): _metric(value) for name, value in record["metrics"].items()},
                facts={str(name): dict(told) for name, told in record["facts"].items()},
                reads=tuple(ArtifactRef.from_json(ref) for ref in record["reads"]),
                extras=tuple(_extra(extra) for extra in record["extras"]),
                length=None if record["length"] is None else int(_number(record["length"])),
            )
        except (AttributeError, InvalidRefError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Last:
    """The key of a task's last run, and its parts."""

    key: Digest
    parts: Mapping[str, str]
    by: By


@dataclass(frozen=True, slots=True)
class Change:
    """A part of a key that is not what it was; ``was`` or ``now`` is None for one that came or went."""

    part: str
    was: str | None
    now: str | None

    def __str__(self) -> str:
        kind, _, name = self.part.partition(" ")
        shown = f"{kind} `{name}`" if name else kind
        if self.was is None:
            return f"{shown} is new" + (f" ({self.now})" if kind == "package" else "")
        if self.now is None:
            return f"{shown} is gone"
        if kind in ("package", "python", "namespace", "version", "output"):
            return f"{shown} {self.was or '(none)'} -> {self.now or '(none)'}"
        return f"{shown} changed"


def changes(was: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    """What is different, in the order of the names."""
    return [
        Change(part, was.get(part), now.get(part))
        for part in sorted(was.keys() | now.keys())
        if was.get(part) != now.get(part)
    ]


def read_entry(store: Store, key: Digest) -> Entry | None:
    """The entry of this key.

    Raises:
        StoreError: the store cannot be read.
    """
    data = store.read_document(entry_path(key))
    return None if data is None else Entry.from_bytes(key, data)


def write_entry(store: Store, entry: Entry) -> None:
    """Write or replace an entry.

    Raises:
        StoreError: the store cannot be written.
    """
    store.write_document(entry_path(entry.key), entry.to_bytes())


def create_entry(store: Store, entry: Entry) -> bool:
    """Write an entry where there is none; whether this call did.

    Raises:
        StoreError: the store cannot be written.
    """
    return store.create_document(entry_path(entry.key), entry.to_bytes())


def delete_entry(store: Store, key: Digest) -> None:
    """Delete an entry.

    Raises:
        StoreError: the store cannot be written.
    """
    store.delete_document(entry_path(key))


def entry_keys(store: Store) -> Iterator[Digest]:
    """The keys of all entries.

    Raises:
        StoreError: the store cannot be read.
    """
    folders = [f"{_ENTRIES}{first:02x}" for first in range(256)]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sematic-steps") as pool:
        for paths in pool.map(store.list_documents, folders):
            for path in paths:
                with suppress(ValueError):
                    yield parse_digest(path.rpartition("/")[2].removesuffix(".json"))


def read_last(store: Store, dag_id: str, task_id: str, map_index: int) -> Last | None:
    """The key of a task's last run; None where it has had none.

    Raises:
        StoreError: the store cannot be read.
    """
    data = store.read_document(_last_path(dag_id, task_id, map_index))
    if data is None:
        return None
    try:
        record = json.loads(data)
        return Last(parse_digest(record["key"]), _texts(record["parts"]), By.from_json(record["by"]))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None


def write_last(store: Store, last: Last) -> None:
    """Keep the key of a task's last run.

    Raises:
        StoreError: the store cannot be written.
    """
    record = {"format": _FORMAT, "key": last.key, "parts": dict(last.parts), "by": asdict(last.by)}
    path = _last_path(last.by.dag_id, last.by.task_id, last.by.map_index)
    store.write_document(path, canonical_json(record))


def entry_path(key: Digest) -> str:
    """Where an entry lies."""
    return f"{_ENTRIES}{key[:2]}/{parse_digest(key)}.json"


def _last_path(dag_id: str, task_id: str, map_index: int) -> str:
    """Ids may hold what no path of a document can: the digest of them stands there."""
    name = digest_record("task", {"dag_id": dag_id, "task_id": task_id, "map_index": map_index})
    return f"{_LAST}{name[:2]}/{name}.json"


def _number(value: Any) -> float:
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(f"no such number: {number}")
    return number


def _metric(value: Any) -> float | str:
    if not isinstance(value, (int, float, str)):
        raise TypeError(f"no metric: {type(value).__name__}")
    return value


def _extra(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": str(record["name"]), "uri": str(record["uri"]), "extra": dict(record["extra"])}


def _texts(record: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in record.items()}
