"""Verification of the log: what was sealed is computed again from the database, and compared.

It goes through the chain from the first seal to the last and holds one page of it, and the sealed ids as ranges, so memory does not grow with the log. What it
finds comes in the order of the chain, so the first that is told is the first that is broken.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.anchors import Anchor
from sematic_airflow_provider.db.judging import judged
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import EventRow, SealRow, UnsealedRow
from sematic_airflow_provider.db.packed import PartTexts, texts
from sematic_airflow_provider.db.ranges import Ranges, ranges_of
from sematic_airflow_provider.db.removals import Notice, notices, removed
from sematic_airflow_provider.db.seals import BEFORE_THE_FIRST, NO_DIGEST, Entry, entries_of, seal_hash
from sematic_airflow_provider.db.verdict import (
    CUT,
    INSERTED,
    REMOVED,
    REORDERED,
    SEAL_ALTERED,
    SEAL_REMOVED,
    TWICE,
    UNSEALED,
    Broken,
    Verdict,
)

Progress = Callable[[str, int], None]

_SEALS: Final = 20
_EVENTS: Final = 1000
_IDS: Final = 20_000
_LEAST: Final = -(2**63)  # ids that count up begin at 1; those of who inserts a row need not
_MAY_WAIT: Final = dt.timedelta(seconds=60)


def verify(
    session: Session,
    *,
    since: int = 1,
    anchors: Iterable[Anchor] = (),
    progress: Progress | None = None,
) -> Verdict:
    """Verify the log.

    Args:
        session: of the database; nothing is written.
        since: the seal from which on events are looked at; the chain is verified as a whole all the same.
        anchors: hashes of seals that are kept elsewhere.
        progress: is told how many events have been verified.

    Raises:
        SQLAlchemyError: the database failed.
    """
    return _Verification(session, since, anchors, progress or (lambda *_: None)).run()


class _Verification:
    def __init__(self, session: Session, since: int, anchors: Iterable[Anchor], progress: Progress) -> None:
        self._session = session
        self._since = since
        self._progress = progress
        self._anchors: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.number, []).append(anchor)
        self._covered = Ranges()
        self._removed = Ranges()
        self._parts = PartTexts()
        self._verdict = Verdict()

    def run(self) -> Verdict:
        verdict = self._verdict
        self._read_notices()
        number, previous = 0, BEFORE_THE_FIRST
        for row in self._seals():
            if row.number < 1:
                verdict.add(Broken(SEAL_ALTERED, f"there is a seal {row.number}", seal=row.number, at=row.sealed_at))
                continue
            if row.number > number + 1:
                self._gap(number + 1, row.number - 1)
            self._chained(row, number, previous)
            self._entries(row)
            number, previous = row.number, row.hash
            verdict.seals += 1
            verdict.head = (row.number, row.hash)
        for late in sorted(late for late in self._anchors if late > number):
            where = self._anchors[late][0].where
            verdict.add(Broken(CUT, f"{where} has seal {late}, the last one here is {number}", seal=number + 1))
        self._uncovered()
        return verdict

    def _read_notices(self) -> None:
        found = list(notices(self._session))
        self._removed = removed(found)
        self._verdict.policies = _policies(found)

    def _seals(self) -> Iterator[Any]:
        last = _LEAST
        while True:
            query = select(*SealRow.__table__.columns).where(SealRow.number > last).order_by(SealRow.number)
            rows = self._session.execute(query.limit(_SEALS)).all()
            yield from rows
            self._session.rollback()  # nothing was written: no snapshot stays open for as long as the log is
            if not rows:
                return
            last = rows[-1].number

    def _gap(self, first: int, last: int) -> None:
        what = f"seal {first} is missing" if first == last else f"seals {first} to {last} are missing"
        self._verdict.add(Broken(SEAL_REMOVED, what, seal=first))

    def _chained(self, row: Any, number: int, previous: str) -> None:
        """The seal itself, how it hangs on the one before, and what is kept of it elsewhere."""
        if row.number == number + 1 and row.previous != previous:
            which = number if number else row.number
            what = (
                f"seal {row.number} was made after another seal {number} than the one that is here"
                if number
                else "the first seal names one before it"
            )
            self._verdict.add(Broken(SEAL_ALTERED, what, seal=which, at=row.sealed_at))
        made_of = seal_hash(row.number, row.sealed_at, row.count, bytes(row.entries), row.previous)
        if made_of != row.hash and not _disordered(row.entries):  # that is told, event by event
            what = f"seal {row.number} does not have the hash of what stands in it"
            self._verdict.add(Broken(SEAL_ALTERED, what, seal=row.number, at=row.sealed_at))
        for anchor in self._anchors.get(row.number, ()):
            self._verdict.anchors += 1
            if anchor.hash != row.hash:
                what = f"{anchor.where} has another hash for seal {row.number}: it, or one before it, was made anew"
                self._verdict.add(Broken(SEAL_ALTERED, what, seal=row.number, at=row.sealed_at))

    def _entries(self, row: Any) -> None:
        try:
            entries = list(entries_of(row.entries))
        except ValueError as error:
            self._verdict.add(Broken(SEAL_ALTERED, str(error), seal=row.number, at=row.sealed_at))
            return
        if len(entries) != row.count:
            what = f"seal {row.number} has {len(entries)} entries, and says {row.count}"
            self._verdict.add(Broken(SEAL_ALTERED, what, seal=row.number, at=row.sealed_at))
        last = _LEAST
        for some in chunks(entries, _EVENTS):
            events = self._events(some) if row.number >= self._since else {}
            for event_id, digest in some:
                if event_id <= last:
                    what = f"seal {row.number} names it after event {last}"
                    self._verdict.add(Broken(REORDERED, what, row.number, event_id, at=row.sealed_at))
                elif event_id in self._covered:
                    what = f"seal {row.number} names it, and an earlier one does"
                    self._verdict.add(Broken(TWICE, what, row.number, event_id, at=row.sealed_at))
                elif row.number >= self._since:
                    self._event(row, event_id, digest, events.get(event_id))
                last = max(last, event_id)
            for first, until in ranges_of(event_id for event_id, _ in some):
                self._covered.add(first, until)

    def _events(self, entries: Sequence[Entry]) -> dict[int, tuple[Any, bytes | None]]:
        """The rows of events, each with its text; None where that cannot be put together, or was removed."""
        rows = self._session.execute(
            select(*EventRow.__table__.columns).where(EventRow.id.in_([event_id for event_id, _ in entries]))
        ).all()
        if any(row.payload is None and row.id not in self._removed for row in rows):
            self._read_notices()  # the rows came first: what retention has removed meanwhile, it has given notice of
        with_text = [row for row in rows if row.payload is not None]
        found: dict[int, tuple[Any, bytes | None]] = {row.id: (row, None) for row in rows}
        try:
            told = texts(self._session, [row.payload for row in with_text], self._parts)
        except (ValueError, RecursionError):  # one of them: which?
            told = [self._text(row.payload) or b"" for row in with_text]
        found.update({row.id: (row, text) for row, text in zip(with_text, told, strict=True)})
        return found

    def _text(self, payload: bytes) -> bytes | None:
        try:
            return texts(self._session, [payload], self._parts)[0]
        except (ValueError, RecursionError):
            return None

    def _event(self, seal: Any, event_id: int, digest: str, found: tuple[Any, bytes | None] | None) -> None:
        self._verdict.events += 1
        self._progress("events verified", self._verdict.events)
        if found is None:
            when = "before it was sealed" if digest == NO_DIGEST else "after it was sealed"
            what = f"its row was removed {when}"
            self._verdict.add(Broken(REMOVED, what, seal.number, event_id, at=seal.sealed_at))
            return
        row, text = found
        kind, what = judged(row, text, digest, expected=event_id in self._removed)
        if kind:
            self._verdict.add(Broken(kind, what, seal.number, event_id, row.run_id, row.received_at))
        elif text is None:
            self._verdict.removed += 1

    def _uncovered(self) -> None:
        """Events that are there and in no seal."""
        last = _LEAST
        while True:
            query = select(EventRow.id).where(EventRow.id > last).order_by(EventRow.id).limit(_IDS)
            ids = list(self._session.scalars(query))
            self._session.rollback()
            if not ids:
                return
            last = ids[-1]
            loose = [event_id for event_id in ids if event_id not in self._covered]
            for some in chunks(loose, _EVENTS):
                self._loose(some)

    def _loose(self, ids: Sequence[int]) -> None:
        latest = dt.datetime.now(dt.timezone.utc) - _MAY_WAIT
        waiting = set(self._session.scalars(select(UnsealedRow.event_id).where(UnsealedRow.event_id.in_(ids))))
        rows = self._session.execute(
            select(EventRow.id, EventRow.run_id, EventRow.received_at).where(EventRow.id.in_(ids)).order_by(EventRow.id)
        ).all()
        # What was sealed since we read the seals is in one that is newer.
        newer = self._sealed_since() if len(waiting) < len(rows) else set()
        for row in rows:
            if row.id in newer:
                continue
            if row.id not in waiting:
                what = "no seal covers it" + (
                    ": it was inserted, or the chain is cut at its end" if row.id > self._covered.last else ""
                )
                self._verdict.add(Broken(INSERTED, what, None, row.id, row.run_id, row.received_at))
            elif row.received_at < latest:
                what = "it waits for a seal: no API server seals, or its row is of another time"
                self._verdict.add(Broken(UNSEALED, what, None, row.id, row.run_id, row.received_at))
            else:
                self._verdict.waiting += 1

    def _sealed_since(self) -> set[int]:
        last = self._verdict.head[0] if self._verdict.head else 0
        rows = self._session.scalars(select(SealRow.entries).where(SealRow.number > last).order_by(SealRow.number))
        found: set[int] = set()
        for data in rows:
            if len(data) % 40 == 0:
                found.update(event_id for event_id, _ in entries_of(data))
        return found


def _disordered(data: bytes) -> bool:
    try:
        ids = [event_id for event_id, _ in entries_of(data)]
    except ValueError:
        return False
    return any(one >= other for one, other in itertools.pairwise(ids))


def _policies(found: Iterable[Notice]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for notice in found:
        counts[f"kept {notice.keep_days:g} days, by {notice.user}"] += sum(
            last - first + 1 for first, last in notice.events
        )
    return counts
