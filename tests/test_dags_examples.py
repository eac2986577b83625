"""Some examples through ``airflow dags test`` on an empty AIRFLOW_HOME, and what is left behind. ``tests/testing/test_examples.py`` runs all in the kit."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import packed
from sematic_airflow_provider.db.models import EventRow, RunRow
from sematic_airflow_provider.worker.setup_checks import XCOM_BACKEND
from tests.airflow_home import ROOT, run_airflow

pytestmark = pytest.mark.thorough

EXAMPLES = ("mixed_with_plain_tasks", "many_at_once", "cached_steps")


class Home:
    """An AIRFLOW_HOME in which the examples have run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            "AIRFLOW_HOME": str(path),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags_examples"),
        }

    def run(self, *arguments: str, check: bool = True) -> str:
        done = run_airflow(*arguments, check=check, **self.environment)
        return done.stdout + done.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.path / "airflow.db") as connection:
            return connection.execute(query).fetchall()

    def events(self) -> list[dict[str, Any]]:
        """The log."""
        with self._lineage() as session:
            payloads = session.scalars(select(EventRow.payload).where(EventRow.payload.is_not(None)))
            return [json.loads(text) for text in packed.texts(session, [one for one in payloads if one])]

    def _lineage(self) -> Session:
        return Session(create_engine(f"sqlite:///{self.path}/airflow.db"))

    def blobs(self) -> dict[str, float]:
        return {blob.name: blob.stat().st_size for blob in (self.path / "sematic" / "blobs").glob("??/*")}

    def edges(self, dag_id: str) -> set[tuple[str, str, str, str]]:
        query = f"""select r.task_id, i.direction, i.label, i.name from sematic_io i join sematic_run r using (run_id)
                    where r.dag_id = '{dag_id}'"""
        return set(self.rows(query))

    def facets(self, dag_id: str, task_id: str) -> dict[str, Any]:
        with self._lineage() as session:
            query = select(RunRow.facets).where(RunRow.dag_id == dag_id, RunRow.task_id == task_id)
            (found,) = packed.facets(session, list(session.scalars(query.limit(1))))
        return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("examples"))
    made.run("db", "migrate")
    for example in EXAMPLES:
        made.run("dags", "test", example)
    assert "delivered" in made.run("sematic", "drain")
    return made


def test_all_examples_parse_without_errors(home: Home) -> None:
    home.run("dags", "reserialize")
    assert home.rows("select filename, stacktrace from import_error") == []
    found = {row[0] for row in home.rows("select dag_id from dag")}
    assert found >= {"flight_delays", "flight_delays_inference", *EXAMPLES}


def test_plain_tasks_and_sematic_tasks_stand_in_one_lineage(home: Home) -> None:
    dag = "mixed_with_plain_tasks"
    assert home.edges(dag) == {
        ("airports", "write", "return_value", f"{dag}.airports.return_value"),
        ("highest", "read", "table", f"{dag}.airports.return_value"),
        ("highest", "write", "latitude", f"{dag}.highest.latitude"),
        ("highest", "write", "longitude", f"{dag}.highest.longitude"),
        ("describe", "read", "", f"{dag}.highest.latitude"),
        ("describe", "read", "", f"{dag}.highest.longitude"),
        ("describe", "write", "return_value", f"{dag}.describe.return_value"),
    }


def test_mapped_tasks_and_their_reduction_stand_in_the_lineage(home: Home) -> None:
    dag = "many_at_once"
    edges = home.edges(dag)
    assert ("mean_delay", "write", "return_value", f"{dag}.mean_delay.return_value") in edges
    assert ("mean_delay", "read", "carrier", f"{dag}.carriers.return_value") in edges
    reads = home.rows(
        "select i.node_id from sematic_io i join sematic_run r using (run_id) where r.task_id = 'worst' and i.direction = 'read'"
    )
    assert len(set(reads)) == 3, "one artifact of each mapped instance"
    assert {row[0] for row in home.rows("select map_index from sematic_run where task_id = 'mean_delay'")} == {0, 1, 2}


def test_a_second_run_of_cached_steps_hits_everywhere_and_tells_the_same(home: Home) -> None:
    def told() -> dict[str, list[tuple[Any, ...]]]:
        query = "select task_id, cache from sematic_run where dag_id = 'cached_steps' and task_id is not null order by started_at"
        found: dict[str, list[tuple[Any, ...]]] = {}
        for task, status in home.rows(query):
            found.setdefault(task, []).append(status)
        return found

    tasks = ("flights", "by_carrier", "busiest")
    assert told() == {task: ["miss"] for task in tasks}
    artifacts = """select distinct r.task_id, i.direction, i.label, i.node_id from sematic_io i join sematic_run r using (run_id)
                   where r.dag_id = 'cached_steps' order by 1, 2, 3, 4"""
    before = home.rows(artifacts)
    assert len(before) == 5
    home.run("dags", "test", "cached_steps")
    home.run("sematic", "drain")
    assert told() == {task: ["miss", "hit"] for task in tasks}
    assert home.rows(artifacts) == before
    done = run_airflow("sematic", "cache", "explain", "cached_steps", "busiest", "-o", "json", **home.environment)
    assert json.loads(done.stdout)[0]["status"] == "hit"


def test_xcom_rows_are_readable_refs(home: Home) -> None:
    values = [
        json.loads(row[0])
        for row in home.rows("select value from xcom where task_id in ('airports', 'highest') and dag_id like 'mixed%'")
    ]
    values = [json.loads(value) if isinstance(value, str) else value for value in values]
    assert {value["codec"] for value in values} == {"parquet/1", "json/1", "tree/1"}
    assert any(isinstance(value.get("value"), float) for value in values)


def test_a_step_records_source_git_packages_parameters_host_and_resources(home: Home) -> None:
    facets = home.facets("mixed_with_plain_tasks", "highest")
    step, provenance = facets["sematic_step"], facets["sematic_provenance"]
    assert step["function"] == "mixed_with_plain_tasks.highest"
    assert set(step["arguments"]) == {"table"}
    assert "def highest" in facets["job"]["sourceCode"]["sourceCode"]
    assert len(provenance["git"]["commit"]) == 40
    assert provenance["host"]
    packages = home.path / "sematic" / "blobs" / provenance["packages"]["digest"][:2] / provenance["packages"]["digest"]
    assert json.loads(packages.read_text())["apache-airflow"].startswith("3.")
    assert facets["sematic_metrics"]["metrics"]["altitude_ft"] > 1000
    assert facets["sematic_resources"]["peakMemoryBytes"] > 1e6


def test_our_facets_follow_their_published_schemas(home: Home) -> None:
    import jsonschema

    folder = ROOT / "sematic_airflow_provider" / "lineage" / "schemas"
    checked = set()
    for event in home.events():
        groups = [event.get("run", {}).get("facets", {})]
        groups += [dataset.get("facets", {}) for side in ("inputs", "outputs") for dataset in event.get(side) or ()]
        for name, facet in ((n, f) for group in groups for n, f in group.items() if n.startswith("sematic_")):
            jsonschema.validate(facet, json.loads((folder / f"{name}.json").read_text()))
            checked.add(name)
    never_here = {"sematic_reconciled"}  # the API server makes it; tests/lineage/test_ends.py looks at it
    assert checked == {path.stem for path in folder.glob("*.json")} - never_here


def _rows(output: str) -> list[dict[str, str]]:
    """What a command printed as JSON, without the log lines of Airflow around it."""
    rows: list[dict[str, str]]
    rows, _ = json.JSONDecoder().raw_decode(output[output.index("[\n  {") :])
    return rows


def test_a_run_can_be_reproduced(home: Home) -> None:
    ((run,),) = home.rows("select run_id from dag_run where dag_id = 'many_at_once'")
    output = run_airflow("sematic", "reproduce", run, "-o", "json", **home.environment).stdout
    rows = _rows(output)
    assert {(row["step"], row["verdict"]) for row in rows} == {
        ("carriers", "identical"), ("mean_delay[0]", "identical"), ("mean_delay[1]", "identical"), ("mean_delay[2]", "identical"), ("worst", "identical"),
    }  # fmt: skip


def test_a_plain_task_is_not_reproducible_and_the_exit_status_says_so(home: Home) -> None:
    ((run,),) = home.rows("select run_id from dag_run where dag_id like 'mixed%' order by id limit 1")
    done = run_airflow("sematic", "reproduce", run, check=False, **home.environment)
    assert done.returncode == 1
    assert "not a sematic task" in done.stdout


def test_a_run_without_lineage_is_named(home: Home) -> None:
    done = run_airflow("sematic", "reproduce", "no-such-run", check=False, **home.environment)
    assert done.returncode != 0
    assert "no lineage of a run no-such-run" in done.stdout + done.stderr


def _doctor(home: Home, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = run_airflow("sematic", "doctor", "-o", "json", check=False, **home.environment, **environment)
    return done.returncode, {row["check"]: row for row in _rows(done.stdout)}


def test_the_doctor_finds_nothing_where_all_is_well(home: Home) -> None:
    _, rows = _doctor(home)
    assert {name for name, row in rows.items() if row["state"] == "error"} <= {"Lineage UI"}


@pytest.mark.parametrize(
    ("environment", "check", "fix"),
    [
        (
            {"AIRFLOW__CORE__XCOM_BACKEND": "airflow.sdk.execution_time.xcom.BaseXCom"},
            "XCom backend",
            "[core] xcom_backend",
        ),
        ({"AIRFLOW__CORE__XCOM_BACKEND": "no.such.Backend"}, "XCom backend", "[core] xcom_backend"),
        (
            {"AIRFLOW__OPENLINEAGE__TRANSPORT": '{"type": "console"}'},
            "OpenLineage transport",
            "[openlineage] transport",
        ),
        ({"AIRFLOW__OPENLINEAGE__DISABLED": "True"}, "OpenLineage transport", "[openlineage] transport"),
        ({"AIRFLOW__SEMATIC__STORE": "/no/such/folder"}, "store", "mkdir -p /no/such/folder"),
        ({"AIRFLOW__SEMATIC__COMPUTE": "cloud"}, "settings", "correct the option"),
        ({"AIRFLOW__SEMATIC__COMPUTE": "kubernetes"}, "pods", "pod_image"),
    ],
)
def test_the_doctor_names_the_fix(home: Home, environment: dict[str, str], check: str, fix: str) -> None:
    status, rows = _doctor(home, **environment)
    assert status == 1
    assert rows[check]["state"] == "error"
    assert fix in rows[check]["fix"]


def test_the_doctor_finds_missing_tables(tmp_path: Path) -> None:
    empty = Home(tmp_path)
    empty.run("db", "migrate")
    with sqlite3.connect(tmp_path / "airflow.db") as connection:
        connection.execute("drop table alembic_version_sematic")
    assert _doctor(empty)[1]["lineage tables"]["fix"] == "run: airflow db migrate"


def test_the_plugin_and_the_provider_are_known_to_airflow(home: Home) -> None:
    assert "sematic-airflow-provider" in home.run("providers", "list", "-o", "plain")
    assert "sematic" in home.run("plugins", "-o", "plain")
    options = home.run("config", "list", "--section", "sematic", "--include-descriptions")
    assert "lineage_api_key" in options
    assert "inline_limit" in options


def test_a_missing_xcom_backend_is_named_when_the_first_step_starts(home: Home) -> None:
    environment = {**home.environment, "AIRFLOW__CORE__XCOM_BACKEND": "airflow.sdk.execution_time.xcom.BaseXCom"}
    done = run_airflow("dags", "test", "many_at_once", check=False, **environment)
    assert f"set [core] xcom_backend = {XCOM_BACKEND}" in done.stdout + done.stderr
    assert "up_for_retry" not in done.stdout + done.stderr


def test_a_missing_transport_is_said_in_the_tasks_log_and_the_step_runs(home: Home) -> None:
    environment = {**home.environment, "AIRFLOW__OPENLINEAGE__TRANSPORT": '{"type": "console"}'}
    done = run_airflow("dags", "test", "many_at_once", **environment)
    assert "Lineage of this step is not recorded: set [openlineage] transport" in done.stdout + done.stderr
