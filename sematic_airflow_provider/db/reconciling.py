"""Ends that runs did not tell are taken from Airflow's own record, and runs made that told nothing at all.

Of a task whose process was killed, that was skipped, that has nothing to execute, whose predecessor failed, or that a person set to a state, no event may
ever come. Airflow's tables know what became of it. A round looks at the Dag runs that are active, those that were made or have ended since the round before,
those that lineage takes for running, and, after a start, those of the last days; it costs as much as has changed, not as much as there is. What it
finds missing becomes an event in the log like any other (``lineage/recorded.py``), so several at once make the same, and nothing is lost when one ends.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import airflow_record
from sematic_airflow_provider.db.airflow_record import RunOfDag
from sematic_airflow_provider.db.emission import Emission
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import RunRow
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.recorded import Recorded, event_of

log = logging.getLogger(__name__)

_PER_ROUND: Final = 500
"""Dag runs that one round looks at, beside each other."""

_LOOK_BACK: Final = dt.timedelta(days=3)
"""How old Dag runs may be that a process that has just started looks at; older ones are for the command."""

_BATCH: Final = 200
_DAG_RUNS: Final = 100
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
        chosen = {number: self._pending[number] for number in list(self._pending)[:_PER_ROUND]}
        runs = airflow_record.dag_runs(airflow, chosen)
        since = {
            run.id: looked_at - self._grace * 2
            for run in runs
            if run.active and (looked_at := chosen[run.id]) is not None
        }
        too_new: set[int] = set()
        ended = self._close(airflow, lineage, _settled(airflow, runs, since, settled, too_new))
        for number in chosen:  # only now: had something failed, the next round would take them again
            del self._pending[number]
        self._pending.update({run.id: now for run in runs if run.active or run.id in too_new})
        return Reconciled(len(runs), ended)

    def all_since(
        self, airflow: Session, lineage: Session, since: dt.datetime, dag_id: str | None = None
    ) -> Iterator[Reconciled]:
        """Look at every Dag run from a time on, some at a time; commits after each."""
        settled = dt.datetime.now(dt.timezone.utc) - self._grace
        last = 0
        while ids := airflow_record.ids_since(airflow, since, dag_id, last, _DAG_RUNS):
            last = ids[-1]
            runs = airflow_record.dag_runs(airflow, ids)
            yield Reconciled(len(runs), self._close(airflow, lineage, _settled(airflow, runs, {}, settled, set())))
            airflow.commit()  # nothing was written: it ends the snapshot

    def _find(self, airflow: Session, lineage: Session, settled: dt.datetime) -> None:
        """Add the Dag runs that there may be something to say about. What can fail comes first: nothing is passed over then."""
        found = airflow_record.ids_of(airflow, self._taken_for_running(lineage, settled))
        found |= airflow_record.active_ids(airflow)
        newest = airflow_record.newest_id(airflow)
        if self._newest is None:
            self._newest = self._oldest = newest
            self._seen = set(range(newest - _OVERLAP, newest + 1))  # looking back comes to these
        new = set(airflow_record.ids_between(airflow, self._newest - _OVERLAP, newest, _PER_ROUND * 20)) - self._seen
        for number in sorted(found | new | self._looked_back(airflow, settled)):
            self._pending.setdefault(number, None)
        self._newest = max(self._newest, *new, 0)
        self._seen = {number for number in self._seen | new if number > self._newest - _OVERLAP}

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
            moment, run_id = self._running_from
            query = query.where(RunRow.first_at >= moment, or_(RunRow.first_at > moment, RunRow.run_id > run_id))
        rows = lineage.execute(query).all()
        self._running_from = (rows[-1].first_at, rows[-1].run_id) if len(rows) == _PER_ROUND else None
        return sorted({(row.dag_id, row.dag_run_id) for row in rows if row.dag_id and row.dag_run_id})

    def _close(self, airflow: Session, lineage: Session, records: Iterable[Recorded]) -> int:
        """Make events of those records that lineage has no end of; gives of how many."""
        made = 0
        for batch in _batches(records):
            wanted = [record for record in _missing(lineage, batch) if self._emission.wanted(airflow, record)]
            made += _take_in(lineage, wanted)
        return made


def _settled(
    airflow: Session,
    runs: Iterable[RunOfDag],
    since: Mapping[int, dt.datetime],
    settled: dt.datetime,
    too_new: set[int],
) -> Iterator[Recorded]:
    """What ended before ``settled``; Dag runs in which something ended later are noted in ``too_new``."""
    for run in runs:
        for record in airflow_record.records(airflow, run, since.get(run.id)):
            if record.at <= settled:
                yield record
            else:
                too_new.add(run.id)


def _take_in(lineage: Session, records: Sequence[Recorded]) -> int:
    """Ingest all; one by one where that fails, so that one that the database cannot hold does not hold up the others for ever."""
    if not records:
        return 0
    try:
        return ingest(lineage, [parse_event(event_of(record)) for record in records])
    except (DataError, ValueError) as error:
        if len(records) == 1:
            log.warning("the end of run %s cannot be taken from Airflow's record: %s", records[0].run_id, error)
            return 0
    return sum(_take_in(lineage, [record]) for record in records)


def _missing(lineage: Session, records: Sequence[Recorded]) -> list[Recorded]:
    """Those that our tables know no end of, or another."""
    known: dict[str, tuple[str, bool]] = {}
    ids = sorted({record.run_id for record in records})
    for chunk in chunks(ids):
        query = select(RunRow.run_id, RunRow.state, RunRow.ended_at).where(RunRow.run_id.in_(chunk))
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
