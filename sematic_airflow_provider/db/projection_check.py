"""Whether the tables of runs and edges say what the log says: runs are folded from their events once more, and compared."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.event_store import stored_events
from sematic_airflow_provider.db.models import EventRow, IoRow, RunRow
from sematic_airflow_provider.db.packed import facets
from sematic_airflow_provider.db.projection import IO_COLUMNS, io_row, run_row
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.fold import RunRecord, fold

Progress = Callable[[str, int], None]

_AT_ONCE: Final = 200
_SEEN: Final = [name for name in IO_COLUMNS if name != "facets"]


class Difference(NamedTuple):
    """A run whose rows do not say what its events say."""

    run_id: str
    what: str


def differences(session: Session, *, sample: float = 100.0, progress: Progress | None = None) -> Iterator[Difference]:
    """Compare runs with their rows; a rebuild (``airflow sematic lineage rebuild``) puts right what differs.

    Args:
        session: of the database; nothing is written.
        sample: percent of the runs that are compared, picked by chance.
        progress: is told how many have been.
    """
    count = 0
    for run_ids in _runs(session):
        chosen = [run_id for run_id in run_ids if sample >= 100 or random.random() * 100 < sample]  # noqa: S311 - no secret
        for found in _compared(session, chosen, held=False):
            # Events may have come in between two looks; what is still so while nobody else can change it, is.
            yield from _compared(session, [found.run_id], held=True)
        count += len(chosen)
        if progress is not None:
            progress("runs compared", count)


def _runs(session: Session) -> Iterator[list[str]]:
    """All runs that the log or the table of runs knows."""
    for column, conditions in (
        (RunRow.run_id, ()),
        (
            EventRow.run_id,
            (EventRow.run_id.is_not(None), ~select(RunRow).where(RunRow.run_id == EventRow.run_id).exists()),
        ),
    ):
        last = None
        while True:
            query = select(column).where(*conditions).distinct().order_by(column).limit(_AT_ONCE)
            scalars = session.scalars(query if last is None else query.where(column > last))
            found = [run_id for run_id in scalars if run_id is not None]
            session.rollback()
            if not found:
                break
            last = found[-1]
            yield found


def _compared(session: Session, run_ids: Sequence[str], *, held: bool) -> list[Difference]:
    if not run_ids:
        return []
    told = stored_events(session, run_ids, held=held)
    rows = {row.run_id: row for row in session.execute(_select(RunRow).where(RunRow.run_id.in_(run_ids)))}
    edges: dict[str, Counter[tuple[Any, ...]]] = {}
    for edge in session.execute(_select(IoRow).where(IoRow.run_id.in_(run_ids))):
        edges.setdefault(edge.run_id, Counter())[tuple(getattr(edge, name) for name in _SEEN)] += 1
    known = dict(zip(rows, facets(session, [row.facets for row in rows.values()]), strict=True))
    found = []
    for run_id in run_ids:
        events, count = told.get(run_id, ([], 0))
        what = _differs(events, count, rows.get(run_id), known.get(run_id), edges.get(run_id, Counter()))
        if what:
            found.append(Difference(run_id, what))
    session.rollback()
    return found


def _differs(events: Sequence[Event], count: int, row: Any, known: Any, edges: Counter[tuple[Any, ...]]) -> str:
    if row is None:
        return "it has events, and no row" if events else ""
    if not events:
        return "it has a row, and no events"
    record = replace(fold(events), event_count=count)
    wanted = run_row(record, b"")
    wrong = [name for name, value in wanted.items() if name != "facets" and getattr(row, name) != value]
    if json.loads(json.dumps(record.facets)) != known:
        wrong.append("facets")
    if wrong:
        return f"its row says another {', '.join(wrong)}"
    return "" if _edges(record) == edges else "its reads and writes are not those that its events tell"


def _edges(record: RunRecord) -> Counter[tuple[Any, ...]]:
    rows = (io_row(record, data, data.node_id, b"") for data in record.data)
    return Counter(tuple(row[name] for name in _SEEN) for row in rows)


def _select(model: Any) -> Any:
    return select(*model.__table__.columns)
