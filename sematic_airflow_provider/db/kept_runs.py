"""Which Dag runs a policy lets go of, and since when something has been running that may not have recorded yet what it wrote."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import RunRow
from sematic_airflow_provider.errors import ConfigurationError

DagRunKey = tuple[str, str]
"""Dag id and run id."""

_UNFINISHED_RUNS: Final = (DagRunState.QUEUED, DagRunState.RUNNING)
_UNFINISHED_TASKS: Final = (
    TaskInstanceState.SCHEDULED,
    TaskInstanceState.QUEUED,
    TaskInstanceState.RUNNING,
    TaskInstanceState.RESTARTING,
    TaskInstanceState.UP_FOR_RETRY,
    TaskInstanceState.UP_FOR_RESCHEDULE,
    TaskInstanceState.DEFERRED,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How long Dag runs keep what they read and wrote. A run goes when each limit that is set lets it go; with none, none does.

    Raises:
        ConfigurationError: a limit is no limit, or Dags are named without one.
    """

    keep_days: float | None = None
    """Keep the runs that ended within so many days."""
    keep_last: int | None = None
    """Keep so many runs of each Dag, those that began last."""
    dag_ids: tuple[str, ...] = ()
    """Only runs of these Dags go; of any Dag, where none is named."""

    def __post_init__(self) -> None:
        if self.keep_days is not None and not 0 <= self.keep_days <= 100_000:
            raise ConfigurationError("keep_days", f"--keep-days must be 0 to 100000, it is {self.keep_days:g}")
        if self.keep_last is not None and self.keep_last < 0:
            raise ConfigurationError("keep_last", f"--keep-last must be 0 or more, it is {self.keep_last}")
        if self.dag_ids and not self.limited:
            raise ConfigurationError(
                "dag_id", "--dag-id says whose runs go: say also which, by --keep-days or --keep-last"
            )

    @property
    def limited(self) -> bool:
        """Whether any run may go."""
        return self.keep_days is not None or self.keep_last is not None


class Unfinished(NamedTuple):
    """What began at this time and has not ended, or not long ago."""

    since: dt.datetime
    what: str


class _Run(NamedTuple):
    dag_id: str
    run_id: str
    started: dt.datetime | None
    ended: dt.datetime | None
    unfinished: bool


def expired_runs(airflow: Session, lineage: Session, policy: Policy, now: dt.datetime) -> set[DagRunKey]:
    """The Dag runs that a policy lets go of. One that has not ended, or of which a task has not, never is among them."""
    if not policy.limited:
        return set()
    by_dag: dict[str, list[_Run]] = {}
    for run in _runs(airflow, lineage):
        if not policy.dag_ids or run.dag_id in policy.dag_ids:
            by_dag.setdefault(run.dag_id, []).append(run)
    return {(run.dag_id, run.run_id) for runs in by_dag.values() for run in _expired(runs, policy, now)}


def began_again(session: Session, expired: Collection[DagRunKey]) -> DagRunKey | None:
    """A run that was to be let go of, and has been cleared since."""
    rows = session.execute(select(DagRun.dag_id, DagRun.run_id).where(DagRun.state.in_(_UNFINISHED_RUNS)))
    return next(((dag_id, run_id) for dag_id, run_id in rows if (dag_id, run_id) in expired), None)


def _expired(runs: list[_Run], policy: Policy, now: dt.datetime) -> Iterator[_Run]:
    latest_first = sorted(runs, key=lambda run: (run.started is None, run.started or now), reverse=True)
    for number, run in enumerate(latest_first):
        if run.unfinished or run.ended is None:
            continue
        within_last = policy.keep_last is not None and number < policy.keep_last
        within_days = policy.keep_days is not None and run.ended >= now - dt.timedelta(days=policy.keep_days)
        if not within_last and not within_days:
            yield run


def _runs(airflow: Session, lineage: Session) -> Iterator[_Run]:
    """Dag runs by Airflow's table, then those that only lineage knows any more."""
    busy = {
        (dag_id, run_id)
        for dag_id, run_id in airflow.execute(
            select(TaskInstance.dag_id, TaskInstance.run_id).where(TaskInstance.state.in_(_UNFINISHED_TASKS)).distinct()
        )
    }
    known: set[DagRunKey] = set()
    columns = (DagRun.dag_id, DagRun.run_id, DagRun.start_date, DagRun.end_date, DagRun.run_after, DagRun.state)
    for dag_id, run_id, started, ended, run_after, state in airflow.execute(select(*columns)):
        known.add((dag_id, run_id))
        unfinished = state in _UNFINISHED_RUNS or (dag_id, run_id) in busy
        yield _Run(dag_id, run_id, started or run_after, ended or started or run_after, unfinished)
    told = (
        select(
            RunRow.dag_id,
            RunRow.dag_run_id,
            func.min(RunRow.started_at),
            func.max(RunRow.ended_at),
            func.max(RunRow.started_at),
        )
        .where(RunRow.dag_id.is_not(None), RunRow.dag_run_id.is_not(None))
        .group_by(RunRow.dag_id, RunRow.dag_run_id)
    )
    for dag_id, run_id, started, ended, last_started in lineage.execute(told):
        if dag_id and run_id and (dag_id, run_id) not in known:
            yield _Run(dag_id, run_id, started or ended, ended or last_started, unfinished=False)


def earliest_unfinished(session: Session, ended_since: dt.datetime) -> Unfinished | None:
    """What began first of all that has not ended, or has ended since this time: events of a task may arrive after it."""
    tasks = (
        select(TaskInstance.start_date, TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id)
        .where(
            TaskInstance.start_date.is_not(None),
            or_(TaskInstance.state.in_(_UNFINISHED_TASKS), TaskInstance.end_date >= ended_since),
        )
        .order_by(TaskInstance.start_date)
        .limit(1)
    )
    runs = (
        select(DagRun.start_date, DagRun.dag_id, DagRun.run_id)
        .where(DagRun.start_date.is_not(None), DagRun.state.in_(_UNFINISHED_RUNS))
        .order_by(DagRun.start_date)
        .limit(1)
    )
    found = [_unfinished(row) for query in (tasks, runs) for row in session.execute(query)]
    return min(found, key=lambda one: one.since, default=None)


def _unfinished(row: Any) -> Unfinished:
    since, dag_id, run_id, *task = row
    return Unfinished(since, f"task {task[0]} of run {run_id} of {dag_id}" if task else f"run {run_id} of {dag_id}")
