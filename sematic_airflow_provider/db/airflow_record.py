"""What Airflow itself has recorded of Dag runs and of every try of their task instances, read by its indexes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.utils.state import DagRunState
from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.lineage.ends import RECORDED_STATES
from sematic_airflow_provider.lineage.recorded import Recorded

_PAGE = 2000
_CHUNK = 400

ACTIVE = (DagRunState.RUNNING, DagRunState.QUEUED)
_OF_TRIES = (
    "id",
    "task_id",
    "map_index",
    "try_number",
    "state",
    "start_date",
    "end_date",
    "updated_at",
    "operator",
    "hostname",
)


class RunOfDag(NamedTuple):
    """A Dag run."""

    id: int
    dag_id: str
    run_id: str
    state: str
    instant: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    queued_at: dt.datetime | None
    clear_number: int
    conf: Any

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE


def active_ids(session: Session) -> set[int]:
    """Of the Dag runs that are queued or run now."""
    found: set[int] = set()
    for state in ACTIVE:  # each has a partial index, which only a query for that very text may use
        found.update(session.scalars(select(DagRun.id).where(DagRun.state == literal_column(f"'{state.value}'"))))
    return found


def newest_id(session: Session) -> int:
    """Of the Dag run that was made last; 0 where there is none."""
    return session.scalar(select(func.max(DagRun.id))) or 0


def ids_between(session: Session, above: int, up_to: int, limit: int, *, downwards: bool = False) -> list[int]:
    """Of Dag runs that were made one after another."""
    order = DagRun.id.desc() if downwards else DagRun.id
    query = select(DagRun.id).where(DagRun.id > above, DagRun.id <= up_to).order_by(order).limit(limit)
    return list(session.scalars(query))


def ids_since(session: Session, since: dt.datetime, dag_id: str | None, above: int, limit: int) -> list[int]:
    """Of the Dag runs whose data were complete at or after a time, all or one Dag's, page by page."""
    query = select(DagRun.id).where(DagRun.run_after >= since, DagRun.id > above).order_by(DagRun.id).limit(limit)
    return list(session.scalars(query if dag_id is None else query.where(DagRun.dag_id == dag_id)))


def ids_of(session: Session, names: Collection[tuple[str, str]]) -> set[int]:
    """Of the Dag runs with these Dag ids and run ids, as far as Airflow has them."""
    by_dag: dict[str, set[str]] = {}
    for dag_id, run_id in names:
        by_dag.setdefault(dag_id, set()).add(run_id)
    found: set[int] = set()
    for dag_id, run_ids in by_dag.items():
        query = select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(run_ids))
        found.update(session.scalars(query))
    return found


def dag_runs(session: Session, ids: Collection[int]) -> list[RunOfDag]:
    """These Dag runs, as far as there still are any, in the order of their ids."""
    found: list[RunOfDag] = []
    ordered = sorted(ids)
    for start in range(0, len(ordered), _CHUNK):
        query = (
            select(
                DagRun.id,
                DagRun.dag_id,
                DagRun.run_id,
                DagRun.state,
                DagRun.logical_date,
                DagRun.run_after,
                DagRun.start_date,
                DagRun.end_date,
                DagRun.queued_at,
                DagRun.clear_number,
                DagRun.conf,
            )
            .where(DagRun.id.in_(ordered[start : start + _CHUNK]))
            .order_by(DagRun.id)
        )
        for row in session.execute(query):
            instant = row.logical_date or row.run_after  # as the OpenLineage provider takes it
            found.append(
                RunOfDag(
                    row.id,
                    row.dag_id,
                    row.run_id,
                    str(row.state),
                    instant,
                    row.start_date,
                    row.end_date,
                    row.queued_at,
                    row.clear_number,
                    row.conf,
                )
            )
    return found


def records(session: Session, run: RunOfDag, changed_since: dt.datetime | None = None) -> Iterator[Recorded]:
    """How the Dag run and the tries of its task instances ended, as far as they have.

    Args:
        session: of Airflow's database.
        run: the Dag run.
        changed_since: only tries whose rows changed since then.
    """
    names = _Names(run)
    if not run.active:
        yield names.dag_run()
    yield from names.cleared_dag_runs()
    past = set()
    for row in _tries(session, TaskInstanceHistory, run, None):
        past.add((row.task_id, row.map_index, row.try_number))
        if row.state in RECORDED_STATES and _since(row, changed_since):
            yield names.task(row, row.try_number)
    for row in _tries(session, TaskInstance, run, changed_since):
        if row.state in RECORDED_STATES:
            again = (row.task_id, row.map_index, row.try_number) in past  # cleared, and not executed since
            yield names.task(row, row.try_number + again)


def _tries(session: Session, model: Any, run: RunOfDag, changed_since: dt.datetime | None) -> Iterator[Any]:
    """Rows page by page, so that a Dag run of any number of mapped instances fits in memory."""
    key = model.task_instance_id if model is TaskInstanceHistory else model.id
    columns = [key.label("key"), *(getattr(model, name) for name in _OF_TRIES if name != "id")]
    last = None
    while True:
        query = select(*columns).where(model.dag_id == run.dag_id, model.run_id == run.run_id)
        if changed_since is not None:
            query = query.where(model.updated_at >= changed_since)
        if last is not None:
            query = query.where(key > last)
        page = session.execute(query.order_by(key).limit(_PAGE)).all()
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1].key


def _since(row: Any, moment: dt.datetime | None) -> bool:
    return moment is None or row.updated_at is None or row.updated_at >= moment


class _Names:
    """Ids of runs, by the OpenLineage provider's own formula, and how they hang together."""

    def __init__(self, run: RunOfDag) -> None:
        from airflow.providers.openlineage import conf
        from airflow.providers.openlineage.utils.utils import (
            build_dag_run_ol_run_id,
            build_task_instance_ol_run_id,
            get_parent_information_from_dagrun_conf,
            get_root_information_from_dagrun_conf,
        )

        self._run = run
        self._namespace = conf.namespace()
        self._dag_run_id, self._task_run_id = build_dag_run_ol_run_id, build_task_instance_ol_run_id
        given = run.conf if isinstance(run.conf, dict) else {}
        parent = _reference(get_parent_information_from_dagrun_conf(given), "parent")
        root = _reference(get_root_information_from_dagrun_conf(given), "root_parent") or parent
        self._parent = {**parent, "root": root} if parent is not None else None
        own = {"run": {"runId": self._id(run.clear_number)}, "job": {"namespace": self._namespace, "name": run.dag_id}}
        self._of_tasks = {**own, "root": root or own}

    def dag_run(self) -> Recorded:
        run = self._run
        state = "success" if run.state == DagRunState.SUCCESS else "failed"
        return self._dag_run(run.clear_number, state, run.ended_at or run.instant, run.started_at)

    def cleared_dag_runs(self) -> Iterator[Recorded]:
        """The same Dag run before it was cleared is a run of its own, which ends only if it had not been running then."""
        at = self._run.queued_at
        if at is not None:
            for number in range(min(self._run.clear_number, 100)):
                yield self._dag_run(number, "failed", at, None, superseded=True)

    def task(self, row: Any, try_number: int) -> Recorded:
        run = self._run
        return Recorded(
            run_id=self._task_run_id(
                dag_id=run.dag_id,
                task_id=row.task_id,
                try_number=try_number,
                logical_date=run.instant,
                map_index=row.map_index,
            ),
            namespace=self._namespace,
            state=str(row.state),
            at=row.end_date or row.updated_at or run.ended_at or run.instant,
            dag_id=run.dag_id,
            dag_run_id=run.run_id,
            task_id=row.task_id,
            map_index=row.map_index,
            try_number=try_number,
            started_at=row.start_date,
            operator=row.operator,
            executed=bool(row.hostname),
            parent=self._of_tasks,
        )

    def _dag_run(
        self, number: int, state: str, at: dt.datetime, started_at: dt.datetime | None, *, superseded: bool = False
    ) -> Recorded:
        run = self._run
        return Recorded(
            run_id=self._id(number),
            namespace=self._namespace,
            state=state,
            at=at,
            dag_id=run.dag_id,
            dag_run_id=run.run_id,
            started_at=started_at,
            superseded=superseded,
            parent=self._parent,
        )

    def _id(self, clear_number: int) -> str:
        return str(self._dag_run_id(dag_id=self._run.dag_id, logical_date=self._run.instant, clear_number=clear_number))


def _reference(found: Mapping[str, str], prefix: str) -> dict[str, Any] | None:
    if not found:
        return None
    return {
        "run": {"runId": found[f"{prefix}_run_id"]},
        "job": {"namespace": found[f"{prefix}_job_namespace"], "name": found[f"{prefix}_job_name"]},
    }


def latest_end(runs: Sequence[RunOfDag]) -> dt.datetime | None:
    """When the last of these Dag runs ended; None where none has."""
    return max((run.ended_at for run in runs if run.ended_at is not None), default=None)
