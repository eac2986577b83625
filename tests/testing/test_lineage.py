"""The lineage of a test run: from the very events that its steps would send."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from airflow.sdk import DAG, task

from sematic_airflow_provider import log_metric, sematic_task
from sematic_airflow_provider.lineage.graph import ArtifactNode, RunNode
from sematic_airflow_provider.testing import DagResult, run_dag


@sematic_task
def numbers(n: int) -> list[int]:
    return list(range(n))


@sematic_task
def double(x: int) -> int:
    log_metric("x", x)
    return 2 * x


@task
def plain(xs: list[int]) -> int:
    return sum(xs)


@sematic_task
def last(a: int, b: list[int]) -> int:
    return a + len(b)


@sematic_task(retries=1)
def broken(x: int) -> int:
    raise ValueError(f"cannot do {x}")


@pytest.fixture(scope="module")
def result() -> DagResult:
    with DAG("told") as dag:
        some = numbers(2)
        doubled = double.expand(x=some)
        last(plain(doubled), numbers.override(task_id="others")(5))
        broken(1)
    return run_dag(dag, raise_on_failure=False)


def test_runs_and_artifacts_are_joined_by_reads_and_writes(result: DagResult) -> None:
    edges = {
        (name, data.direction, data.label, data.name.partition(".")[2])
        for name, record in result.records.items()
        for data in record.data
    }
    assert ("double[1]", "write", "return_value", "double.return_value") in edges
    assert ("plain", "read", "", "double.return_value") in edges, "plain tasks stand in it too"
    assert ("last", "read", "a", "plain.return_value") in edges
    assert ("last", "read", "b", "others.return_value") in edges
    runs = [node for node in result.lineage.nodes if isinstance(node, RunNode)]
    assert {node.label for node in runs} == {"numbers", "double [0]", "double [1]", "plain", "last", "others", "broken"}
    assert {node.state for node in runs if node.label == "broken"} == {"failed"}
    artifacts = [node for node in result.lineage.nodes if isinstance(node, ArtifactNode)]
    assert result["last"].ref.digest in {node.digest for node in artifacts}
    ids = {node.id for node in result.lineage.nodes}
    assert all(edge.source in ids and edge.target in ids for edge in result.lineage.edges)


def test_ancestors_are_told_by_data_and_not_by_arrows(result: DagResult) -> None:
    assert result.ancestors("last") == {"plain", "others", "double[0]", "double[1]", "numbers"}
    assert result.ancestors("others") == set()


def test_each_try_is_a_run_and_the_last_one_is_told_of(result: DagResult) -> None:
    ends = [event["eventType"] for event in result.events if event["job"]["name"] == "told.broken"]
    assert ends == ["START", "FAIL", "START", "FAIL"]
    assert result.records["broken"].try_number == 2
    assert "cannot do 1" in json.dumps(result.records["broken"].facets["errorMessage"])


def test_events_are_those_of_airflows_provider_with_our_facets(result: DagResult) -> None:
    folder = files("sematic_airflow_provider.lineage").joinpath("schemas")
    checked = set()
    for event in result.events:
        groups = [event["run"]["facets"]]
        groups += [dataset.get("facets", {}) for side in ("inputs", "outputs") for dataset in event.get(side) or ()]
        for name, facet in ((n, f) for group in groups for n, f in group.items() if n.startswith("sematic_")):
            jsonschema.validate(facet, json.loads(folder.joinpath(f"{name}.json").read_text()))
            checked.add(name)
    assert {"sematic_step", "sematic_artifact", "sematic_provenance", "sematic_metrics"} <= checked
    assert result["double"][1].facets["sematic_metrics"] == {"metrics": {"x": 1}}
    first = result.events[0]
    assert first["run"]["facets"]["parent"]["job"]["name"] == "told"
    assert first["run"]["facets"]["airflow"]["dagRun"]["run_id"] == result.run_id


def test_a_hit_of_the_cache_stands_in_the_lineage_like_the_execution() -> None:
    @sematic_task(cache=True)
    def slow(x: int) -> int:
        return x * 10

    with DAG("told") as dag:
        double(slow(2))
    first = run_dag(dag)
    second = run_dag(dag, store=first.store, run_id="second")
    assert (first["slow"].cache, second["slow"].cache, second["double"].cache) == ("miss", "hit", "off")
    assert second["slow"].ref == first["slow"].ref
    assert second.ancestors("double") == {"slow"}
    assert second["slow"].facets["sematic_cache"]["computedBy"]["runId"] == first.run_id
    third = run_dag(dag, store=first.store, cache=False)
    assert third["slow"].cache == "off"
    assert "switched off" in third["slow"].cache_reason
