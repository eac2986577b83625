"""Retention of the log by age: the events of runs that ended long ago are removed, and what is kept of each is one roll-up (``lineage/rollup.py``).

Rows of events stay, without their texts: the seals name their digests. Roll-ups, and a notice of what was removed by which policy, are entries of the log, so
they are sealed too. All of a batch is one transaction, which holds the runs as taking events in does; batches are small, and writers wait for one at most.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.db import removals
from sematic_airflow_provider.db.event_store import retried, stored_events
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.memory import Memory
from sematic_airflow_provider.db.models import EventRow, RunRow, UnsealedRow
from sematic_airflow_provider.db.packed import compressed, store_parts
from sematic_airflow_provider.db.projection import project_runs
from sematic_airflow_provider.db.ranges import ranges_of
from sematic_airflow_provider.db.removals import Notice
from sematic_airflow_provider.db.seals import seal
from sematic_airflow_provider.db.upserts import insert_rows
from sematic_airflow_provider.lineage import rollup
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.fold import RunRecord, fold

log = logging.getLogger(__name__)

Progress = Callable[[str, int], None]

_RUNS: Final = 100
_HAS_TEXT: Final = exists().where(
    EventRow.run_id == RunRow.run_id, EventRow.kind == "run", EventRow.payload.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Runs that ended more than so many days ago lose their events, but those that are ``pinned``. ``user`` stands in the notices."""

    keep_days: float
    user: str
    pinned: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went: the texts of so many events, of so many runs; bytes as they were stored, without the parts that they shared. ``kept`` runs were left alone."""

    runs: int = 0
    events: int = 0
    bytes: int = 0
    kept: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            self.runs + other.runs, self.events + other.events, self.bytes + other.bytes, self.kept + other.kept
        )


def prune(
    session: Session,
    policy: Policy,
    *,
    dry_run: bool = False,
    now: dt.datetime | None = None,
    progress: Progress | None = None,
) -> Pruned:
    """Remove the events that a policy lets go of; commits after each batch.

    Raises:
        SQLAlchemyError: the database failed; what was done so far is whole.
    """
    cut = (now or dt.datetime.now(dt.timezone.utc)) - dt.timedelta(days=policy.keep_days)
    done = Pruned()
    memory = Memory()
    for run_ids in _expired(session, cut):
        chosen = [run_id for run_id in run_ids if run_id not in policy.pinned]
        done += Pruned(kept=len(run_ids) - len(chosen))
        if dry_run:
            done += _would_go(session, chosen)
        else:
            done += retried(session, lambda chosen=chosen: _roll_up(session, chosen, policy, cut, memory))  # type: ignore[misc]
        if progress is not None:
            progress("runs rolled up", done.runs)
    if done.runs and not dry_run:
        seal(session)
    return done


def _expired(session: Session, cut: dt.datetime) -> Iterator[list[str]]:
    """Runs that ended before, and have events with texts, some at a time; the eldest first."""
    last: Any = None
    while True:
        query = select(RunRow.run_id, RunRow.first_at).where(RunRow.first_at < cut, RunRow.ended_at < cut, _HAS_TEXT)
        if last is not None:
            after = and_(RunRow.first_at == last.first_at, RunRow.run_id > last.run_id)
            query = query.where(RunRow.first_at >= last.first_at, or_(RunRow.first_at > last.first_at, after))
        rows = session.execute(query.order_by(RunRow.first_at, RunRow.run_id).limit(_RUNS)).all()
        session.rollback()  # nothing was written: no snapshot stays open while a batch is worked on
        if not rows:
            return
        last = rows[-1]
        yield [row.run_id for row in rows]


def _would_go(session: Session, run_ids: Sequence[str]) -> Pruned:
    query = select(func.count(), func.coalesce(func.sum(func.length(EventRow.payload)), 0)).where(
        EventRow.run_id.in_(run_ids), EventRow.payload.is_not(None)
    )
    events, size = session.execute(query).one()
    session.rollback()
    return Pruned(len(run_ids), int(events), int(size))


def _roll_up(session: Session, run_ids: Sequence[str], policy: Policy, cut: dt.datetime, memory: Memory) -> Pruned:
    """Roll these runs up, as far as they still may go now that they are held."""
    found = stored_events(session, run_ids)
    still = select(RunRow.run_id).where(RunRow.run_id.in_(run_ids), RunRow.ended_at < cut, _HAS_TEXT)
    rolled: dict[str, tuple[rollup.RollUp, RunRecord]] = {}
    for run_id in sorted(session.scalars(still)):
        events, count = found.get(run_id, ([], 0))
        if events and (made := _made(run_id, events, count)) is not None:
            rolled[run_id] = made
    if not rolled:
        return Pruned(kept=len(run_ids))
    query = select(EventRow.id, func.length(EventRow.payload)).where(
        EventRow.run_id.in_(rolled), EventRow.kind.in_(("run", rollup.KIND)), EventRow.payload.is_not(None)
    )
    going = {row[0]: int(row[1]) for row in session.execute(query)}
    now = dt.datetime.now(dt.timezone.utc)
    notice = Notice(now, policy.keep_days, cut, policy.user, ranges_of(going)).text()
    rows, parts = _rows(rolled, memory, now)
    rows.append(_row(digest_bytes(notice), removals.KIND, now, compressed(notice), subject_key=removals.SUBJECT))
    store_parts(session, parts)
    insert_rows(session, EventRow, rows)
    for chunk in chunks([row["digest"] for row in rows]):
        ids = select(EventRow.id).where(EventRow.digest.in_(chunk))
        session.execute(insert(UnsealedRow).from_select(["event_id"], ids))
    for some in chunks(sorted(going)):
        session.execute(update(EventRow).where(EventRow.id.in_(some)).values(payload=None))
    project_runs(session, [record for _, record in rolled.values()], (), list(rolled), {}, memory)
    return Pruned(len(rolled), len(going), sum(going.values()), len(run_ids) - len(rolled))


def _made(run_id: str, events: Sequence[Event], count: int) -> tuple[rollup.RollUp, RunRecord] | None:
    """A roll-up, and the record that it folds to; None where it would not say the same as the events: then they are kept."""
    made = rollup.rolled_up(run_id, events, count)
    kept, _ = rollup.events_in(made.text.encode())
    record = fold(kept)
    if not rollup.same_but_facets(fold(events), record):
        log.warning("the events of run %s are kept: without them it would not be told what it is told by them", run_id)
        return None
    return made, replace(record, event_count=count)


def _rows(
    rolled: Mapping[str, tuple[rollup.RollUp, RunRecord]], memory: Memory, now: dt.datetime
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    rows: list[dict[str, Any]] = []
    parts: dict[str, str] = {}
    for run_id, (made, record) in rolled.items():
        skeleton, found = memory.cutter.cut(made.text, made.members)
        parts.update(found)
        time = record.ended_at or record.first_at
        rows.append(_row(made.digest, rollup.KIND, now, compressed(skeleton.encode()), run_id=run_id, time=time))
    return rows, parts


def _row(
    digest: str,
    kind: str,
    now: dt.datetime,
    payload: bytes,
    *,
    run_id: str | None = None,
    subject_key: str | None = None,
    time: dt.datetime | None = None,
) -> dict[str, Any]:
    return {
        "digest": digest,
        "received_at": now,
        "event_time": time or now,
        "kind": kind,
        "run_id": run_id,
        "subject_key": subject_key,
        "payload": payload,
    }
