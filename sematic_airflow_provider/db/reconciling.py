"""Ends that runs did not tell are taken from Airflow's own record, and runs made that told nothing at all.

Of a task whose process was killed, that was skipped, that has nothing to execute, whose predecessor failed, or that a person set to a state, no event may
ever come. Airflow's tables know what became of it. A round looks at the Dag runs that are active, those that were made or have ended since the round before,
those that lineage takes for running, and, after a start, those of the last days; it costs as much as has changed, not as much as there is. What it
finds missing becomes an event in the log like any other (``lineage/recorded.py``), so several at once make the same, and nothing is lost when one ends.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import airflow_record
from sematic_airflow_provider.db.airflow_record import RunOfDag
from sematic_airflow_provider.db.emission import Emission
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import RunRow
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.recorded import Recorded, event_of

log = logging.getLogger(__name__)

_PER_ROUND: Final = 500
"""Dag runs that one round looks at, beside each other."""

_LOOK_BACK: Final = dt.timedelta(days=3)
"""How old Dag runs may be that a process that has just started looks at; older ones are for the command."""

_BATCH: Final = 200
_CHUNK: Final = 400
_OVERLAP: Final = 50
"""Ids that are looked at again: of two Dag runs made at once the later may be seen first."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was done: Dag runs looked at, and runs whose ends were taken from Airflow's record."""

    dag_runs: int = 0
    ended: int = 0

    def __add__(self, other: Reconciled) -> Reconciled:
        return Reconciled(self.dag_runs + other.dag_runs, self.ended + other.ended)

    def __str__(self) -> str:
        return (
            f"{self.dag_runs} Dag run{'' if self.dag_runs == 1 else 's'} looked at, "
            f"the end of {self.ended} run{'' if self.ended == 1 else 's'} taken from Airflow's record"
        )


class Reconciler:
    """Remembers between two rounds what it has looked at; a process has one.

    Args:
        grace: how long a run has to tell its end itself.
    """

    def __init__(self, grace: dt.timedelta) -> None:
        self._grace = grace
        self._pending: dict[int, dt.datetime | None] = {}
        self._seen: set[int] = set()
        self._newest: int | None = None
        self._oldest = 0
        self._running_from: tuple[dt.datetime, str] | None = None
        self._emission = Emission()

    def round(self, airflow: Session, lineage: Session) -> Reconciled:
        """Look once; commits.

        Args:
            airflow: session of Airflow's tables.
            lineage: session of ours.

        Raises:
            SQLAlchemyError: a database failed; the next round does what this one could not.
        """
        if self._emission.disabled:
            return Reconciled()
        now = dt.datetime.now(dt.timezone.utc)
        settled = now - self._grace
        self._find(airflow, lineage, settled)
        done = Reconciled()
        chosen = list(self._pending)[:_PER_ROUND]
        found = {run.id: run for run in airflow_record.dag_runs(airflow, chosen)}
        for number in chosen:
            looked_at = self._pending.pop(number)
            run = found.get(number)
            if run is None:
                continue  # deleted
            since = None if looked_at is None or not run.active else looked_at - self._grace * 2
            too_new, of_run = self._reconcile(airflow, lineage, run, since, settled)
            done += of_run
            if run.active or too_new:
                self._pending[number] = now  # once more, behind the others
        return done

    def all_since(
        self, airflow: Session, lineage: Session, since: dt.datetime, dag_id: str | None = None
    ) -> Iterator[Reconciled]:
        """Look at every Dag run from a time on, some at a time; commits after each."""
        settled = dt.datetime.now(dt.timezone.utc) - self._grace
        last = 0
        while ids := airflow_record.ids_since(airflow, since, dag_id, last, _CHUNK):
            last = ids[-1]
            for run in airflow_record.dag_runs(airflow, ids):
                yield self._reconcile(airflow, lineage, run, None, settled)[1]
                airflow.commit()  # nothing was written: it ends the snapshot

    def _find(self, airflow: Session, lineage: Session, settled: dt.datetime) -> None:
        """Add the Dag runs that there may be something to say about."""
        newest = airflow_record.newest_id(airflow)
        if self._newest is None:
            self._newest = self._oldest = newest
            self._seen = set(range(newest - _OVERLAP, newest + 1))  # looking back comes to these
        new = set(airflow_record.ids_between(airflow, self._newest - _OVERLAP, newest, _PER_ROUND * 20)) - self._seen
        self._newest = max(self._newest, *new, 0)
        self._seen = {number for number in self._seen | new if number > self._newest - _OVERLAP}
        found = airflow_record.active_ids(airflow) | new | self._looked_back(airflow, settled)
        found |= airflow_record.ids_of(airflow, self._taken_for_running(lineage, settled))
        for number in sorted(found):
            self._pending.setdefault(number, None)

    def _looked_back(self, airflow: Session, settled: dt.datetime) -> set[int]:
        """The next of the Dag runs before this process started, until they are too old."""
        if self._oldest <= 0:
            return set()
        ids = airflow_record.ids_between(airflow, 0, self._oldest, _PER_ROUND // 2, downwards=True)
        runs = [run for run in airflow_record.dag_runs(airflow, ids) if not run.active]
        latest = airflow_record.latest_end(runs)
        self._oldest = ids[-1] - 1 if ids and (latest is None or latest > settled - _LOOK_BACK) else 0
        return {run.id for run in runs if run.ended_at is not None and run.ended_at > settled - _LOOK_BACK}

    def _taken_for_running(self, lineage: Session, settled: dt.datetime) -> list[tuple[str, str]]:
        """The next of the Dag runs that have runs without an end here, the oldest first and then from the start again."""
        query = (
            select(RunRow.first_at, RunRow.run_id, RunRow.dag_id, RunRow.dag_run_id)
            .where(RunRow.state == "running", RunRow.first_at < settled)
            .order_by(RunRow.first_at, RunRow.run_id)
            .limit(_PER_ROUND)
        )
        if self._running_from is not None:
            query = query.where(RunRow.first_at >= self._running_from[0])
        rows = lineage.execute(query).all()
        whole = len(rows) == _PER_ROUND and rows[-1].first_at != rows[0].first_at
        self._running_from = (rows[-1].first_at, rows[-1].run_id) if whole else None
        return sorted({(row.dag_id, row.dag_run_id) for row in rows if row.dag_id and row.dag_run_id})

    def _reconcile(
        self, airflow: Session, lineage: Session, run: RunOfDag, since: dt.datetime | None, settled: dt.datetime
    ) -> tuple[bool, Reconciled]:
        """Gives too whether something ended so lately that it may yet tell so itself."""
        ended, too_new = 0, False
        for batch in _batches(airflow_record.records(airflow, run, since)):
            old = [record for record in batch if record.at <= settled]
            too_new |= len(old) < len(batch)
            missing = [one for one in _missing(lineage, old) if self._emission.wanted(airflow, one)]
            if missing:
                ended += ingest(lineage, [parse_event(event_of(one)) for one in missing])
        return too_new, Reconciled(1, ended)


def _missing(lineage: Session, records: Sequence[Recorded]) -> list[Recorded]:
    """Those that our tables know no end of, or another."""
    known: dict[str, tuple[str, bool]] = {}
    ids = sorted({record.run_id for record in records})
    for start in range(0, len(ids), _CHUNK):
        query = select(RunRow.run_id, RunRow.state, RunRow.ended_at).where(
            RunRow.run_id.in_(ids[start : start + _CHUNK])
        )
        known.update((row.run_id, (row.state, row.ended_at is not None)) for row in lineage.execute(query))
    lineage.commit()  # what was read may be old by the next batch
    return [record for record in records if _differs(record, known.get(record.run_id))]


def _differs(record: Recorded, known: tuple[str, bool] | None) -> bool:
    if known is None:
        return not record.superseded  # lineage was not told of the Dag run as it was before
    state, ended = known
    return not ended or (state != record.state and not record.superseded)


def _batches(records: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    batch: list[Recorded] = []
    for record in records:
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
