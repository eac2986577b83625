"""Lineage is complete whatever became of a task: one rich Dag under Airflow's own processes, on PostgreSQL.

What Airflow's OpenLineage provider leaves out (killed, skipped, empty and never started tasks, sources, arguments, assets) is there; what it tells (hooks,
SQL, deferral, mapping, aliases) is in the graph.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from integration.postgresql import PostgreSQL
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port
from sematic_airflow_provider.db import packed
from sematic_airflow_provider.db.models import EventRow, FlowRow, IoRow, RunRow
from sematic_airflow_provider.lineage.naming import dataset_key

FLOW = """
import datetime as dt
import os
import signal
import time

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import Asset, AssetAlias, ObjectStoragePath, Param, dag, task
from sematic_airflow_provider import sematic_task

RAW = os.environ["RAW_FILE"]


@task(outlets=[Asset("raw_flights")])
def ingest() -> list[int]:
    with ObjectStoragePath("file://" + RAW).open("w") as file:
        file.write("1,2,3")
    return [1, 2, 3]


@task(inlets=[Asset(uri="file://" + RAW)])
def declared(): ...


@task
def read_back():
    with ObjectStoragePath("file://" + RAW).open() as file:
        return file.read()


@task
def square(x: int, password: str) -> int:
    return x * x


@sematic_task
def total(values: list[int]) -> int:
    return sum(values)


@task.branch
def branch():
    return "chosen"


@task.short_circuit
def short():
    return False


@task
def work(): ...


@task
def killed():
    os.kill(os.getpid(), signal.SIGKILL)


@task(retries=1, retry_delay=dt.timedelta(seconds=1))
def killed_once(ti=None):
    if ti.try_number == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@task
def by_hand():
    time.sleep(600)


@task(outlets=[AssetAlias("later")])
def alias(outlet_events=None):
    outlet_events[AssetAlias("later")].add(Asset(uri="s3://lake/by-alias.csv"))


@task(outlets=[Asset(uri="sematic://models/churn@production")])
def promote(): ...


@task
def by_hook():
    PostgresHook("warehouse").run("INSERT INTO copies SELECT day FROM flights")


@dag(schedule=None, params={"month": Param("2026-01")})
def rich():
    numbers = ingest()
    numbers >> [declared(), read_back()]
    total(square.partial(password="hunter2-hunter2").expand(x=numbers))
    branch() >> [work.override(task_id="chosen")(), work.override(task_id="not_chosen")()]
    short() >> work.override(task_id="after_short")()
    killed() >> work.override(task_id="after_killed")()
    killed_once()
    by_hand()
    alias()
    promote()
    EmptyOperator(task_id="empty")
    # Much later than it defers: what a busy scheduler resumes before it has heard from the executor that the process ended which deferred, Airflow fails.
    DateTimeSensorAsync(task_id="deferred", target_time="{{ (macros.datetime.utcnow() + macros.timedelta(seconds=30)).isoformat() }}")
    made = SQLExecuteQueryOperator(
        task_id="make_tables",
        conn_id="warehouse",
        sql=[
            "CREATE TABLE flights (day date, delay int)",
            "CREATE TABLE daily (day date, delays bigint)",
            "CREATE TABLE copies (day date)",
        ],
    )
    made >> SQLExecuteQueryOperator(
        task_id="count_delays",
        conn_id="warehouse",
        sql="INSERT INTO daily (day, delays) SELECT day, sum(delay) AS delays FROM flights GROUP BY day",
    )
    made >> by_hook()
    TriggerDagRunOperator(task_id="trigger", trigger_dag_id="triggered", conf={"limit": 7})


@dag(schedule=None)
def triggered():
    work()


@dag(schedule=[Asset("raw_flights")])
def follows():
    work()


rich()
triggered()
follows()
"""
EXPECTED = {
    "ingest": "success",
    "declared": "success",
    "read_back": "success",
    "square[0]": "success",
    "square[1]": "success",
    "square[2]": "success",
    "total": "success",
    "branch": "success",
    "chosen": "success",
    "not_chosen": "skipped",
    "short": "success",
    "after_short": "skipped",
    "killed": "failed",
    "after_killed": "upstream_failed",
    "killed_once": "success",
    "by_hand": "failed",
    "alias": "success",
    "promote": "success",
    "empty": "success",
    "deferred": "success",
    "make_tables": "success",
    "count_delays": "success",
    "by_hook": "success",
    "trigger": "success",
}


@dataclass
class World:
    """An Airflow in which the rich Dag has run, and its lineage tables."""

    airflow: LocalAirflow
    run_id: str
    session: Session
    raw: Path
    warehouse: str

    def runs(self, dag_id: str = "rich") -> list[RunRow]:
        self.session.rollback()
        return list(self.session.scalars(select(RunRow).where(RunRow.dag_id == dag_id).order_by(RunRow.try_number)))

    def run(self, name: str, dag_id: str = "rich") -> RunRow:
        """The last try of ``task`` or ``task[index]``."""
        return {_name(row): row for row in self.runs(dag_id) if row.task_id}[name]

    def states(self) -> dict[str, str]:
        return {_name(row): row.state for row in self.runs() if row.task_id}

    def facets(self, name: str, dag_id: str = "rich") -> Mapping[str, Any]:
        found: Mapping[str, Any] = packed.facets(self.session, [self.run(name, dag_id).facets])[0]
        return found

    def touched(self, run: RunRow, direction: str) -> set[str]:
        query = select(IoRow.name).where(IoRow.run_id == run.run_id, IoRow.direction == direction)
        return set(self.session.scalars(query))

    def sources(self, name: str) -> set[str]:
        entries = self.facets(name)["job"]["lineage"]["entries"]
        own = next(entry for entry in entries if entry["type"] == "JOB")
        return {one["name"] for one in own["inputs"] if one["type"] == "JOB"}


def _name(row: RunRow) -> str:
    return str(row.task_id) + (f"[{row.map_index}]" if row.map_index >= 0 else "")


def _eventually(check: Any, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


@pytest.fixture(scope="module")
def world(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("complete")
    dags = home / "dags"
    dags.mkdir()
    (dags / "rich.py").write_text(FLOW)
    raw = home / "raw.csv"
    database, warehouse = postgresql.create("complete"), postgresql.create("warehouse")
    extra = {
        "RAW_FILE": str(raw),
        "AIRFLOW__SEMATIC__RECONCILE_INTERVAL": "4",
        "AIRFLOW_CONN_WAREHOUSE": warehouse.replace("postgresql+psycopg2", "postgres"),
        "AIRFLOW__CORE__PARALLELISM": "6",
    }
    airflow = LocalAirflow(home, dags, free_port(18480), database=database, extra=extra)
    airflow.migrate()
    engine = create_engine(database)
    try:
        airflow.start()
        airflow.wait_until_healthy()
        for dag_id in ("rich", "triggered", "follows"):
            airflow.wait_for_dag(dag_id)
        airflow.unpause("triggered")
        airflow.unpause("follows")
        run_id = airflow.trigger("rich")
        path = f"/api/v2/dags/rich/dagRuns/{run_id}/taskInstances/by_hand"
        assert _eventually(lambda: airflow.get(path)["state"] == "running", 240)
        airflow.patch(path, {"new_state": "failed"})
        dict(airflow.follow("rich", run_id))
        assert airflow.task_states("rich", run_id) == EXPECTED, (
            "Airflow itself, not lineage: see its table `log` and the scheduler's log"
        )
        with Session(engine) as session:
            made = World(airflow, run_id, session, raw, warehouse)
            _eventually(lambda: made.states() == EXPECTED and {row.state for row in made.runs()} & {"running"} == set())
            yield made
    finally:
        airflow.stop()
        engine.dispose()


def test_every_task_instance_is_in_the_lineage_in_the_state_that_it_ended_in(world: World) -> None:
    assert world.states() == EXPECTED
    assert {row.state for row in world.runs() if row.task_id is None} == {"failed"}


def test_states_agree_with_airflows_own(world: World) -> None:
    assert world.states() == world.airflow.task_states("rich", world.run_id)


def test_the_try_that_was_killed_has_failed_and_the_next_succeeded(world: World) -> None:
    tries = {row.try_number: row.state for row in world.runs() if row.task_id == "killed_once"}
    assert tries == {1: "failed", 2: "success"}


def test_a_killed_task_began_when_it_said_so_and_ended_when_airflow_says_so(world: World) -> None:
    row = world.run("killed")
    assert row.started_at is not None
    assert row.ended_at is not None
    assert row.started_at <= row.ended_at
    assert "process told no end" in world.facets("killed")["sematic_reconciled"]["reason"]


def test_ends_are_taken_from_airflow_only_where_the_run_told_none(world: World) -> None:
    reconciled = {
        _name(row)
        for row in world.runs()
        if row.task_id and "sematic_reconciled" in packed.facets(world.session, [row.facets])[0]
    }
    assert {"killed", "not_chosen", "after_short", "after_killed", "empty"} <= reconciled
    assert not reconciled & {"ingest", "total", "declared", "deferred", "count_delays"}


def test_no_run_is_told_of_twice_by_what_is_made(world: World) -> None:
    events = list(world.session.execute(select(EventRow.run_id, EventRow.payload).where(EventRow.kind == "run")))
    texts = packed.texts(world.session, [payload for _, payload in events])
    made = [run_id for (run_id, _), text in zip(events, texts, strict=True) if b"sematic_reconciled" in text]
    assert len(made) == len(set(made))


def test_a_deferred_task_is_one_run_that_began_once(world: World) -> None:
    rows = [row for row in world.runs() if row.task_id == "deferred"]
    assert len(rows) == 1
    assert rows[0].started_at is not None
    assert rows[0].ended_at is not None
    assert (rows[0].ended_at - rows[0].started_at).total_seconds() > 2


def test_a_plain_task_tells_source_arguments_and_parameters_and_no_secret(world: World) -> None:
    facets = world.facets("square[1]")
    assert "def square" in facets["job"]["sourceCode"]["sourceCode"]
    assert facets["sematic_task"]["arguments"] == {"x": {"value": 2}, "password": {"value": "***"}}
    assert {"key": "month", "value": "2026-01"}.items() <= facets["executionParameters"]["parameters"][0].items()
    payloads = list(world.session.scalars(select(EventRow.payload)))
    assert not [text for text in packed.texts(world.session, payloads) if b"hunter2" in text]


def test_data_flow_through_xcom_is_told_of_tasks_and_of_steps(world: World) -> None:
    assert world.sources("square[0]") == {"rich.ingest"}
    assert world.sources("total") == {"rich.square"}


def test_a_file_is_one_data_set_whether_a_hook_told_of_it_or_the_dag_declares_it(world: World) -> None:
    key = dataset_key("file", str(world.raw))
    query = select(RunRow.task_id, IoRow.direction).join(RunRow, RunRow.run_id == IoRow.run_id)
    touched = {tuple(row) for row in world.session.execute(query.where(IoRow.dataset_key == key))}
    assert touched == {("ingest", "write"), ("read_back", "read"), ("declared", "read")}


def test_declared_assets_of_every_kind_are_data_sets(world: World) -> None:
    assert "raw_flights" in world.touched(world.run("ingest"), "write")
    assert "models/churn@production" in world.touched(world.run("promote"), "write")
    assert "by-alias.csv" in world.touched(world.run("alias"), "write")


def test_mapped_instances_are_runs_of_their_own_and_what_they_made_was_read_together(world: World) -> None:
    made = {name for index in range(3) for name in world.touched(world.run(f"square[{index}]"), "write")}
    assert made == {"rich.square.return_value"}
    assert made <= world.touched(world.run("total"), "read")


def test_columns_that_an_sql_operator_fills_are_known_to_come_from_others(world: World) -> None:
    port = world.warehouse.rpartition(":")[2].partition("/")[0]
    namespace = f"postgres://127.0.0.1:{port}"
    out, source = (dataset_key(namespace, f"warehouse.public.{table}") for table in ("daily", "flights"))
    query = select(FlowRow.out_field, FlowRow.in_field).where(FlowRow.out_key == out, FlowRow.in_key == source)
    assert {("day", "day"), ("delays", "delay")} <= {tuple(row) for row in world.session.execute(query)}


def test_what_a_hook_ran_is_a_run_inside_the_task(world: World) -> None:
    task = world.run("by_hook")
    children = list(world.session.scalars(select(RunRow).where(RunRow.parent_run_id == task.run_id)))
    assert [row.state for row in children] == ["success"]
    assert world.touched(children[0], "read") == {"warehouse.public.flights"}
    assert world.touched(children[0], "write") == {"warehouse.public.copies"}


def test_a_triggered_dag_run_is_part_of_the_task_that_triggered_it(world: World) -> None:
    assert _eventually(lambda: [row for row in world.runs("triggered") if row.task_id is None and row.ended_at])
    (dag_run,) = [row for row in world.runs("triggered") if row.task_id is None]
    assert dag_run.parent_run_id == world.run("trigger").run_id
    given = world.facets("work", "triggered")["executionParameters"]["parameters"]
    assert [one["value"] for one in given if one["key"] in ("limit", "conf.limit")] == ["7"]


def test_a_dag_run_that_an_asset_started_is_told_what_it_came_of(world: World) -> None:
    assert _eventually(lambda: [row for row in world.runs("follows") if row.task_id is None and row.ended_at])
    (dag_run,) = [row for row in world.runs("follows") if row.task_id is None]
    dependencies = packed.facets(world.session, [dag_run.facets])[0]["jobDependencies"]["upstream"]
    assert [one["job"]["name"] for one in dependencies] == ["rich.ingest"]


def test_the_command_finds_nothing_that_the_server_has_not_found(world: World) -> None:
    before = len(world.session.scalars(select(EventRow.id)).all())
    done = world.airflow.command("sematic", "lineage", "reconcile", "--since", "1d")
    assert "the end of 0 runs taken" in done.stdout, done.stdout
    world.session.rollback()
    assert len(world.session.scalars(select(EventRow.id)).all()) == before


def test_the_graph_of_the_run_shows_them_all(world: World) -> None:
    graph = world.airflow.get(f"/sematic/api/v1/dags/rich/runs/{world.run_id}/graph?limit=500")
    shown = {
        node["task_id"]: node["state"] for node in graph["nodes"] if node["kind"] == "run" and node["dag_id"] == "rich"
    }
    assert {
        "killed": "failed",
        "not_chosen": "skipped",
        "after_killed": "upstream_failed",
        "empty": "success",
    }.items() <= shown.items()
