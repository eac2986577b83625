"""Parts that nothing names any more are deleted, while events come in.

Whoever writes a text that names a part renews ``seen_on`` of the part in the same transaction, or has seen that it is of today. So a part whose ``seen_on``
is some days old can only be named by rows that are as old; they are all looked at. A part that is named anew meanwhile is of today when the deletion comes to
its row, or made again after it: both wait for each other at the row, and the deletion looks at ``seen_on`` once more.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import EventRow, IoRow, PartRow, RunRow
from sematic_airflow_provider.db.packed import uncompressed
from sematic_airflow_provider.errors import LineageError
from sematic_airflow_provider.lineage.parts import marks

Progress = Callable[[str, int], None]

SAFE_DAYS: Final = 2
"""A clock that is wrong, and a transaction that began yesterday, must not matter."""

_AT_ONCE: Final = 200_000  # parts that are looked for at once: 30 MB of memory
_PAGE: Final = 1000
_CHUNK: Final = 400
_HOLDERS: Final[tuple[tuple[Any, Any], ...]] = (
    (EventRow.id, EventRow.payload),
    (RunRow.run_id, RunRow.facets),
    (IoRow.id, IoRow.facets),
)


class Swept(NamedTuple):
    """Parts that were deleted, and their bytes."""

    parts: int
    bytes: int


def sweep_parts(
    session: Session, unseen_since: dt.date, *, pause: float = 1.0, progress: Progress | None = None
) -> Swept:
    """Delete the parts that nothing names, and nothing new has had since a day; commits.

    Args:
        session: of the database.
        unseen_since: the day; at least two days ago, whatever is given.
        pause: seconds before something is deleted, for readers that have read a row and not yet its parts.
        progress: is told how many rows have been looked at.

    Raises:
        LineageError: a text is damaged, so that what it names cannot be told: nothing more is deleted.
        SQLAlchemyError: the database failed.
    """
    before = min(unseen_since, dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=SAFE_DAYS))
    done = Swept(0, 0)
    last = ""
    while True:
        query = select(PartRow.key).where(PartRow.seen_on < before, PartRow.key > last).order_by(PartRow.key)
        old = list(session.scalars(query.limit(_AT_ONCE)))
        session.rollback()
        if not old:
            return done
        last = old[-1]
        unnamed = _unnamed(session, old, progress)
        if unnamed:
            time.sleep(pause)
            deleted = _delete(session, sorted(unnamed), before)
            done = Swept(done.parts + deleted.parts, done.bytes + deleted.bytes)


def _unnamed(session: Session, old: Sequence[str], progress: Progress | None) -> set[str]:
    wanted = set(old)
    unnamed = set(old)
    seen = 0
    for key, column in _HOLDERS:
        for _, data in _pages(session, key, column):
            unnamed -= _marks(data)
            seen += 1
            if progress is not None:
                progress("rows looked at for parts", seen)
            if not unnamed:
                return unnamed
    for part, data in _pages(session, PartRow.key, PartRow.content):
        if part not in wanted:
            unnamed -= _marks(data)
    named = list(wanted - unnamed)
    while named:  # parts of parts
        chunk, named = named[:_CHUNK], named[_CHUNK:]
        for data in session.scalars(select(PartRow.content).where(PartRow.key.in_(chunk))):
            inner = _marks(data) & unnamed
            unnamed -= inner
            named += inner
    session.rollback()
    return unnamed


def _pages(session: Session, key: Any, column: Any) -> Iterator[tuple[Any, bytes]]:
    """All that stands in a column, in the order of the primary key: what is written meanwhile renews the parts that it names."""
    last: Any = None
    while True:
        query = select(key, column).where(column.is_not(None)).order_by(key).limit(_PAGE)
        rows = session.execute(query if last is None else query.where(key > last)).all()
        session.rollback()
        if not rows:
            return
        last = rows[-1][0]
        yield from ((row[0], row[1]) for row in rows)


def _marks(data: bytes) -> set[str]:
    try:
        return marks(uncompressed(data))
    except ValueError as error:
        raise LineageError(
            f"{error}. What it names cannot be told, so no parts are deleted. See: airflow sematic audit verify"
        ) from error


def _delete(session: Session, keys: Sequence[str], before: dt.date) -> Swept:
    parts = size = 0
    for chunk in chunks(keys):
        condition = (PartRow.key.in_(chunk), PartRow.seen_on < before)
        measured = session.scalar(select(func.coalesce(func.sum(func.length(PartRow.content)), 0)).where(*condition))
        deleted: Any = session.execute(delete(PartRow).where(*condition))
        session.commit()
        parts, size = parts + deleted.rowcount, size + int(measured or 0)
    return Swept(parts, size)
