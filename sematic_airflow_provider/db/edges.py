"""The latest, or the next, reads or writes of many nodes at once: one statement, one look into an index for each node, whatever the size of the store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Integer, String, column, text
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.families import FACTS, RunFacts
from sematic_airflow_provider.db.models import IoRow, NodeId, UtcTime

EARLIEST: Final = dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc)
LATEST: Final = dt.datetime(9999, 12, 31, tzinfo=dt.timezone.utc)
_COMPOUND: Final = 100  # parts of a union: SQLite takes 500, and 32766 variables
_ARRAY: Final = 2000
_COLUMNS: Final = (
    IoRow.run_id,
    IoRow.node_id,
    IoRow.direction,
    IoRow.dataset_key,
    IoRow.at,
    IoRow.dag_run_key,
    IoRow.label,
    IoRow.name,
    IoRow.dataset_type,
)
_STORED: Final = ", ".join(c.key for c in _COLUMNS)
_NAMES: Final = ", ".join([f"e.{c.key}" for c in _COLUMNS] + [f"r.{c.key}" for c in FACTS[1:]])
_TYPED: Final[tuple[Any, ...]] = (*_COLUMNS, *FACTS[1:], column("i", Integer))
_IDS: Final = ("e.run_id", "r.parent_run_id", "r.root_run_id")
# PostgreSQL's driver makes an object of each UUID, which costs more than all else in a row.
_NAMES_OF_TEXT: Final = ", ".join(f"CAST({n} AS text)" if n in _IDS else n for n in _NAMES.split(", "))
_TYPED_AS_TEXT: Final[tuple[Any, ...]] = tuple(
    column(c.key, String) if n in _IDS else c for n, c in zip([*_NAMES.split(", "), "i"], _TYPED, strict=True)
)


class Io(NamedTuple):
    """One read or write, as it is stored."""

    run_id: str
    node_id: str
    direction: str
    dataset_key: str
    at: dt.datetime
    dag_run_key: str
    label: str
    name: str
    dataset_type: str | None


_IO: Final = len(Io._fields)


class Window(NamedTuple):
    """A node, and the span of time in which its reads or writes are asked for."""

    node_id: str
    low: dt.datetime = EARLIEST
    high: dt.datetime = LATEST


def edges_of(
    session: Session,
    windows: Sequence[Window],
    direction: str,
    limit: int,
    facts: dict[str, RunFacts] | None = None,
    *,
    earliest_first: bool = False,
) -> list[list[Io]]:
    """For each window its edges in this direction, ``limit`` at most: the latest, or the earliest. What is known of their runs is put into ``facts``."""
    if not windows:
        return []
    found: list[list[Io]] = [[] for _ in windows]
    order = "ASC" if earliest_first else "DESC"
    for index, io, run in _rows(session, windows, direction, limit, order):
        found[index].append(io)
        if facts is not None:
            facts[io.run_id] = run
    return found


def _rows(
    session: Session, windows: Sequence[Window], direction: str, limit: int, order: str
) -> Iterator[tuple[int, Io, RunFacts]]:
    arrays = session.get_bind().dialect.name == "postgresql"
    size = _ARRAY if arrays else _COMPOUND
    for start in range(0, len(windows), size):
        part = windows[start : start + size]
        statement, values = (_by_arrays if arrays else _by_union)(session, part, order)
        values |= {"direction": direction, "most": limit}
        for row in session.connection().execute(statement, values):
            yield start + int(row[-1]), Io(*row[:_IO]), RunFacts(row[0], *row[_IO:-1])


@cache
def _of_arrays(order: str) -> Any:
    return text(
        f"SELECT {_NAMES_OF_TEXT}, CAST(w.i - 1 AS INTEGER)"  # noqa: S608 # of our own words, values are bound
        " FROM unnest(CAST(:nodes AS bytea[]), CAST(:lows AS timestamp[]), CAST(:highs AS timestamp[])) WITH ORDINALITY AS w(node, low, high, i)"
        f" CROSS JOIN LATERAL (SELECT {_STORED} FROM sematic_io WHERE node_id = w.node AND direction = :direction"
        f" AND at BETWEEN w.low AND w.high ORDER BY at {order}, id {order} LIMIT :most) AS e"
        " LEFT JOIN sematic_run AS r ON r.run_id = e.run_id"
    ).columns(*_TYPED_AS_TEXT)


def _by_arrays(session: Session, windows: Sequence[Window], order: str) -> tuple[Any, dict[str, Any]]:
    values = {
        "nodes": [_node(session, window.node_id) for window in windows],
        "lows": [_time(session, window.low) for window in windows],
        "highs": [_time(session, window.high) for window in windows],
    }
    return _of_arrays(order), values


def _by_union(session: Session, windows: Sequence[Window], order: str) -> tuple[Any, dict[str, Any]]:
    """SQLite has no LATERAL, nor has MariaDB."""
    values: dict[str, Any] = {}
    parts = []
    for i, window in enumerate(windows):
        values |= {f"n{i}": _node(session, window.node_id)}
        within = ""
        if window.low > EARLIEST:
            within, values[f"l{i}"] = f" AND at >= :l{i}", _time(session, window.low)
        if window.high < LATEST:
            within, values[f"h{i}"] = f"{within} AND at <= :h{i}", _time(session, window.high)
        parts.append(
            # Of our own words, values are bound.
            f"SELECT {_NAMES}, {i} AS i FROM (SELECT {_STORED} FROM sematic_io WHERE node_id = :n{i}"  # noqa: S608
            f" AND direction = :direction{within}"
            f" ORDER BY at {order}, id {order} LIMIT :most) AS e"
            " LEFT JOIN sematic_run AS r ON r.run_id = e.run_id"
        )
    return text(" UNION ALL ".join(parts)).columns(*_TYPED), values


_NODE: Final = NodeId()
_TIME: Final = UtcTime()


def _node(session: Session, node_id: str) -> Any:
    return _NODE.process_bind_param(node_id, session.get_bind().dialect)


def _time(session: Session, moment: dt.datetime) -> Any:
    naive = _TIME.process_bind_param(moment, session.get_bind().dialect)
    # SQLite has no times: SQLAlchemy writes them as text of this form
    return naive.strftime("%Y-%m-%d %H:%M:%S.%f") if naive and session.get_bind().dialect.name == "sqlite" else naive
