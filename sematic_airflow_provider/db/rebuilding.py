"""The projection made anew from the log, while events come in: as when the events came, a few at a time, each few in a transaction.

Runs are folded from all their events, with their edges; names, flows and facts of data are put right where they are told. What no event tells is removed
at the end. Facts of data are those of the first who told, so before all is replayed they are marked as known to nobody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.event_store import hold_runs, rebuild_events, rebuild_runs
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import DataRow, EventRow, IoRow, RunRow

_AT_ONCE: Final = 100
_NOBODY: Final = "z"
"""The rank of facts that nobody told: after all others, which begin with a year, by the collation of any database."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is: events that were replayed, of how many, and runs that were folded. ``after`` is the id of the last event."""

    events: int
    of: int
    runs: int
    after: int


Tell = Callable[[Progress], None]


def rebuild(session: Session, tell: Tell, *, since: dt.datetime | None = None, after: int = 0) -> Progress:
    """Replay the log in its order; commits every few events.

    Args:
        session: of the database.
        tell: called after each transaction.
        since: only events that were received from then on, with all events of their runs; then nothing is removed.
        after: goes on after the event of this id, where an earlier rebuild was stopped.
    """
    whole = since is None
    if whole and after == 0:
        _forget_facts(session)
    # What comes later is projected when it comes, and does no longer meet what was wrong.
    wanted = and_(EventRow.id <= (session.scalar(select(func.max(EventRow.id))) or 0), EventRow.payload.is_not(None))
    if since is not None:
        wanted = and_(wanted, EventRow.received_at >= since)
    of = session.scalar(select(func.count()).select_from(EventRow).where(wanted, EventRow.id > after)) or 0
    progress = Progress(0, of, 0, after)
    while True:
        query = select(EventRow.id, EventRow.run_id).where(wanted, EventRow.id > progress.after)
        rows = session.execute(query.order_by(EventRow.id).limit(_AT_ONCE)).all()
        if not rows:
            break
        runs = _first_met(session, {row.run_id for row in rows if row.run_id}, wanted, after, rows[0].id)
        session.commit()  # nothing is held between two transactions
        rebuild_events(session, [row.id for row in rows])
        rebuild_runs(session, runs)
        progress = Progress(progress.events + len(rows), of, progress.runs + len(runs), rows[-1].id)
        tell(progress)
    if whole:
        _remove_runs_of_no_event(session)
        _remove_data_of_nobody(session)
    session.commit()
    return progress


def rebuild_run(session: Session, run_id: str) -> int:
    """Make one run anew from its events; gives how many there are. Commits."""
    query = select(EventRow.id).where(EventRow.run_id == run_id, EventRow.payload.is_not(None)).order_by(EventRow.id)
    ids = list(session.scalars(query))
    session.commit()
    for some in chunks(ids, _AT_ONCE):
        rebuild_events(session, some)
    if ids:
        rebuild_runs(session, [run_id])
    return len(ids)


def _first_met(session: Session, run_ids: set[str], wanted: Any, after: int, first: int) -> list[str]:
    """Those of these runs of which no earlier event was replayed: the others were folded with that, from all their events."""
    query = select(EventRow.run_id).where(
        EventRow.run_id.in_(run_ids), wanted, EventRow.id > after, EventRow.id < first
    )
    return sorted(run_ids - set(session.scalars(query.distinct())))


def _forget_facts(session: Session) -> None:
    last = ""
    while True:
        query = select(DataRow.node_id).order_by(DataRow.node_id).limit(_AT_ONCE * 10)
        ids = list(session.scalars(query.where(DataRow.node_id > last) if last else query))
        if not ids:
            return
        session.execute(update(DataRow).where(DataRow.node_id.in_(ids)).values(rank=_NOBODY))
        session.commit()
        last = ids[-1]


def _remove_runs_of_no_event(session: Session) -> None:
    # Of an event whose text was removed the row is still there.
    told = select(EventRow.id).where(EventRow.run_id == RunRow.run_id).exists()
    gone = list(session.scalars(select(RunRow.run_id).where(~told)))
    for chunk in chunks(gone, _AT_ONCE):
        hold_runs(session, chunk)  # an event of one may have come meanwhile: it is looked for once more
        without = list(session.scalars(select(RunRow.run_id).where(RunRow.run_id.in_(chunk), ~told)))
        session.execute(delete(IoRow).where(IoRow.run_id.in_(without)))
        session.execute(delete(RunRow).where(RunRow.run_id.in_(without)))
        session.commit()


def _remove_data_of_nobody(session: Session) -> None:
    """Data that no run touches; the facts of other data are told again by a run that does, which came in meanwhile."""
    left = list(session.scalars(select(DataRow.node_id).where(DataRow.rank == _NOBODY)))
    for chunk in chunks(left, _AT_ONCE):
        touching = list(session.scalars(select(IoRow.run_id).where(IoRow.node_id.in_(chunk)).distinct()))
        session.commit()
        rebuild_runs(session, touching)
        touched = select(IoRow.id).where(IoRow.node_id == DataRow.node_id).exists()
        session.execute(delete(DataRow).where(DataRow.node_id.in_(chunk), DataRow.rank == _NOBODY, ~touched))
        session.commit()
