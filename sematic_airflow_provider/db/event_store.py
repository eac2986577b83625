"""Take events in: append them to the log, and fold the runs that they belong to anew.

An event and its projection are one transaction. A run is always folded from all its events in the log, under a lock on its row, so neither order nor
duplicates nor several API servers at once can change the outcome.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import canonical_json, digest_record
from sematic_airflow_provider.db.models import DataRow, EventRow, IoRow, RunRow, dag_run_key
from sematic_airflow_provider.lineage.events import Event, event_of_text
from sematic_airflow_provider.lineage.fold import DataRecord, RunRecord, fold

log = logging.getLogger(__name__)
T = TypeVar("T")

_ATTEMPTS = 8
_CHUNK = 400  # below the number of variables that every database takes in one statement


def ingest(session: Session, events: Sequence[Event]) -> int:
    """Append events and project them; commits. Returns how many were new.

    Raises:
        OperationalError: the database failed, or its locks were not to be had in several attempts; nothing of this call is stored.
    """
    return _retried(session, lambda: _ingest(session, events))


def rebuild(session: Session, run_ids: Iterable[str]) -> None:
    """Fold runs anew from the log; commits after each."""
    for run_id in run_ids:
        _retried(session, lambda run_id=run_id: _project(session, run_id))  # type: ignore[misc]


def _ingest(session: Session, events: Sequence[Event]) -> int:
    fresh = _unknown(session, events)
    run_ids = sorted({event.run_id for event in fresh if event.run_id})
    for run_id in run_ids:  # in one order everywhere: two servers that wait for each other's runs would never end
        _lock(session, run_id, next(e for e in fresh if e.run_id == run_id))
    now = dt.datetime.now(dt.timezone.utc)
    session.add_all(
        EventRow(digest=e.digest, received_at=now, event_time=e.time, kind=e.kind, run_id=e.run_id, payload=e.text)
        for e in fresh
    )
    session.flush()
    for run_id in run_ids:
        _project(session, run_id)
    session.commit()
    return len(fresh)


def _unknown(session: Session, events: Sequence[Event]) -> list[Event]:
    unique = {event.digest: event for event in events}
    known: set[str] = set()
    digests = list(unique)
    for start in range(0, len(digests), _CHUNK):
        known.update(
            session.scalars(select(EventRow.digest).where(EventRow.digest.in_(digests[start : start + _CHUNK])))
        )
    return [event for digest, event in unique.items() if digest not in known]


def _lock(session: Session, run_id: str, event: Event) -> None:
    """Hold the run's row until the transaction ends, and make it where there is none."""
    row = session.get(RunRow, run_id, with_for_update=True)
    if row is None:
        session.add(
            RunRow(
                run_id=run_id,
                namespace=event.namespace,
                name=event.name,
                state="unknown",
                map_index=-1,
                try_number=0,
                facets="{}",
                event_count=0,
            )
        )
        session.flush()  # another server that makes it too: an integrity error, and the transaction is tried again


def _project(session: Session, run_id: str) -> None:
    texts = session.scalars(select(EventRow.payload).where(EventRow.run_id == run_id, EventRow.kind == "run")).all()
    record = fold(event_of_text(text) for text in texts)
    # What was loaded before the lock was had may be old, and an attribute that is set to its old value is not written.
    row = session.get_one(RunRow, run_id, populate_existing=True)
    _fill(row, record)
    session.execute(delete(IoRow).where(IoRow.run_id == run_id))
    # Sorted, so that two transactions that tell of the same data wait for each other in one order.
    _tell_of_data(
        session, {data.node_id: data for data in sorted(record.data, key=lambda d: (d.node_id, _rank(d)), reverse=True)}
    )
    key = dag_run_key(record.dag_id, record.dag_run_id)
    session.add_all(_io_row(data, run_id, key) for data in record.data)
    session.flush()


def _fill(row: RunRow, record: RunRecord) -> None:
    for name in (
        "namespace",
        "name",
        "state",
        "started_at",
        "ended_at",
        "parent_run_id",
        "dag_id",
        "dag_run_id",
        "task_id",
    ):
        setattr(row, name, getattr(record, name))
    row.map_index, row.try_number, row.event_count = record.map_index, record.try_number, record.event_count
    row.cache = record.cache
    row.facets = canonical_json(dict(record.facets)).decode()


def _tell_of_data(session: Session, told: Mapping[str, DataRecord]) -> None:
    """Make the rows of data that are new, and give those that were told of later than now the first facts."""
    ids = sorted(told)
    known: dict[str, str] = {}
    for start in range(0, len(ids), _CHUNK):
        query = select(DataRow.node_id, DataRow.rank).where(DataRow.node_id.in_(ids[start : start + _CHUNK]))
        known.update((node_id, rank) for node_id, rank in session.execute(query))
    for node_id in ids:
        facts = _data_facts(told[node_id])
        if node_id not in known:
            session.add(DataRow(node_id=node_id, **facts))
        elif facts["rank"] < known[node_id]:
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


def _io_row(data: DataRecord, run_id: str, key: str) -> IoRow:
    return IoRow(
        run_id=run_id,
        node_id=data.node_id,
        direction=data.direction,
        dag_run_key=key,
        label=data.label,
        name=data.name,
        version=data.version,
        facets=canonical_json(dict(data.facets)).decode(),
    )


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


def _transient(error: IntegrityError | OperationalError) -> bool:
    if isinstance(error, IntegrityError):
        return True
    text = str(error.orig).lower()
    return any(sign in text for sign in ("locked", "deadlock", "lock wait", "could not serialize"))
