"""Single flight: of several who need the same step at once, on whatever machines, one computes it and the others wait for its entry.

Who computes holds a lease, ``steps/leases/<key>.<number>.json``, and renews it from a thread of its own. A lease that is not renewed, because its owner
was killed, is taken over by creating the one of the next number: documents are created by one alone, so one alone takes over. Times are those of the
store's clock. An owner that was only asleep finds a lease of a higher number, and then replaces nothing that others have written.

Where leases fail (a store without conditional writes, a clock that jumps, an owner asleep for minutes) a step is computed twice. Nothing else can come of
it: an entry is what a step with just this key returned, whoever writes it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, short
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import StoreError

log = logging.getLogger(__name__)

FOLDER = "steps/leases"
_WRITING = 1.0
_MUCH = 10
"""So many times as long as leases hold is longer than clocks that differ can explain."""
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class FlightPace:
    """Times in seconds. All users of one store should have the same."""

    lease: float = 90.0
    """How long a lease holds that is not renewed."""
    renew: float = 20.0
    first_look: float = 0.2
    slowest_look: float = 10.0
    """Who waits looks again after such a time, twice as long each time."""
    tell: float = 60.0
    limit: float = 6 * 3600.0
    """Who has waited so long computes."""


class ComputedElsewhereError(Exception):
    """Somebody else computes the step, and who asked did not want to wait longer. ``by`` says who."""

    def __init__(self, by: str) -> None:
        super().__init__(f"being computed by {by}")
        self.by = by


class Lease:
    """The right to compute a step, while others wait; renewed until ``end``."""

    def __init__(self, store: Store, key: Digest, number: int, name: str, by: str, pace: FlightPace) -> None:
        self._store, self._key, self.number, self._name, self._by, self._pace = store, key, number, name, by, pace
        self._ended = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._renew, name="sematic-lease", daemon=True)
        self._thread.start()

    def held(self) -> bool:
        """Whether nobody else has taken over.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._lost:
            return False
        found = _leases(self._store, self._key)
        return bool(found) and max(found) == self.number and _name_of(self._store, found[self.number]) == self._name

    def end(self) -> None:
        """Let go of it, and of those that it took over."""
        self._ended.set()
        self._thread.join()
        with suppress(StoreError):  # it runs out by itself
            if self.held():
                for number, path in sorted(_leases(self._store, self._key).items()):
                    if number <= self.number:
                        self._store.delete_document(path)

    def _renew(self) -> None:
        path = _path(self._key, self.number)
        while not self._ended.wait(self._pace.renew):
            try:
                if not self.held():
                    self._lost = True
                    log.warning("step %s: another has taken over, as if this process were dead", short(self._key))
                    return
                self._store.write_document(path, _document(self._store, self._name, self._by, self._pace))
            except StoreError as error:
                log.warning("step %s: the lease could not be renewed: %s", short(self._key), error)


def try_lead(store: Store, key: Digest, by: str, pace: FlightPace | None = None) -> Lease | None:
    """The lease of a step, unless another has it; does not wait.

    Raises:
        StoreError: the store fails.
    """
    pace = pace or FlightPace()
    found = _leases(store, key)
    if found and not _stale(store, found[max(found)], pace):
        return None
    number, name = max(found, default=0) + 1, uuid.uuid4().hex
    if not store.create_document(_path(key, number), _document(store, name, by, pace)):
        return None
    if found:
        log.info("step %s: its owner has not renewed its lease and must be dead: taking over", short(key))
    return Lease(store, key, number, name, by, pace)


def in_flight(store: Store, key: Digest, pace: FlightPace | None = None) -> bool:
    """Whether somebody who is alive computes the step.

    Raises:
        StoreError: the store fails.
    """
    found = _leases(store, key)
    return bool(found) and not _stale(store, found[max(found)], pace or FlightPace())


def lead_or_find(
    store: Store,
    key: Digest,
    by: str,
    look: Callable[[], _Found | None],
    pace: FlightPace | None = None,
    patience: float | None = None,
) -> tuple[_Found | None, Lease | None]:
    """What ``look`` finds, once another has computed it; or the lease, to compute it here; or neither, after too long a wait.

    Raises:
        ComputedElsewhereError: it is still being computed after ``patience`` seconds, where such are given.
        StoreError: the store fails.
    """
    pace = pace or FlightPace()
    begun = told = time.monotonic()
    pause = pace.first_look
    while True:
        lease = try_lead(store, key, by, pace)
        try:
            found = look()  # also with the lease: its last owner may have finished a moment ago
        except BaseException:
            if lease is not None:
                lease.end()
            raise
        if found is not None:
            if lease is not None:
                lease.end()
            return found, None
        if lease is not None:
            return None, lease
        waited = time.monotonic() - begun
        if patience is not None and waited >= patience:
            raise ComputedElsewhereError(_owner(store, key))
        if waited > pace.limit:
            log.warning("step %s: waited %.0f s for %s: computing it here too", short(key), waited, _owner(store, key))
            return None, None
        if waited < pace.first_look or time.monotonic() - told > pace.tell:
            told = time.monotonic()
            log.info(
                "step %s is being computed by %s: waiting for it (%.0f s so far)",
                short(key),
                _owner(store, key),
                waited,
            )
        time.sleep(pause)
        pause = min(2 * pause, pace.slowest_look)


def delete_old_leases(store: Store, before: float) -> int:
    """Delete what dead owners have left that ran out before this time; how many.

    Raises:
        StoreError: the store fails.
    """
    found = {path: store.read_document(path) for path in store.list_documents(FOLDER)}
    old = [path for path, data in found.items() if data is not None and (_until(data) or 0.0) < before]
    for path in old:
        store.delete_document(path)
    return len(old)


def _leases(store: Store, key: Digest) -> dict[int, str]:
    """Paths by number."""
    found: dict[int, str] = {}
    for path in store.list_documents(FOLDER):
        name, _, number = path.removeprefix(f"{FOLDER}/").removesuffix(".json").partition(".")
        if name == key and number.isdigit():
            found[int(number)] = path
    return found


def _path(key: Digest, number: int) -> str:
    return f"{FOLDER}/{key}.{number}.json"


def _document(store: Store, name: str, by: str, pace: FlightPace) -> bytes:
    return canonical_json({"name": name, "by": by, "until": store.now() + pace.lease})


def _stale(store: Store, path: str, pace: FlightPace) -> bool:
    """Whether a lease has run out, or claims a time that no owner gives it. One that has just gone has not: its owner has finished."""
    data = store.read_document(path)
    if data is not None and _until(data) is None:  # being written, or torn
        time.sleep(_WRITING)
        data = store.read_document(path)
    if data is None:
        return False
    until = _until(data)
    return until is None or not store.now() <= until <= store.now() + _MUCH * max(pace.lease, FlightPace().lease)


def _until(data: bytes) -> float | None:
    try:
        return float(json.loads(data)["until"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _name_of(store: Store, path: str) -> str | None:
    try:
        return str(json.loads(store.read_document(path) or b"")["name"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _owner(store: Store, key: Digest) -> str:
    found = _leases(store, key)
    try:
        return str(json.loads(store.read_document(found[max(found)]) or b"")["by"]) if found else "another run"
    except (KeyError, TypeError, ValueError, RecursionError):
        return "another run"
