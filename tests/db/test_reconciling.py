"""Ends by Airflow's own record: rows of Airflow's tables in, the lineage tables out."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task
from sqlalchemy import create_engine, event, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import airflow_record, reconciling
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import EventRow, RunRow
from sematic_airflow_provider.db.reconciling import Reconciled, Reconciler
from sematic_airflow_provider.lineage.events import parse_event

pytestmark = pytest.mark.usefixtures("migrated_home")
GRACE = dt.timedelta(seconds=30)
NOW = dt.datetime.now(dt.timezone.utc)
AGO = NOW - dt.timedelta(minutes=10)
_moments = itertools.count()


@pytest.fixture(scope="module")
def flow(migrated_home: str) -> DAG:
    """Its tasks never run: the tests write what Airflow would have recorded."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    @task
    def work() -> None: ...

    with DAG("reconciled") as made:
        work.override(task_id="killed")()
        work.override(task_id="mapped")()
        work.override(task_id="skipped")() >> work.override(task_id="upstream_failed")()
        EmptyOperator(task_id="empty")
    DagBundlesManager().sync_bundles_to_db()
    serialized = LazyDeserializedDAG.from_dag(made)
    SerializedDAG.bulk_write_to_db("dags-folder", None, [serialized])
    SerializedDagModel.write_dag(serialized, bundle_name="dags-folder")
    return made


@pytest.fixture
def session(flow: DAG) -> Iterator[Session]:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    from sematic_airflow_provider.db import models

    with create_session(scoped=False) as made:
        yield made
        made.rollback()
        made.execute(delete(DagRun))
        for table in reversed(models.metadata.sorted_tables):
            made.execute(table.delete())


def dag_run(session: Session, name: str = "run1", state: str = "success", ended: dt.datetime | None = AGO) -> Any:
    """A Dag run as Airflow keeps one, with an instance of each task."""
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    dag = DBDagBag().get_latest_version_of_dag("reconciled", session=session)
    assert dag is not None
    run: DagRun = dag.create_dagrun(
        run_id=name,
        run_after=AGO
        + dt.timedelta(microseconds=next(_moments)),  # runs of one moment would be one run to the provider
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=state,
        session=session,
        logical_date=None,
        data_interval=None,
    )
    run.end_date = ended
    session.commit()
    return run


def instance(session: Session, run: Any, task_id: str, state: str | None, **columns: Any) -> None:
    """Write what Airflow would record of a task instance."""
    from airflow.models.taskinstance import TaskInstance

    row = session.scalars(select(TaskInstance).filter_by(dag_id=run.dag_id, run_id=run.run_id, task_id=task_id)).one()
    for name, value in {"state": state, "end_date": AGO if state else None, **columns}.items():
        setattr(row, name, value)
    session.commit()


def told(
    session: Session,
    run: Any,
    task_id: str,
    *types: str,
    seconds: float = 0,
    begun: dt.datetime = AGO - dt.timedelta(minutes=1),
) -> str:
    """Events that the task sent itself; gives the run's id."""
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

    run_id = OpenLineageAdapter.build_task_instance_run_id("reconciled", task_id, 1, run.run_after, -1)
    airflow = {
        "dag": {"dag_id": "reconciled"},
        "dagRun": {"run_id": run.run_id},
        "task": {"task_id": task_id},
        "taskInstance": {"try_number": 1},
    }
    events = [
        {
            "eventType": kind,
            "eventTime": (begun + dt.timedelta(seconds=seconds + number)).isoformat(),
            "run": {"runId": run_id, "facets": {"airflow": airflow}},
            "job": {"namespace": "default", "name": f"reconciled.{task_id}"},
        }
        for number, kind in enumerate(types)
    ]
    ingest(session, [parse_event(one) for one in events])
    return run_id


def look(session: Session, reconciler: Reconciler | None = None) -> Reconciled:
    return (reconciler or Reconciler(GRACE)).round(session, session)


def states(session: Session) -> Mapping[str, str]:
    session.expire_all()
    return {
        (row.task_id or "") + (f" #{row.try_number}" if row.try_number > 1 else ""): row.state
        for row in session.scalars(select(RunRow))
    }


@pytest.mark.parametrize("page", [2, 2000])
def test_what_told_nothing_and_what_never_ended_is_as_airflow_has_it(
    session: Session, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(airflow_record, "_PAGE", page)
    run = dag_run(session, state="failed")
    instance(session, run, "killed", "failed", try_number=1, hostname="worker", start_date=AGO)
    instance(session, run, "skipped", "skipped")
    instance(session, run, "upstream_failed", "upstream_failed")
    instance(session, run, "empty", "success", try_number=1, start_date=AGO)
    instance(session, run, "mapped", "removed")
    killed = told(session, run, "killed", "START")
    done = look(session)
    assert (done.dag_runs, done.ended) == (1, 6)
    assert states(session) == {
        "": "failed",
        "killed": "failed",
        "skipped": "skipped",
        "upstream_failed": "upstream_failed",
        "empty": "success",
        "mapped": "removed",
    }
    row = session.get(RunRow, killed)
    assert row is not None
    assert row.ended_at == AGO
    parents = set(session.scalars(select(RunRow.parent_run_id).where(RunRow.task_id.is_not(None))))
    dag_run_id = session.scalars(select(RunRow.run_id).where(RunRow.task_id.is_(None))).one()
    assert parents == {None, dag_run_id} or parents == {dag_run_id}


def test_looking_again_and_by_another_server_adds_nothing(session: Session) -> None:
    run = dag_run(session)
    instance(session, run, "empty", "success", try_number=1)
    first, second = Reconciler(GRACE), Reconciler(GRACE)
    assert look(session, first).ended == 2
    assert [look(session, one).ended for one in (first, second, first, second)] == [0, 0, 0, 0]
    assert len(session.scalars(select(EventRow.id)).all()) == 2


def test_a_real_end_needs_no_record_and_one_that_comes_late_wins(session: Session) -> None:
    run = dag_run(session)
    instance(session, run, "killed", "failed", try_number=1, hostname="worker")
    instance(session, run, "skipped", "success", try_number=1, hostname="worker")
    told(session, run, "killed", "START")
    told(session, run, "skipped", "START", "COMPLETE")
    assert look(session).ended == 2  # the Dag run, and the task that told no end
    assert states(session)["killed"] == "failed"
    told(session, run, "killed", "COMPLETE", seconds=30)
    assert states(session)["killed"] == "success"


def test_a_task_that_said_success_is_told_to_be_skipped(session: Session) -> None:
    run = dag_run(session)
    instance(session, run, "skipped", "skipped", try_number=1, hostname="worker")
    told(session, run, "skipped", "START", "COMPLETE")
    look(session)
    assert states(session)["skipped"] == "skipped"


def test_what_has_just_ended_may_tell_so_itself_and_is_looked_at_later(session: Session) -> None:
    just_now = dt.datetime.now(dt.timezone.utc)
    run = dag_run(session, ended=just_now)
    instance(session, run, "empty", "success", try_number=1, end_date=just_now)
    patient, at_once = Reconciler(GRACE), Reconciler(dt.timedelta(0))
    assert look(session, patient) == Reconciled(1, 0)
    assert look(session, patient).dag_runs == 1
    assert look(session, at_once).ended == 2


def test_a_task_of_a_dag_run_that_still_runs_is_closed_while_it_runs(session: Session) -> None:
    reconciler = Reconciler(GRACE)
    run = dag_run(session, state="running", ended=None)
    look(session, reconciler)
    instance(session, run, "killed", "failed", try_number=1, hostname="worker")
    told(session, run, "killed", "START")
    assert look(session, reconciler).ended == 1
    assert states(session) == {"killed": "failed"}
    run.state, run.end_date = "failed", AGO
    session.commit()
    assert look(session, reconciler).ended == 1
    assert states(session) == {"killed": "failed", "": "failed"}
    assert look(session, reconciler) == Reconciled(0, 0)


def test_a_try_that_was_replaced_and_a_task_that_was_cleared_and_not_executed_are_runs_of_their_own(
    session: Session,
) -> None:
    run = dag_run(session, state="failed")
    instance(session, run, "killed", "failed", try_number=1, hostname="worker")
    first = told(session, run, "killed", "START")
    from airflow.models.taskinstance import TaskInstance

    row = session.scalars(select(TaskInstance).filter_by(run_id=run.run_id, task_id="killed")).one()
    row.prepare_db_for_next_try(session)
    session.commit()
    instance(session, run, "killed", "skipped", try_number=1)
    look(session)
    assert states(session) == {"": "failed", "killed": "failed", "killed #2": "skipped"}
    assert session.get(RunRow, first) is not None


def test_a_dag_run_that_was_cleared_while_it_ran_goes_on_as_another_and_the_first_ends(session: Session) -> None:
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter

    run = dag_run(session, state="success")
    run.clear_number, run.queued_at = 2, AGO
    session.commit()
    ids = [OpenLineageAdapter.build_dag_run_id("reconciled", run.run_after, number) for number in range(3)]
    start = {"eventType": "START", "eventTime": (AGO - dt.timedelta(hours=1)).isoformat()}
    job = {"namespace": "default", "name": "reconciled"}
    ingest(session, [parse_event({**start, "run": {"runId": ids[1]}, "job": job})])
    look(session)
    rows = {row.run_id: row.state for row in session.scalars(select(RunRow))}
    assert rows == {ids[1]: "failed", ids[2]: "success"}  # of the first, lineage was never told


def test_an_old_run_that_lineage_takes_for_running_is_found(session: Session) -> None:
    run = dag_run(session, state="failed", ended=NOW - dt.timedelta(days=40))
    instance(session, run, "killed", "failed", try_number=1, end_date=NOW - dt.timedelta(days=40), hostname="worker")
    assert look(session).dag_runs == 0  # it is older than what a new process looks back at
    told(session, run, "killed", "START", begun=NOW - dt.timedelta(days=41))
    look(session)
    assert states(session)["killed"] == "failed"


def test_runs_that_airflow_has_no_longer_hold_up_none_that_it_has(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "_PER_ROUND", 3)
    long_ago = NOW - dt.timedelta(days=50)
    for number in range(4):
        gone = SimpleNamespace(run_id=f"gone{number}", run_after=long_ago + dt.timedelta(hours=number))
        told(session, gone, "killed", "START", begun=long_ago)
    run = dag_run(session, state="failed", ended=NOW - dt.timedelta(days=40))
    instance(session, run, "killed", "failed", try_number=1, end_date=NOW - dt.timedelta(days=40), hostname="worker")
    killed = told(session, run, "killed", "START", begun=NOW - dt.timedelta(days=41))
    reconciler = Reconciler(GRACE)
    assert [look(session, reconciler).ended for _ in range(3)] == [0, 2, 0]
    assert session.get_one(RunRow, killed).state == "failed"


def test_a_dag_run_that_is_seen_after_one_that_was_made_later_is_not_passed_over(session: Session) -> None:
    """Its transaction was the slower one."""
    from airflow.models.dagrun import DagRun

    reconciler = Reconciler(GRACE)
    look(session, reconciler)
    fast = dag_run(session, "fast").id
    session.execute(update(DagRun).where(DagRun.id == fast).values(id=fast + 1))
    session.commit()
    assert look(session, reconciler).ended == 1
    slow = dag_run(session, "slow").id
    session.execute(update(DagRun).where(DagRun.id == slow).values(id=fast))
    session.commit()
    assert look(session, reconciler).ended == 1


def test_the_command_looks_at_all_dag_runs_since_a_time(session: Session) -> None:
    runs = [dag_run(session, f"run{number}", ended=NOW - dt.timedelta(days=40)) for number in range(3)]
    reconciler = Reconciler(GRACE)
    assert look(session, reconciler).ended == 0
    since = AGO - dt.timedelta(minutes=1)
    assert sum(one.ended for one in reconciler.all_since(session, session, since)) == len(runs)
    assert not list(reconciler.all_since(session, session, since, "another"))
    assert not list(reconciler.all_since(session, session, NOW))


def test_what_a_round_that_failed_should_have_done_the_next_one_does(session: Session) -> None:
    reconciler = Reconciler(GRACE)
    look(session, reconciler)
    dag_run(session)
    with Session(create_engine("sqlite://")) as without_tables:
        for _ in range(2):
            with pytest.raises(OperationalError):
                reconciler.round(session, without_tables)
    assert look(session, reconciler).ended == 1


def test_what_cannot_be_an_event_holds_up_nothing_else(session: Session) -> None:
    run = dag_run(session)
    instance(session, run, "empty", "success", try_number=1)
    instance(session, run, "skipped", "skipped")
    long = "x" * 1995  # with the Dag's id it is longer than a job's name may be; SQLite takes it
    session.execute(text("UPDATE task_instance SET task_id = :long WHERE task_id = 'skipped'"), {"long": long})
    session.commit()
    assert look(session).ended == 2
    assert set(states(session)) == {"", "empty"}


def test_operators_and_dags_that_tell_nothing_get_nothing_made(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = dag_run(session)
    instance(session, run, "empty", "success", try_number=1)
    instance(session, run, "skipped", "skipped")
    monkeypatch.setenv(
        "AIRFLOW__OPENLINEAGE__DISABLED_FOR_OPERATORS", "airflow.providers.standard.operators.empty.EmptyOperator"
    )
    look(session)
    assert states(session) == {"": "success", "skipped": "skipped"}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__SELECTIVE_ENABLE", "True")
    dag_run(session, "run2")
    assert look(session).ended == 0
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLED", "True")
    assert look(session) == Reconciled(0, 0)


def test_a_round_reads_airflows_tables_by_index_and_costs_what_has_changed(session: Session) -> None:
    reconciler = Reconciler(GRACE)
    for number in range(60):
        dag_run(session, f"run{number}")
    while look(session, reconciler).dag_runs:
        pass
    asked: list[tuple[str, Any]] = []
    bind = session.get_bind()

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(bind, "before_cursor_execute", note)
    try:
        assert look(session, reconciler) == Reconciled(0, 0)
        idle = len(asked)
        run = dag_run(session, "one_more")
        instance(session, run, "empty", "success", try_number=1)
        del asked[:]
        assert look(session, reconciler).dag_runs == 1
    finally:
        event.remove(bind, "before_cursor_execute", note)
    assert idle <= 6
    for statement, parameters in list(asked):
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        assert not [row.detail for row in plan if row.detail.startswith("SCAN ")], (statement, [r.detail for r in plan])
