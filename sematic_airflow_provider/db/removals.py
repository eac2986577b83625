"""Notices of removal: entries of the log that say which texts a policy has let go of.

Like all entries they are sealed, so what is gone without one was removed by somebody else.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import canonical_json, digest_record
from sematic_airflow_provider.db.models import EventRow
from sematic_airflow_provider.db.packed import texts
from sematic_airflow_provider.db.ranges import Ranges
from sematic_airflow_provider.lineage.naming import short_key

KIND: Final = "removal"
SUBJECT: Final = short_key(digest_record("removals", {}))
"""The subject key of notices, by which they are found."""

_FORM: Final = "removal/1"
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """Which texts were removed: those of events of runs that had ended before ``cut``. ``user`` says on whose behalf: a user, or the API server."""

    at: dt.datetime
    keep_days: float
    cut: dt.datetime
    user: str
    events: tuple[tuple[int, int], ...]
    """First and last id of each row of ids without a gap."""

    def text(self) -> bytes:
        """As it stands in the log."""
        return canonical_json(
            {
                "at": self.at.isoformat(),
                "events": [list(pair) for pair in self.events],
                "form": _FORM,
                "policy": {"before": self.cut.isoformat(), "keepDays": self.keep_days},
                "user": self.user,
            }
        )


def notices(session: Session) -> Iterator[Notice]:
    """All notices of the log; those that cannot be read are left out: verification finds them anyway."""
    last = 0
    while True:
        query = (
            select(EventRow.id, EventRow.payload)
            .where(EventRow.subject_key == SUBJECT, EventRow.kind == KIND, EventRow.id > last)
            .order_by(EventRow.id)
            .limit(_PAGE)
        )
        rows = session.execute(query).all()
        if not rows:
            return
        last = rows[-1].id
        for row in rows:
            try:
                (text,) = texts(session, [row.payload or b""])
                yield _parsed(json.loads(text))
            except (ValueError, KeyError, TypeError):
                continue


def removed(found: Iterable[Notice]) -> Ranges:
    """The ids of all events whose texts these notices tell of."""
    ranges = Ranges()
    for notice in found:
        for first, last in notice.events:
            ranges.add(first, last)
    return ranges


def _parsed(record: Any) -> Notice:
    if record["form"] != _FORM:
        raise ValueError(record["form"])
    policy = record["policy"]
    return Notice(
        dt.datetime.fromisoformat(record["at"]),
        float(policy["keepDays"]),
        dt.datetime.fromisoformat(policy["before"]),
        str(record["user"]),
        tuple((int(first), int(last)) for first, last in record["events"]),
    )
