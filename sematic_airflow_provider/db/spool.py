"""The drain: events that wait in a spool are taken straight into the tables.

Taking in is idempotent, so several drains at once, or one that dies between taking an event in and deleting its document, do no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.db import owners
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.delivery.spool import REJECTED, SPOOL, Spool, StoreSpool, batches, check_whole
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.events import Event, event_of_text

__all__ = ["REJECTED", "SPOOL", "Drained", "drain", "drain_spool"]

log = logging.getLogger(__name__)

_BATCH = 100
_BATCH_BYTES = 8 << 20
_OF_THE_DATABASE = (OperationalError, InterfaceError)
_FAILURES = 3


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
        StoreError: the store cannot be read.
        SQLAlchemyError: the database refused; what was not taken in stays where it is.
    """
    owners.register(store)
    return drain_spool(StoreSpool(store))


def drain_spool(spool: Spool) -> Drained:
    """Take in all that waits in one place, the oldest first.

    Raises:
        StoreError, OSError: the place cannot be read or written.
        SQLAlchemyError: the database refused; what was not taken in stays where it is.
    """
    delivered = rejected = 0
    for batch in batches(spool, spool.waiting(), _BATCH, _BATCH_BYTES):
        events, refused = _parsed(batch)
        taken, unfit = _take_in(events)
        spool.remove(taken)
        refused |= unfit
        for name, reason in refused.items():
            spool.reject(name, batch[name], reason)
        delivered, rejected = delivered + len(taken), rejected + len(refused)
    return Drained(delivered, rejected)


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


def _take_in(events: Mapping[str, Event]) -> tuple[list[str], dict[str, str]]:
    """Ingest all; one by one where that fails, so that one that cannot be held does not hold up the others.

    Gives the names of those that were taken, and of those that never can be, with the reason. What the database failed on may be tried again.
    """
    if not events:
        return [], {}
    try:
        _ingest(list(events.values()))
        return list(events), {}
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
    taken: list[str] = []
    refused: dict[str, str] = {}
    failures = 0
    for name, event in events.items():
        try:
            _ingest([event])
            taken.append(name)
            failures = 0
        except _OF_THE_DATABASE as error:
            failures += 1
            if failures == _FAILURES or error.connection_invalidated:  # not one event's fault
                if taken or refused:
                    break
                raise
            log.warning("the lineage event %s cannot be taken in now: %s", name, error.orig)
        except Exception as error:
            log.warning("the lineage event %s cannot be taken in", name, exc_info=True)
            refused[name] = _reason(error)
    return taken, refused


def _ingest(events: list[Event]) -> None:
    with lineage_session() as session:
        ingest(session, events)


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return f"the database cannot hold it: {error.orig}"
    return f"it cannot be taken in: {type(error).__name__}: {error}"
