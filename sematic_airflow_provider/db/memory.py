"""What a process that takes events in remembers of a database, so as not to read or write the same again.

Nothing here is believed without a look that is cheap: a database may be restored from a backup, or emptied, while the process goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.lookups import chunks, one_of
from sematic_airflow_provider.db.models import FlowRow
from sematic_airflow_provider.db.packed import PartTexts
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.parts import Cutter

LONG: Final = 32
"""A run of more events than these is remembered."""

_RUNS, _ESSENCE, _SECONDS = 100, 500, 600
_FLOWS = 10_000


@dataclass(frozen=True, slots=True)
class Prefix:
    """The events of a run up to one: those that count, and how many there are."""

    last_id: int
    last_digest: str
    essence: Sequence[Event]
    count: int
    since: float


class Memory:
    """Of one database."""

    def __init__(self) -> None:
        self.cutter = Cutter()
        self.parts = PartTexts()
        self._runs: dict[str, Prefix] = {}
        self._flows: dict[str, str] = {}

    def prefix(self, run_id: str) -> Prefix | None:
        """What is remembered of a long run."""
        found = self._runs.get(run_id)
        return found if found and time.monotonic() - found.since < _SECONDS else None

    def remember_run(self, run_id: str, prefix: Prefix) -> None:
        """Remember the committed events of a long run."""
        if len(self._runs) >= _RUNS:
            self._runs = {}
        if len(prefix.essence) <= _ESSENCE:
            self._runs[run_id] = prefix

    def flows_stored(self, session: Session, keys: Iterable[str]) -> set[str]:
        """Of what told flows before, that whose flows are still there: one of each is looked for."""
        witnesses = {key: self._flows[key] for key in keys if key in self._flows}
        if not witnesses:
            return set()
        wanted = sorted(set(witnesses.values()))
        found: set[str] = set()
        for chunk in chunks(wanted):
            found.update(session.scalars(select(FlowRow.flow_key).where(one_of(session, FlowRow.flow_key, chunk))))
        return {key for key, witness in witnesses.items() if witness in found}

    def remember_flows(self, told: dict[str, str]) -> None:
        """Remember what told flows that are committed, and one of these flows."""
        if len(self._flows) > _FLOWS:
            self._flows = {}
        self._flows.update(told)


_OF: WeakKeyDictionary[Any, Memory] = WeakKeyDictionary()


def memory_of(session: Session) -> Memory:
    """What is remembered of the database of a session."""
    engine = session.get_bind().engine
    found = _OF.get(engine)
    if found is None:
        found = _OF.setdefault(engine, Memory())
    return found
