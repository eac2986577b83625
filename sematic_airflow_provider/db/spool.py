"""The drain: events that could not be posted wait as documents in the artifact store, and are taken in from there.

Taking in is idempotent, so several drains at once, or one that dies between taking an event in and deleting its document, do no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from airflow.utils.session import create_session
from sqlalchemy.exc import DataError

from sematic_airflow_provider.artifacts.store import Store, check_path
from sematic_airflow_provider.db import owners
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.errors import DocumentTooLargeError, EventRejectedError
from sematic_airflow_provider.lineage.events import Event, json_of_text, parse_event

log = logging.getLogger(__name__)

SPOOL = "spool"
REJECTED = "spool/rejected"
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain did: events taken in, and documents set aside because they are no OpenLineage events."""

    delivered: int = 0
    rejected: int = 0

    def __str__(self) -> str:
        text = f"{self.delivered} event{'' if self.delivered == 1 else 's'} delivered"
        return text + (f", {self.rejected} rejected (see {REJECTED} in the store)" if self.rejected else "")


def drain(store: Store) -> Drained:
    """Take in all that waits in a store.

    Raises:
        StoreError: the store cannot be read.
        SQLAlchemyError: the database refused; what was not taken in stays where it is.
    """
    owners.register(store)
    waiting = [path for path in store.list_documents(SPOOL) if path.endswith(".json") and is_document_path(path)]
    delivered = rejected = 0
    for start in range(0, len(waiting), _BATCH):
        events, bad = _read(store, waiting[start : start + _BATCH])
        for path, reason in _take_in(events).items():
            bad[path] = (events.pop(path).text.encode(), reason)
        for path in events:
            store.delete_document(path)
        for path, (data, reason) in bad.items():
            _set_aside(store, path, data, reason)
        delivered, rejected = delivered + len(events), rejected + len(bad)
    return Drained(delivered, rejected)


def _take_in(events: Mapping[str, Event]) -> dict[str, str]:
    """Ingest all; one by one where that fails, so that one that the database cannot hold does not hold up the others. Gives the paths of such, and why."""
    refused: dict[str, str] = {}
    try:
        with create_session(scoped=False) as session:
            ingest(session, list(events.values()))
    except (DataError, ValueError):
        for path, event in events.items():
            try:
                with create_session(scoped=False) as session:
                    ingest(session, [event])
            except (DataError, ValueError) as error:
                refused[path] = f"the database cannot hold it: {error}"
    return refused


def _read(store: Store, paths: list[str]) -> tuple[dict[str, Event], dict[str, tuple[bytes, str]]]:
    events: dict[str, Event] = {}
    bad: dict[str, tuple[bytes, str]] = {}
    for path in paths:
        try:
            data = store.read_document(path)
        except DocumentTooLargeError as error:
            log.warning("%s: no event of ours, it is left where it is", error)
            continue
        if data is None:
            continue  # another drain was faster
        try:
            events[path] = parse_event(json_of_text(data))
        except EventRejectedError as error:
            bad[path] = (data, str(error))
    return events, bad


def is_document_path(path: str) -> bool:
    """Whether the store can read and delete it; a file with another name was not written by us, and is left alone."""
    try:
        check_path(path)
    except ValueError:
        log.warning("%s is no event of ours, it is left where it is", path)
        return False
    return True


def _set_aside(store: Store, path: str, data: bytes, reason: str) -> None:
    name = path.rsplit("/", 1)[-1]
    log.warning("the lineage event %s is rejected: %s", name, reason)
    store.write_document(f"{REJECTED}/{name}", data)
    store.write_document(f"{REJECTED}/{name}.reason.txt", reason.encode())
    store.delete_document(path)
