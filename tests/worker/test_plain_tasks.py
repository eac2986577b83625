"""What lineage is told of tasks that are no steps, and of assets: in a run of a real Dag."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, ObjectStoragePath, Param, task
from airflow.sdk.definitions.asset import Model
from airflow.sdk.exceptions import AirflowSkipException

from sematic_airflow_provider import sematic_task
from tests.worker.dag_runs import Ran, run

pytestmark = pytest.mark.thorough

PASSWORD = "hunter2-of-the-warehouse"


@task
def numbers() -> list[int]:
    return list(range(2000))


@task
def total(values: list[int], factor: int, label: str, options: dict[str, Any], password: str, ti: Any = None) -> int:
    secret_key = "very-secret-key"
    return sum(values) * factor + len(options) + len(secret_key) + len(label) + len(password)


@task
def peeks(ti: Any = None) -> None:
    ti.xcom_pull(task_ids="total")


@task(inlets=[Asset("orders"), Asset(uri="mlmodel://registry/churn/1")], outlets=[Model("churn"), Asset("bare")])
def touches(path: str) -> None:
    with (ObjectStoragePath(f"file://{path}") / "in.txt").open("w") as file:
        file.write("x")


@task(outlets=[Asset(uri="sematic://models/churn@production")])
def promotes() -> None:
    return None


@task
def skips() -> None:
    raise AirflowSkipException("nothing to do")


@sematic_task
def step_skips() -> int:
    raise AirflowSkipException("nothing to do")


@sematic_task(outlets=[Asset("scores")])
def scored(total: int) -> int:
    return total + 1


@sematic_task
def measures(path: str) -> int:
    return len((ObjectStoragePath(f"file://{path}") / "in.txt").open().read())


@task
def doubled(x: int) -> int:
    return 2 * x


@pytest.fixture(scope="module")
def ran(migrated_home: str, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("data")
    with DAG("plain_tasks", params={"month": Param("2026-01"), "api_key": "k-123456"}) as flow:
        sum_of = total(numbers(), 3, label="postgres://joe:pw@host/db", options={"a": [1, 2]}, password=PASSWORD)
        sum_of >> peeks()
        scored(sum_of)
        touches(str(folder)) >> BashOperator(task_id="bash", bash_command="true", cwd="/tmp") >> promotes()
        measured = measures(str(folder))
        touches.override(task_id="before")(str(folder)) >> measured
        skips()
        step_skips()
        doubled.expand(x=[1, 2])
    return run(flow, conf={"limit": 7})


def _job(ran: Ran, instance: str, facet: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = ran.records[instance].facets["job"][facet]
    return found


def _data(ran: Ran, instance: str, direction: str) -> set[tuple[str, str]]:
    return {
        (data.namespace, data.name)
        for data in ran.records[instance].data
        if data.direction == direction and data.ref is None
    }


def test_a_plain_task_tells_its_source_without_the_secrets_in_it(ran: Ran) -> None:
    source = _job(ran, "total", "sourceCode")["sourceCode"]
    assert "def total(values" in source
    assert "very-secret-key" not in source


def test_a_plain_task_tells_what_it_was_given(ran: Ran) -> None:
    facet = ran.records["total"].facets["sematic_task"]
    arguments = facet["arguments"]
    assert arguments["values"]["digest"] == ran.rows["numbers", "return_value"]["digest"]
    assert arguments["factor"] == {"value": 3}
    assert arguments["label"] == {"value": "postgres://host/db"}
    assert arguments["options"] == {"value": {"a": [1, 2]}}
    assert "ti" not in arguments
    schema = files("sematic_airflow_provider.lineage").joinpath("schemas/sematic_task.json").read_text()
    jsonschema.validate(facet, json.loads(schema))


def test_a_secret_argument_is_told_nowhere(ran: Ran) -> None:
    assert PASSWORD not in json.dumps([dict(record.facets) for record in ran.records.values()], default=str)
    assert ran.records["total"].facets["sematic_task"]["arguments"]["password"] == {"value": "***"}


def test_parameters_and_what_the_run_was_triggered_with_are_told_of_tasks_and_of_steps(ran: Ran) -> None:
    for instance in ("total", "scored", "bash"):
        told = ran.records[instance].facets["executionParameters"]["parameters"]
        assert {one["key"]: one["value"] for one in told} == {"month": "2026-01", "api_key": "***", "limit": "7"}


def test_data_that_flow_through_xcom_are_told_as_lineage_of_jobs(ran: Ran) -> None:
    def sources(instance: str) -> list[str]:
        own = next(entry for entry in _job(ran, instance, "lineage")["entries"] if entry["type"] == "JOB")
        return [one["name"] for one in own["inputs"] if one["type"] == "JOB"]

    assert sources("total") == ["plain_tasks.numbers"]
    assert sources("peeks") == ["plain_tasks.total"]  # fetched by its own code, which the Dag file does not show
    assert sources("scored") == ["plain_tasks.total"]
    assert "lineage" not in ran.records["numbers"].facets["job"]


def test_what_was_written_flows_through_the_job_from_what_was_read(ran: Ran) -> None:
    entries = _job(ran, "total", "lineage")["entries"]
    written = next(entry for entry in entries if entry["type"] == "DATASET")
    assert written["name"] == "plain_tasks.total.return_value"
    assert [one["type"] for one in written["inputs"]] == ["JOB"]
    own = next(entry for entry in entries if entry["type"] == "JOB")
    assert "plain_tasks.numbers.return_value" in [one["name"] for one in own["inputs"]]


def test_declared_assets_are_told_although_a_hook_told_of_a_file(ran: Ran) -> None:
    assert _data(ran, "touches", "read") == {("default", "orders"), ("mlmodel://registry", "churn/1")}
    written = _data(ran, "touches", "write")
    assert {("default", "churn"), ("default", "bare")} < written
    assert any(namespace == "file" and name.endswith("/in.txt") for namespace, name in written)
    model = next(data for data in ran.records["touches"].data if data.name == "churn")
    assert model.dataset_type == "MODEL"


def test_an_asset_of_our_scheme_is_what_its_pointer_is_called(ran: Ran) -> None:
    assert _data(ran, "promotes", "write") == {("default", "models/churn@production")}


def test_a_step_tells_its_outlet_as_the_version_that_its_output_is(ran: Ran) -> None:
    outlet = next(data for data in ran.records["scored"].data if data.name == "scores")
    assert (outlet.direction, outlet.version) == ("write", ran.rows["scored", "return_value"]["digest"])


def test_what_hooks_told_of_one_task_is_not_told_of_the_next_in_the_same_process(ran: Ran) -> None:
    assert not any(
        namespace == "file" for namespace, _ in _data(ran, "bash", "write") | _data(ran, "promotes", "write")
    )


def test_a_step_tells_of_the_files_that_hooks_told_of_beside_its_artifacts(ran: Ran) -> None:
    ((namespace, name),) = _data(ran, "measures", "read")
    assert (namespace, name.endswith("/in.txt")) == ("file", True)
    assert {data.name for data in ran.records["measures"].data if data.ref is not None} == {
        "plain_tasks.measures.return_value"
    }


def test_a_task_and_a_step_that_were_skipped_are_told_so(ran: Ran) -> None:
    assert (ran.records["skips"].state, ran.records["step_skips"].state) == ("skipped", "skipped")


def test_mapped_instances_tell_their_own_arguments(ran: Ran) -> None:
    given = [ran.records[f"doubled[{index}]"].facets["sematic_task"]["arguments"]["x"] for index in (0, 1)]
    assert given == [{"value": 1}, {"value": 2}]


def test_a_classic_operator_tells_its_short_fields_and_no_code(ran: Ran) -> None:
    assert ran.records["bash"].facets["sematic_task"]["arguments"] == {"cwd": {"value": "/tmp"}}


def test_source_is_not_told_where_it_is_switched_off(migrated_home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLE_SOURCE_CODE", "True")
    with DAG("without_source") as flow:
        numbers()
    of_numbers = run(flow).records["numbers"]
    assert "sourceCode" not in of_numbers.facets["job"]
    assert of_numbers.facets["sematic_task"]["function"].endswith(".numbers")


class _Hook:
    """Of a database that nobody knows."""


@sematic_task
def queries(fails: bool) -> None:
    from airflow.providers.common.sql.hooks.lineage import send_sql_hook_lineage

    send_sql_hook_lineage(context=_Hook(), sql="INSERT INTO copies SELECT day FROM flights")
    if fails:
        raise RuntimeError("after the query")


def test_queries_of_a_step_that_returns_nothing_are_told_once_and_ended_as_it_has(migrated_home: str) -> None:
    from sematic_airflow_provider.worker.stores import repository

    with DAG("querying") as flow:
        queries.override(task_id="succeeds")(False)
        queries.override(task_id="breaks")(True)
    run(flow)
    store = repository().store
    events = [json.loads(store.read_document(path) or b"") for path in store.list_documents("spool")]
    ends = [
        (event["job"]["name"], event["eventType"]) for event in events if event["eventType"] in ("COMPLETE", "FAIL")
    ]
    assert sorted(end for end in ends if end[0].startswith("querying.") and "query.1" in end[0]) == [
        ("querying.breaks.query.1", "FAIL"),
        ("querying.succeeds.query.1", "COMPLETE"),
    ]


def test_a_path_of_the_test_is_a_file(tmp_path: Path) -> None:
    from airflow.providers.common.compat.lineage.entities import File

    from sematic_airflow_provider.worker.asset_uris import dataset_of

    found = dataset_of(File(url=f"file://{tmp_path}/x.csv"))
    assert found is not None
    assert (found.namespace, found.name) == ("file", f"{tmp_path}/x.csv")
