"""Take events in: append them to the log, and fold the runs that they belong to anew.

An event and its projection are one transaction. A run is always folded from all its events in the log, under a lock on its row, so neither order nor
duplicates nor several API servers at once can change the outcome.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.db.models import (
    DataRow,
    DatasetRow,
    EventRow,
    IoRow,
    JobRow,
    RunRow,
    UnsealedRow,
    dag_run_key,
)
from sematic_airflow_provider.db.packed import compressed, event_groups, facets_apart, store_parts, texts
from sematic_airflow_provider.db.upserts import insert_missing, insert_or_replace
from sematic_airflow_provider.lineage.events import Event, event_of_text
from sematic_airflow_provider.lineage.fold import DataRecord, RunRecord, fold
from sematic_airflow_provider.lineage.naming import dataset_key, job_key
from sematic_airflow_provider.lineage.parts import take_apart

log = logging.getLogger(__name__)
T = TypeVar("T")

_ATTEMPTS = 8
_CHUNK = 400  # below the number of variables that every database takes in one statement


def ingest(session: Session, events: Sequence[Event]) -> int:
    """Append events and project them; commits. Returns how many were new.

    Raises:
        OperationalError: the database failed, or its locks were not to be had in several attempts; nothing of this call is stored.
    """
    return _retried(session, lambda: append_and_project(session, events))


def rebuild(session: Session, run_ids: Iterable[str]) -> None:
    """Fold runs anew from the log; commits after each."""
    for run_id in run_ids:
        _retried(session, lambda run_id=run_id: _project(session, [run_id], []))  # type: ignore[misc]


def append_and_project(session: Session, events: Sequence[Event]) -> int:
    """What ``ingest`` does, once, in the transaction of the session; gives how many were new."""
    fresh = _unknown(session, events)
    if not fresh:
        return 0
    run_ids = sorted({event.run_id for event in fresh if event.run_id})
    known = _lock(session, run_ids)
    _append(session, fresh)
    _project(session, run_ids, fresh, known)
    return len(fresh)


def _unknown(session: Session, events: Sequence[Event]) -> list[Event]:
    unique = {event.digest: event for event in events}
    known: set[str] = set()
    for chunk in _chunks(list(unique)):
        known.update(session.scalars(select(EventRow.digest).where(EventRow.digest.in_(chunk))))
    return [event for digest, event in unique.items() if digest not in known]


def _lock(session: Session, run_ids: Sequence[str]) -> set[str]:
    """Hold the rows of these runs until the transaction ends; gives those that there are.

    In one order everywhere: two servers that wait for each other's runs would never end. Two that make the same run meet when they insert it, and one
    of them tries again.
    """
    found: set[str] = set()
    for chunk in _chunks(run_ids):
        query = select(RunRow.run_id).where(RunRow.run_id.in_(chunk)).order_by(RunRow.run_id)
        found.update(session.scalars(query.with_for_update()))
    return found


def _append(session: Session, events: Sequence[Event]) -> None:
    now = dt.datetime.now(dt.timezone.utc)
    apart = [take_apart(event.data, event_groups(event.payload)) for event in events]
    store_parts(session, {key: part for one in apart for key, part in one.parts.items()})
    rows = [
        {
            "digest": event.digest,
            "received_at": now,
            "event_time": event.time,
            "kind": event.kind,
            "run_id": event.run_id,
            "subject_key": _subject_key(event),
            "payload": compressed(one.skeleton),
        }
        for event, one in zip(events, apart, strict=True)
    ]
    session.execute(insert(EventRow), rows)
    for chunk in _chunks([event.digest for event in events]):
        ids = select(EventRow.id).where(EventRow.digest.in_(chunk))
        session.execute(insert(UnsealedRow).from_select(["event_id"], ids))


def _subject_key(event: Event) -> str | None:
    if event.kind == "run":
        return None
    return (job_key if event.kind == "job" else dataset_key)(event.namespace, event.name)


def _project(
    session: Session, run_ids: Sequence[str], fresh: Sequence[Event], known: Collection[str] | None = None
) -> None:
    """Fold these runs from all their events; ``fresh`` are those that were appended just now, ``known`` the runs that have rows."""
    known = _lock(session, run_ids) if known is None else known
    events = _events_of(session, [run_id for run_id in run_ids if run_id in known], fresh)
    records = [fold(events[run_id]) for run_id in run_ids]
    insert_missing(session, JobRow, _job_rows(records))
    insert_missing(session, DatasetRow, _dataset_rows(records))
    apart = [facets_apart(record.facets) for record in records]
    io_rows, io_parts = _io_rows(records)
    store_parts(session, {key: part for one in apart for key, part in one.parts.items()} | io_parts)
    rows = [_run_row(record, compressed(one.skeleton)) for record, one in zip(records, apart, strict=True)]
    if new := [row for row in rows if row["run_id"] not in known]:
        session.execute(insert(RunRow), new)
    insert_or_replace(session, RunRow, [row for row in rows if row["run_id"] in known])
    for chunk in _chunks([run_id for run_id in run_ids if run_id in known]):
        session.execute(delete(IoRow).where(IoRow.run_id.in_(chunk)))
    # Sorted, so that two transactions that tell of the same data wait for each other in one order.
    data = (data for record in records for data in record.data)
    _tell_of_data(
        session, {one.node_id: one for one in sorted(data, key=lambda d: (d.node_id, _rank(d)), reverse=True)}
    )
    if io_rows:
        session.execute(insert(IoRow), io_rows)


def _events_of(session: Session, run_ids: Sequence[str], fresh: Sequence[Event]) -> Mapping[str, list[Event]]:
    """All events of these runs, and of those that only ``fresh`` has events of."""
    found: dict[str, list[Event]] = {}
    new = {event.digest for event in fresh}
    for event in fresh:
        if event.kind == "run" and event.run_id:
            found.setdefault(event.run_id, []).append(event)
    for chunk in _chunks(run_ids):
        query = select(EventRow.digest, EventRow.payload).where(
            EventRow.run_id.in_(chunk), EventRow.kind == "run", EventRow.payload.is_not(None)
        )
        packed = [payload for digest, payload in session.execute(query) if digest not in new and payload is not None]
        for text in texts(session, packed):
            event = event_of_text(text)
            found.setdefault(str(event.run_id), []).append(event)
    return found


def _job_rows(records: Iterable[RunRecord]) -> list[dict[str, str]]:
    found = {job_key(record.namespace, record.name): record for record in records}
    return [
        {"job_key": key, "namespace": record.namespace, "name": record.name} for key, record in sorted(found.items())
    ]


def _dataset_rows(records: Iterable[RunRecord]) -> list[dict[str, str]]:
    found = {dataset_key(data.namespace, data.name): data for record in records for data in record.data}
    return [{"dataset_key": key, "namespace": data.namespace, "name": data.name} for key, data in sorted(found.items())]


def _run_row(record: RunRecord, facets: bytes) -> dict[str, Any]:
    told = {column.name: getattr(record, column.name, None) for column in RunRow.__table__.columns}
    return told | {"job_key": job_key(record.namespace, record.name), "facets": facets}


def _io_rows(records: Iterable[RunRecord]) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    rows: list[dict[str, Any]] = []
    parts: dict[str, bytes] = {}
    for record in records:
        dag_run = dag_run_key(record.dag_id, record.dag_run_id)
        for data in record.data:
            apart = facets_apart(data.facets)
            parts |= apart.parts
            rows.append(
                {
                    "run_id": record.run_id,
                    "node_id": data.node_id,
                    "dataset_key": dataset_key(data.namespace, data.name),
                    "direction": data.direction,
                    "at": data.seen_at,
                    "dag_run_key": dag_run,
                    "label": data.label,
                    "name": data.name,
                    "dataset_type": data.dataset_type,
                    "facets": compressed(apart.skeleton),
                }
            )
    return rows, parts


def _tell_of_data(session: Session, told: Mapping[str, DataRecord]) -> None:
    """Make the rows of data that are new, and give those that were told of later than now the first facts."""
    ids = sorted(told)
    known: dict[str, str] = {}
    for chunk in _chunks(ids):
        query = select(DataRow.node_id, DataRow.rank).where(DataRow.node_id.in_(chunk))
        known.update((node_id, rank) for node_id, rank in session.execute(query))
    new = [{"node_id": node_id, **_data_facts(told[node_id])} for node_id in ids if node_id not in known]
    if new:
        session.execute(insert(DataRow), new)
    for node_id in ids:
        if node_id in known and _rank(told[node_id]) < known[node_id]:
            facts = _data_facts(told[node_id])
            session.execute(
                update(DataRow).where(DataRow.node_id == node_id, DataRow.rank > facts["rank"]).values(**facts)
            )


def _rank(data: DataRecord) -> str:
    """Orders what several runs tell of the same data: the earliest first, then by content. Always 91 characters."""
    ref = data.ref
    fields = {"namespace": data.namespace, "name": data.name, "ref": ref.to_json() if ref else None}
    return data.seen_at.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "|" + digest_record("data", fields)


def _data_facts(data: DataRecord) -> dict[str, Any]:
    ref = data.ref
    return {
        "dataset_key": dataset_key(data.namespace, data.name),
        "digest": ref.digest if ref else None,
        "codec": ref.codec[:250] if ref else None,
        "type": ref.type if ref else None,
        "size": ref.size if ref else None,
        "value": json.dumps(ref.value) if ref and ref.has_value else None,
        "namespace": data.namespace,
        "name": data.name,
        "version": data.version,
        "first_seen": data.seen_at,
        "rank": _rank(data),
    }


def _retried(session: Session, work: Callable[[], T]) -> T:
    """Try again what lost a race with another process for the same rows; not what the database refuses for good."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            result = work()
            session.commit()
        except (IntegrityError, OperationalError) as error:
            session.rollback()
            if attempt == _ATTEMPTS or not _transient(error):
                raise
            log.debug("attempt %d to take events in lost a race: %s", attempt, error)
            time.sleep(0.02 * 2**attempt)
        except BaseException:
            session.rollback()
            raise
        else:
            return result
    raise AssertionError("unreachable")


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


def _transient(error: IntegrityError | OperationalError) -> bool:
    if isinstance(error, IntegrityError):
        return True
    text = str(error.orig).lower()
    return any(sign in text for sign in ("locked", "deadlock", "lock wait", "could not serialize"))
