"""Pages of a table by time, latest first: by index, and over a bounded number of rows however rare the rows are that are looked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, func, literal_column, or_, select, true, union_all
from sqlalchemy.orm import Session

T = TypeVar("T")

BUDGET: Final = 20_000
"""Rows that one answer looks at, where few of them are wanted."""

_BATCHES: Final = 4
_COMPOUND: Final = 50
MAX_KEYS: Final = 200
_NAMES: Final = 200_000


class After(NamedTuple):
    """Where a page ended: the next one has what is earlier."""

    at: dt.datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items. ``next`` is where to go on; it is there too where the page is short because enough rows were looked at."""

    items: list[T]
    next: After | None


@dataclass(frozen=True, slots=True)
class Scan:
    """What is read of a table.

    Each of ``drivers`` is a condition that an index serves together with the order by time; rows that fulfil one of them are looked at. ``wanted`` says
    which of those are given, by conditions over the columns ``also``.
    """

    at: Any
    id: Any
    drivers: Sequence[ColumnElement[bool]]
    also: Sequence[Any] = ()
    wanted: Callable[[Any], Sequence[ColumnElement[bool]]] = lambda c: ()
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    budget: int = BUDGET


def page_of(
    session: Session, scan: Scan, after: After | None, limit: int, items_of: Callable[[list[str]], dict[str, T]]
) -> Page[T]:
    """One page.

    Args:
        session: of the database.
        scan: what is looked at.
        after: where the page before ended.
        limit: how many items at most.
        items_of: the items of these ids, without those that the asker may not see.
    """
    found: list[tuple[After, T]] = []
    for _ in range(_BATCHES):
        rows, ended = _rows(session, scan, after, limit + 1)
        items = items_of([row.id for row in rows])
        found += [(row, items[row.id]) for row in rows if row.id in items]
        after = ended if len(rows) <= limit else rows[-1]
        if after is None or len(found) > limit or len(rows) <= limit:
            break
    if len(found) > limit:
        return Page([item for _, item in found[:limit]], found[limit - 1][0])
    return Page([item for _, item in found], after)


def _rows(session: Session, scan: Scan, after: After | None, size: int) -> tuple[list[After], After | None]:
    """The next rows that are wanted, and where looking ended if that was not at the end."""
    budget = max(size, scan.budget // max(1, len(scan.drivers)))
    rows: list[After] = []
    ends: list[After] = []
    for start in range(0, len(scan.drivers), _COMPOUND):
        some = scan.drivers[start : start + _COMPOUND]
        parts = [_part(scan, driver, after, budget, size, i) for i, driver in enumerate(some)]
        counts = dict.fromkeys(range(len(some)), 0)
        for at, row_id, part in session.execute(_union(parts)):
            rows.append(After(at, row_id))
            counts[part] += 1
        short = [driver for part, driver in enumerate(some) if counts[part] < size]
        lasts = [_looked_at(scan, driver, after).limit(1).offset(budget - 1).subquery() for driver in short]
        if lasts:
            ends += [After(*row) for row in session.execute(_union([select(last) for last in lasts]))]
    rows.sort(key=lambda row: (row.at, row.id), reverse=True)
    if ends:  # what is earlier than where one of them ended may not be all
        ended = max(ends, key=lambda row: (row.at, row.id))
        complete = [row for row in rows if (row.at, row.id) >= (ended.at, ended.id)]
        return complete[:size], (ended if len(complete) < size else None)
    return rows[:size], None


def _part(scan: Scan, driver: ColumnElement[bool], after: After | None, budget: int, size: int, number: int) -> Any:
    looked = _looked_at(scan, driver, after, *scan.also).limit(budget).subquery()
    at, row_id = looked.c[0], looked.c[1]
    query = select(at.label("at"), row_id.label("id"), literal_column(str(number)).label("part")).where(
        *scan.wanted(looked.c)
    )
    return select(query.order_by(at.desc(), row_id.desc()).limit(size).subquery())


def _looked_at(scan: Scan, driver: ColumnElement[bool], after: After | None, *also: Any) -> Select[Any]:
    query = select(scan.at, scan.id, *also).where(driver)
    if scan.since is not None:
        query = query.where(scan.at >= scan.since)
    if scan.until is not None:
        query = query.where(scan.at < scan.until)
    if after is not None:
        query = query.where(scan.at <= after.at, or_(scan.at < after.at, scan.id < after.id))
    return query.order_by(scan.at.desc(), scan.id.desc())


def _union(queries: Sequence[Any]) -> Any:
    return union_all(*queries) if len(queries) > 1 else queries[0]


def keys_of_names(session: Session, key: Any, name: Any, text: str) -> list[str] | None:
    """The keys of all names that contain a text, in any case of letters; None where they are too many to be looked for one by one."""
    some = select(key.label("key"), name.label("name")).limit(_NAMES).subquery()
    query = select(some.c.key).where(contains(some.c.name, text)).limit(MAX_KEYS + 1)
    found = list(session.scalars(query))
    if len(found) > MAX_KEYS:
        return None
    seen_all = session.scalar(select(key).offset(_NAMES).limit(1)) is None
    return found if seen_all else None


def contains(column: Any, text: str) -> ColumnElement[bool]:
    """Whether a text stands in a column, in any case of letters."""
    return func.lower(column).contains(text.lower(), autoescape=True)


EVERY: Final = true()
