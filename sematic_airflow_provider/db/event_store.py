"""Take events in: append them to the log, and fold the runs that they belong to anew.

An event and its projection are one transaction. A run is always folded from all its events in the log, under a lock on its row, so neither order nor
duplicates nor several API servers at once can change the outcome.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.lookups import chunks, one_of
from sematic_airflow_provider.db.memory import LONG, Memory, Prefix, memory_of
from sematic_airflow_provider.db.models import EventRow, RunRow, UnsealedRow
from sematic_airflow_provider.db.packed import compressed, texts
from sematic_airflow_provider.db.projection import project_flows, project_names, project_runs
from sematic_airflow_provider.db.seals import seal_soon
from sematic_airflow_provider.db.upserts import insert_rows
from sematic_airflow_provider.lineage.dataset_names import Name, canonical
from sematic_airflow_provider.lineage.essence import essence
from sematic_airflow_provider.lineage.events import Event, event_of_text, known_event
from sematic_airflow_provider.lineage.fold import RunRecord, fold
from sematic_airflow_provider.lineage.naming import dataset_key, job_key
from sematic_airflow_provider.lineage.rollup import KIND as ROLL_UP
from sematic_airflow_provider.lineage.rollup import events_in
from sematic_airflow_provider.lineage.told import datasets_of, told_data

log = logging.getLogger(__name__)
T = TypeVar("T")

_ATTEMPTS = 8


def ingest(session: Session, events: Sequence[Event]) -> int:
    """Append events and project them; commits. Returns how many were new.

    Raises:
        OperationalError: the database failed, or its locks were not to be had in several attempts; nothing of this call is stored.
    """
    return len(ingested(session, events))


def ingested(session: Session, events: Sequence[Event]) -> set[str]:
    """What ``ingest`` does; gives the digests of the events that were new."""
    memory = memory_of(session)
    batch = _Batch(session, memory)
    count = retried(session, lambda: batch.take(events))
    batch.committed()
    if count:
        seal_soon(session)
    return batch.new


def append_and_project(
    session: Session, events: Sequence[Event], received: Mapping[str, dt.datetime] | None = None
) -> int:
    """What ``ingest`` does, once, in the transaction of the session; gives how many were new.

    ``received`` says, by digest, when events came that were received before.
    """
    return _Batch(session, Memory(), received=received).take(events)


def rebuild_runs(session: Session, run_ids: Iterable[str]) -> None:
    """Fold these runs anew from the log; commits."""
    wanted = sorted(set(run_ids))
    retried(session, lambda: _Batch(session, Memory(), mending=True).project(wanted, []))


def stored_events(session: Session, run_ids: Sequence[str], *, held: bool = True) -> dict[str, tuple[list[Event], int]]:
    """Of each of these runs the events that count, and how many it has had. ``held``: nothing changes them until the transaction ends."""
    batch = _Batch(session, Memory())
    if held:
        hold_runs(session, sorted(run_ids))
    return batch.stored(run_ids, ())


def rebuild_events(session: Session, ids: Sequence[int]) -> None:
    """Keep again the names and the flows that these events of the log tell; commits."""
    query = select(EventRow.payload).where(
        EventRow.id.in_(ids), EventRow.kind.in_(("run", "job", "dataset")), EventRow.payload.is_not(None)
    )

    def work() -> None:
        told = [event_of_text(text) for text in texts(session, [one for one in session.scalars(query) if one])]
        project_flows(session, told, Memory(), mending=True)
        project_names(session, *_names(told), mending=True)

    retried(session, work)


def hold_runs(session: Session, run_ids: Sequence[str]) -> set[str]:
    """Hold the rows of these runs until the transaction ends; gives those that there are.

    In one order everywhere: two servers that wait for each other's runs would never end. Before anything is read, so that what is read is what
    whoever held the rows before has left.
    """
    if session.get_bind().dialect.name == "sqlite":  # rows cannot be held, and what is only read begins no transaction
        session.execute(update(RunRow).where(RunRow.run_id.is_(None)).values(state=RunRow.state))
    found: set[str] = set()
    for chunk in chunks(run_ids):
        query = select(RunRow.run_id).where(one_of(session, RunRow.run_id, chunk)).order_by(RunRow.run_id)
        found.update(session.scalars(query.with_for_update()))
    return found


class _Batch:
    """Events that are taken in together."""

    def __init__(
        self,
        session: Session,
        memory: Memory,
        *,
        mending: bool = False,
        received: Mapping[str, dt.datetime] | None = None,
    ) -> None:
        self._received = received or {}
        self._mending = mending
        self._session = session
        self._memory = memory
        self.new: set[str] = set()
        self._flows: dict[str, str] = {}
        self._prefixes: dict[str, Prefix] = {}

    def take(self, events: Sequence[Event]) -> int:
        """Append what is new, and project; gives how much that was."""
        unique: dict[str, Event] = {event.digest: event for event in events}
        known = hold_runs(self._session, sorted({event.run_id for event in unique.values() if event.run_id}))
        fresh = self._unknown(unique)
        self.new = {event.digest for event in fresh}
        if fresh:
            parts = self._append(fresh)
            self.project(sorted({event.run_id for event in fresh if event.run_id}), fresh, known, parts)
            self._flows = project_flows(self._session, fresh, self._memory)
            project_names(self._session, *_names(fresh))
        return len(fresh)

    def committed(self) -> None:
        """Remember what is now in the database for good."""
        self._memory.remember_flows(self._flows)
        for run_id, prefix in self._prefixes.items():
            self._memory.remember_run(run_id, prefix)

    def _unknown(self, unique: Mapping[str, Event]) -> list[Event]:
        known: set[str] = set()
        for chunk in chunks(list(unique)):
            known.update(
                self._session.scalars(select(EventRow.digest).where(one_of(self._session, EventRow.digest, chunk)))
            )
        return [event for digest, event in unique.items() if digest not in known]

    def _append(self, events: Sequence[Event]) -> dict[str, str]:
        """Append events; gives the parts of their texts, which are still to be stored."""
        now = dt.datetime.now(dt.timezone.utc)
        apart = [self._memory.cutter.cut(event.text, event.members) for event in events]
        rows = [
            {
                "digest": event.digest,
                "received_at": self._received.get(event.digest, now),
                "event_time": event.time,
                "kind": event.kind,
                "run_id": event.run_id,
                "subject_key": subject_key(event),
                "payload": compressed(one.skeleton.encode()),
            }
            for event, one in zip(events, apart, strict=True)
        ]
        insert_rows(self._session, EventRow, rows)
        for chunk in chunks([event.digest for event in events]):
            ids = select(EventRow.id).where(one_of(self._session, EventRow.digest, chunk))
            self._session.execute(insert(UnsealedRow).from_select(["event_id"], ids))
        return {key: part for one in apart for key, part in one.parts.items()}

    def project(
        self,
        run_ids: Sequence[str],
        fresh: Sequence[Event],
        known: Collection[str] | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> None:
        """Fold these runs from all their events, and store parts of texts.

        Args:
            run_ids: of the runs.
            fresh: events that were appended just now.
            known: the runs that have rows, where that is known; they are locked.
            parts: of what was appended.
        """
        known = hold_runs(self._session, run_ids) if known is None else known
        of_runs: dict[str, list[Event]] = {run_id: [] for run_id in run_ids}
        for event in fresh:
            if event.run_id:
                of_runs[event.run_id].append(event)
        counts = {run_id: len(events) for run_id, events in of_runs.items()}
        new = {event.digest for event in fresh}
        for run_id, (events, count) in self.stored([run for run in run_ids if run in known or not fresh], new).items():
            of_runs[run_id] += events
            counts[run_id] += count
        records = [_folded(events, counts[run_id]) for run_id, events in of_runs.items() if events]
        facet_texts = {
            id(member.value): event.text[member.start : member.end] for event in fresh for member in event.members
        }
        told = (data for events in of_runs.values() for data in told_data(events))
        project_runs(self._session, records, told, known, facet_texts, self._memory, parts=parts, mending=self._mending)

    def stored(self, run_ids: Sequence[str], new: Collection[str]) -> dict[str, tuple[list[Event], int]]:
        """The events of these runs that were committed before, but of long runs only those that count; and how many there are."""
        found: dict[str, tuple[list[Event], int]] = {}
        remembered = {run_id: prefix for run_id in run_ids if (prefix := self._memory.prefix(run_id))}
        rows: dict[str, list[tuple[int, str]]] = {}
        for run_id, prefix in remembered.items():
            events, ids, _ = self._read([run_id], new, prefix.last_id)
            if ids.get(run_id, [])[:1] == [(prefix.last_id, prefix.last_digest)]:
                fresh = [event for event in events if event.digest != prefix.last_digest]
                found[run_id] = ([*prefix.essence, *fresh], prefix.count + len(fresh))
                rows[run_id] = ids[run_id]
        others, ids, more = self._read([run_id for run_id in run_ids if run_id not in found], new)
        for event in others:
            events, count = found.setdefault(str(event.run_id), ([], 0))
            events.append(event)
            found[str(event.run_id)] = (events, count + 1 + more.pop(str(event.run_id), 0))
        for run_id, (events, count) in found.items():
            known = rows.get(run_id) or ids.get(run_id)
            if count > LONG and known:
                prefix = Prefix(*known[-1], essence(events), count, time.monotonic())
                self._prefixes[run_id] = prefix
                found[run_id] = (list(prefix.essence), count)
        return found

    def _read(
        self, run_ids: Sequence[str], new: Collection[str], since: int = 0
    ) -> tuple[list[Event], dict[str, list[tuple[int, str]]], dict[str, int]]:
        """Events that are stored with an id from one on; the ids and digests of each run's in order; and how many more a roll-up stands for."""
        columns = (EventRow.id, EventRow.digest, EventRow.event_time, EventRow.run_id, EventRow.kind, EventRow.payload)
        rows = []
        for chunk in chunks(run_ids):
            query = select(*columns).where(
                one_of(self._session, EventRow.run_id, chunk),
                EventRow.id >= since,
                EventRow.kind.in_(("run", ROLL_UP)),
                EventRow.payload.is_not(None),
            )
            rows += [row for row in self._session.execute(query) if row.digest not in new]
        rows.sort(key=lambda row: row.id)
        ids: dict[str, list[tuple[int, str]]] = {}
        for row in rows:
            ids.setdefault(row.run_id, []).append((row.id, row.digest))
        told = texts(self._session, [row.payload for row in rows], self._memory.parts)
        events: list[Event] = []
        more: dict[str, int] = {}
        for row, text in zip(rows, told, strict=True):
            if row.kind == "run":
                events.append(known_event(text, row.digest, row.event_time, row.run_id))
            elif row.id != since:
                kept, count = events_in(text)
                events += kept
                more[row.run_id] = more.get(row.run_id, 0) + count - len(kept)
        return events, ids, more


def _folded(events: Sequence[Event], count: int) -> RunRecord:
    record = fold(events)
    return record if record.event_count == count else dataclasses.replace(record, event_count=count)


def _names(events: Sequence[Event]) -> tuple[set[Name], set[Name]]:
    """The jobs and the data sets that these events name, each event taken alone: so it does not matter which came first."""
    jobs: set[Name] = set()
    datasets: set[Name] = set()
    for event in events:
        if event.kind == "dataset":
            datasets.add(_subject(event))
        else:
            jobs.add((event.namespace, event.name))
        datasets.update(
            canonical(dataset["namespace"], dataset["name"], facets.get("symlinks"))
            for _, dataset, facets in datasets_of(event)
        )
    return jobs, datasets


def _subject_name(dataset: Mapping[str, Any]) -> Name:
    return canonical(dataset["namespace"], dataset["name"], (dataset.get("facets") or {}).get("symlinks"))


def _subject(event: Event) -> Name:
    return _subject_name(event.payload["dataset"]) if event.kind == "dataset" else (event.namespace, event.name)


def subject_key(event: Event) -> str | None:
    """The key of what an event without a run is of."""
    if event.kind == "run":
        return None
    return (job_key if event.kind == "job" else dataset_key)(*_subject(event))


def retried(session: Session, work: Callable[[], T]) -> T:
    """Do it and commit; again where it lost a race with another process for the same rows, not where the database refuses for good."""
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
