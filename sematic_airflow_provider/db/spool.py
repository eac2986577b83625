"""The drain: events that wait in a spool are taken straight into the tables.

Taking in is idempotent, so several drains at once, or one that dies between taking an event in and deleting its document, do no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.exc import DataError, DBAPIError

from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.db import owners
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.delivery.spool import REJECTED, Spool, StoreSpool, batches, check_whole
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.events import Event, event_of_text

log = logging.getLogger(__name__)

_BATCH = 100
_BATCH_BYTES = 8 << 20
_OF_THE_EVENT = (DataError, ValueError)
_FAILURES = 5
"""How many events in a row must fail for it to be the fault of the database, or of this version of ours."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain did: events taken in, and documents set aside because they are no OpenLineage events."""

    delivered: int = 0
    rejected: int = 0

    def __add__(self, other: Drained) -> Drained:
        return Drained(self.delivered + other.delivered, self.rejected + other.rejected)

    def __str__(self) -> str:
        text = f"{self.delivered} event{'' if self.delivered == 1 else 's'} delivered"
        return text + (f", {self.rejected} rejected (see {REJECTED} beside them)" if self.rejected else "")


def drain(store: Store) -> Drained:
    """Take in all that waits in a store.

    Raises:
        StoreError, Exception: as ``drain_spool`` does.
    """
    owners.register(store)
    return drain_spool(StoreSpool(store))


def drain_spool(spool: Spool) -> Drained:
    """Take in all that waits in one place, the oldest first.

    Raises:
        StoreError, OSError: the place cannot be read or written.
        Exception: what the database, or the code that takes events in, failed with while no event could be taken. All stay where they are.
    """
    work = _Work(spool)
    for batch in batches(spool, spool.waiting(), _BATCH, _BATCH_BYTES):
        work.take(batch)
    work.settle_suspects()
    return Drained(work.delivered, work.rejected)


def _parsed(batch: Mapping[str, bytes]) -> tuple[dict[str, Event], dict[str, str]]:
    events: dict[str, Event] = {}
    refused: dict[str, str] = {}
    for name, data in batch.items():
        try:
            check_whole(name, data)
            events[name] = event_of_text(data)
        except EventRejectedError as error:
            refused[name] = str(error)
    return events, refused


class _Work:
    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.delivered = self.rejected = 0
        self._suspects: dict[str, Exception] = {}
        self._failures = 0

    def take(self, batch: Mapping[str, bytes]) -> None:
        """Take in a batch; one by one where that fails, so that an event that cannot be held does not hold up the others."""
        events, refused = _parsed(batch)
        for name, reason in refused.items():
            self._reject(name, batch[name], reason)
        if not events:
            return
        try:
            _ingest(list(events.values()))
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
        else:
            self._taken(list(events))
            return
        for name, event in events.items():
            self._take_one(name, event, batch[name])

    def _take_one(self, name: str, event: Event, data: bytes) -> None:
        try:
            _ingest([event])
        except _OF_THE_EVENT as error:
            self._reject(name, data, _reason(error))
        except Exception as error:
            self._failures += 1
            if self._failures == _FAILURES or (isinstance(error, DBAPIError) and error.connection_invalidated):
                raise  # not the fault of so many events
            log.warning("the lineage event %s cannot be taken in now", name, exc_info=True)
            self._suspects[name] = error
        else:
            self._taken([name])

    def settle_suspects(self) -> None:
        """Where others could be taken in, those that broke the taking in are at fault; what the database failed on may be tried again."""
        if self._suspects and not self.delivered:
            raise next(iter(self._suspects.values()))
        broken = [name for name, error in self._suspects.items() if not isinstance(error, DBAPIError)]
        for name, data in self._spool.read(broken):
            self._reject(name, data, _reason(self._suspects[name]))

    def _taken(self, names: list[str]) -> None:
        self._spool.remove(names)
        self.delivered += len(names)
        self._failures = 0

    def _reject(self, name: str, data: bytes, reason: str) -> None:
        self._spool.reject(name, data, reason)
        self.rejected += 1


def _ingest(events: list[Event]) -> None:
    with lineage_session() as session:
        ingest(session, events)


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return f"the database cannot hold it: {error.orig}"
    return f"it cannot be taken in: {type(error).__name__}: {error}"
