"""The hash chain over the log: events are sealed in blocks, just after they were committed, so that writers need not wait for each other.

Whoever takes an event in puts its id into a queue, in the same transaction. A sealer takes what waits there, writes ids and digests into a seal whose hash
covers them and the hash of the seal before, and empties the queue, all in one transaction: a crash in between leaves the events in the queue. There is one
sealer at a time: it holds the last seal, and where two meet all the same, the number of a seal is there once.
"""

from __future__ import annotations

import datetime as dt
import logging
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes, digest_record
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import EventRow, SealRow, UnsealedRow
from sematic_airflow_provider.db.ranges import ranges_of
from sematic_airflow_provider.errors import first_line

log = logging.getLogger(__name__)

BEFORE_THE_FIRST: Final = "0" * 64
"""What the first seal names as the one before."""

NO_DIGEST: Final = "0" * 64
"""Stands in a seal for an event that was removed from the log while it waited."""

MOST: Final = 5000
_PAUSE: Final = 1.0
_RANGES: Final = 200
_ENTRY: Final = struct.Struct(">q32s")
_LOST: Final = ("locked", "deadlock", "lock wait", "could not serialize", "nowait")

Entry = tuple[int, str]
"""The id of an event, and its digest."""


class Head(NamedTuple):
    """The last seal: enough to tell later that nothing up to it was altered."""

    number: int
    hash: str
    sealed_at: dt.datetime
    events: int


def seal(session: Session, most: int = MOST) -> int:
    """Seal what waits, in blocks of so many events at most; commits. Gives how many were sealed: 0 also where another process is at it.

    Raises:
        SQLAlchemyError: the database failed; what waits goes on waiting.
    """
    waits = session.scalar(select(UnsealedRow.event_id).limit(1)) is not None
    session.commit()
    return _seal(session, most) if waits else 0


def _seal(session: Session, most: int) -> int:
    sealed = 0
    while True:
        try:
            count = _seal_block(session, most)
            session.commit()
        except IntegrityError:  # another process has made this seal
            session.rollback()
            return sealed
        except OperationalError as error:
            session.rollback()
            if any(sign in str(error.orig).lower() for sign in _LOST):
                return sealed
            raise
        except BaseException:
            session.rollback()
            raise
        sealed += count
        if count < most:
            return sealed


_sealed_at: WeakKeyDictionary[Any, float] = WeakKeyDictionary()


def seal_soon(session: Session) -> None:
    """Seal what waits, unless this process did so a moment ago: then whoever comes next does, or the API server's own loop. Never fails."""
    engine = session.get_bind().engine
    now = time.monotonic()
    if now - _sealed_at.get(engine, 0.0) < _PAUSE:
        return
    _sealed_at[engine] = now
    try:
        _seal(session, MOST)
    except SQLAlchemyError as error:
        log.warning("events cannot be sealed now, they go on waiting: %s", first_line(error))


def head(session: Session) -> Head | None:
    """The last seal; None where nothing is sealed yet."""
    row = session.execute(
        select(SealRow.number, SealRow.hash, SealRow.sealed_at, SealRow.count).order_by(SealRow.number.desc()).limit(1)
    ).first()
    return None if row is None else Head(*row)


def seal_hash(number: int, sealed_at: dt.datetime, count: int, entries: bytes, previous: str) -> Digest:
    """The hash of a seal, made of all that stands in it."""
    fields = {
        "number": number,
        "sealed_at": sealed_at.isoformat(timespec="microseconds"),
        "count": count,
        "entries": digest_bytes(entries),
        "previous": previous,
    }
    return digest_record("seal/1", fields)


def packed_entries(entries: Iterable[Entry]) -> bytes:
    """As a seal holds them: for each 8 bytes of id, and 32 of digest. Digests cannot be compressed."""
    return b"".join(_ENTRY.pack(event_id, bytes.fromhex(digest)) for event_id, digest in entries)


def entries_of(data: bytes) -> Iterator[Entry]:
    """What a seal holds.

    Raises:
        ValueError: it is cut off.
    """
    data = bytes(data)
    if len(data) % _ENTRY.size:
        raise ValueError("the entries of a seal are cut off")
    return ((event_id, digest.hex()) for event_id, digest in _ENTRY.iter_unpack(data))


def _seal_block(session: Session, most: int) -> int:
    # Before the queue is read: who has sealed any of it since has made the seal that would be ours.
    last = _held(session)
    if last is None and head(session) is not None:
        return 0
    waiting = session.execute(
        select(UnsealedRow.event_id, EventRow.digest)
        .outerjoin(EventRow, EventRow.id == UnsealedRow.event_id)
        .order_by(UnsealedRow.event_id)
        .limit(most)
    ).all()
    if not waiting:
        return 0
    number, previous = (last.number + 1, last.hash) if last is not None else (1, BEFORE_THE_FIRST)
    entries = packed_entries((event_id, digest or NO_DIGEST) for event_id, digest in waiting)
    now = dt.datetime.now(dt.timezone.utc)
    row = {
        "number": number,
        "sealed_at": now,
        "count": len(waiting),
        "entries": entries,
        "previous": previous,
        "hash": seal_hash(number, now, len(waiting), entries, previous),
    }
    session.execute(insert(SealRow), row)
    # What came in meanwhile has ids in gaps between these, if anywhere: rows without gaps hold nothing else.
    rows = ranges_of(event_id for event_id, _ in waiting)
    for some in chunks(rows, _RANGES):
        session.execute(delete(UnsealedRow).where(or_(*(UnsealedRow.event_id.between(*pair) for pair in some))))
    return len(waiting)


def _held(session: Session) -> Any:
    """Hold the last seal until the transaction ends; None where another process holds it, or there is none."""
    last = select(func.max(SealRow.number)).scalar_subquery()
    query = select(SealRow.number, SealRow.hash).where(SealRow.number == last).with_for_update(skip_locked=True)
    return session.execute(query).first()
