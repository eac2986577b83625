"""Spools: where events wait. One JSON document an event, named for when it began to wait and for its content, so that names sort by age and tell of damage."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, Protocol

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.store import Store, check_path
from sematic_airflow_provider.errors import DocumentTooLargeError, EventRejectedError

log = logging.getLogger(__name__)

SPOOL: Final = "spool"
"""The folder of a store that events wait in."""

REJECTED: Final = "rejected"
"""The folder of a spool for what was refused for good, each with its reason beside it."""

ATTEMPTS: Final = 5
"""How often an event is tried that the server fails on while it takes others."""

_SUFFIX: Final = ".json"
_NAMED: Final = re.compile(r"(?:.*-)?([0-9a-f]{24})(?:\.(\d+))?\.json")
_MOMENT: Final = re.compile(r"(\d{8}T\d{12})Z-")
_AT_ONCE: Final = 8


class Spool(Protocol):
    """A place where events wait. Several processes may work on one at once: what another has taken away is no longer there, which is fine."""

    where: str
    """For people."""

    def waiting(self) -> Iterator[str]:
        """Names of what waits, the oldest first. Those that come meanwhile may be among them or not."""

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """What these say, in their order, of those that are still there and can be read."""

    def remove(self, names: Sequence[str]) -> None:
        """Forget those that were delivered."""

    def reject(self, name: str, data: bytes, reason: str) -> None:
        """Put one aside, with the reason, where nobody tries it again but who is told to."""

    def postpone(self, name: str, data: bytes, reason: str) -> None:
        """Let one that the server fails on, while it takes others, wait behind these; after ``ATTEMPTS`` times it is rejected."""

    def rejected(self) -> list[str]:
        """Names of those that were put aside."""

    def restore(self, names: Sequence[str]) -> None:
        """Let those that were put aside wait again."""


def name_of(data: bytes, moment: dt.datetime | None = None, attempts: int = 0) -> str:
    """What an event is called that begins to wait now."""
    moment = (moment or dt.datetime.now(dt.timezone.utc)).astimezone(dt.timezone.utc)
    tried = f".{attempts}" if attempts else ""
    return f"{moment:%Y%m%dT%H%M%S%f}Z-{digest_bytes(data)[:24]}{tried}{_SUFFIX}"


def is_event_name(name: str) -> bool:
    """Whether a document of this name may be an event: ours have such names, and files that people put there may."""
    return name.endswith(_SUFFIX) and not name.startswith(".")


def attempts_of(name: str) -> int:
    """How often this one has failed while others were taken."""
    found = _NAMED.fullmatch(name)
    return int(found[2] or 0) if found else 0


def tried_in_vain(attempts: int, reason: str) -> str:
    """Why one is rejected that the server failed on so often."""
    return f"tried {attempts} times, while others were taken: {reason}"


def waits_since(name: str) -> dt.datetime | None:
    """When it began to wait, where its name says so."""
    found = _MOMENT.match(name)
    if not found:
        return None
    try:
        return dt.datetime.strptime(found[1], "%Y%m%dT%H%M%S%f").replace(tzinfo=dt.timezone.utc)
    except ValueError:
        return None


def check_whole(name: str, data: bytes) -> None:
    """See that these are the bytes that were written, where the name tells.

    Raises:
        EventRejectedError: they are not.
    """
    found = _NAMED.fullmatch(name)
    actual = digest_bytes(data)[:24]
    if found and found[1] != actual:
        raise EventRejectedError(
            "event", f"is damaged: its bytes hash to {actual}, they were written as {found[1]} (SHA-256, 24 characters)"
        )


def batches(spool: Spool, names: Iterable[str], count: int, size: int) -> Iterator[dict[str, bytes]]:
    """What these say, in batches of at most this many events and, but for single larger ones, bytes."""
    names = iter(names)
    batch: dict[str, bytes] = {}
    held = 0
    while some := list(islice(names, count)):
        for name, data in spool.read(some):
            if batch and (len(batch) >= count or held + len(data) > size):
                yield batch
                batch, held = {}, 0
            batch[name] = data
            held += len(data)
        if batch:  # what was read is handed over before more is: it may be gone by then
            yield batch
            batch, held = {}, 0


class StoreSpool:
    """The documents below ``spool`` in the artifact store: for workers whose disks go away, and for those that cannot post."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.where = f"{store.url}/{SPOOL}"

    def put(self, data: bytes) -> str:
        """Let an event wait; its name.

        Raises:
            StoreError: the store cannot be written.
        """
        name = name_of(data)
        self.store.write_document(f"{SPOOL}/{name}", data)
        return name

    def waiting(self) -> Iterator[str]:
        """See Spool."""
        for path in self.store.list_documents(SPOOL):
            name = path.rsplit("/", 1)[-1]
            if is_event_name(name) and self._is_ours(path):
                yield name

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """See Spool.

        Raises:
            StoreError: the store cannot be read.
        """
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for start in range(0, len(names), _AT_ONCE):
                some = names[start : start + _AT_ONCE]
                for name, data in zip(some, threads.map(self._document, some), strict=True):
                    if data is not None:
                        yield name, data

    def remove(self, names: Sequence[str]) -> None:
        """See Spool."""
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            list(threads.map(lambda name: self.store.delete_document(f"{SPOOL}/{name}"), names))

    def reject(self, name: str, data: bytes, reason: str) -> None:
        """See Spool."""
        log.warning("the lineage event %s is rejected: %s", name, reason)
        self.store.write_document(f"{SPOOL}/{REJECTED}/{name}", data)
        self.store.write_document(f"{SPOOL}/{REJECTED}/{name}.reason.txt", reason.encode())
        self.store.delete_document(f"{SPOOL}/{name}")

    def postpone(self, name: str, data: bytes, reason: str) -> None:
        """See Spool."""
        attempts = attempts_of(name) + 1
        if attempts >= ATTEMPTS:
            self.reject(name, data, tried_in_vain(attempts, reason))
            return
        self.store.write_document(f"{SPOOL}/{name_of(data, attempts=attempts)}", data)
        self.store.delete_document(f"{SPOOL}/{name}")

    def rejected(self) -> list[str]:
        """See Spool."""
        paths = self.store.list_documents(f"{SPOOL}/{REJECTED}")
        return [path.rsplit("/", 1)[-1] for path in paths if path.endswith(_SUFFIX)]

    def restore(self, names: Sequence[str]) -> None:
        """See Spool."""
        for name in names:
            path = f"{SPOOL}/{REJECTED}/{name}"
            data = self.store.read_document(path)
            if data is not None:
                self.store.write_document(f"{SPOOL}/{name}", data)
                self.store.delete_document(path)
                self.store.delete_document(f"{path}.reason.txt")

    def _document(self, name: str) -> bytes | None:
        try:
            return self.store.read_document(f"{SPOOL}/{name}")
        except DocumentTooLargeError as error:
            log.warning("%s: no event of ours, it is left where it is", error)
            return None

    def _is_ours(self, path: str) -> bool:
        try:
            check_path(path)
        except ValueError:
            log.warning("%s is no event of ours, it is left where it is", path)
            return False
        return True
