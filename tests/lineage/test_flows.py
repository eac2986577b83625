"""What flows into what, by the facets of events."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings

from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.flows import MOST, Flow, flow_key, flows_of, tells_flows
from tests.events import task_event
from tests.lineage.hostile import EVENTS
from tests.producers import dataset_event, job_event, spark_event

OUT, IN = ("n", "out"), ("n", "in")


def _flows(event: dict[str, Any]) -> list[Flow]:
    return flows_of(parse_event(event))


def _source(field: str | None = None, name: str = "in", **more: Any) -> dict[str, Any]:
    return {"namespace": "n", "name": name, "type": "DATASET", **({"field": field} if field else {}), **more}


def _writes(facets: dict[str, Any], **job_facets: Any) -> dict[str, Any]:
    event = task_event("COMPLETE", "join") | {"outputs": [{"namespace": "n", "name": "out", "facets": facets}]}
    event["job"]["facets"] = job_facets
    return event


def test_columns_flow_as_the_column_lineage_of_outputs_tells() -> None:
    table = ("postgres://warehouse:5432", "raw.orders")
    target = ("s3://lake", "silver/orders")  # told as s3a
    assert Flow(target, "id", table, "id", "DIRECT/IDENTITY") in _flows(spark_event())
    assert len(_flows(spark_event())) == 3


def test_data_sets_and_older_forms_of_column_lineage_flow_too() -> None:
    facet = {
        "fields": {
            "b": {"inputFields": [_source("a")], "transformationType": "MASKED", "transformationDescription": "x"}
        },
        "dataset": [_source("key", transformations=[{"type": "INDIRECT", "subtype": "JOIN"}])],
    }
    assert _flows(_writes({"columnLineage": facet})) == [
        Flow(OUT, "", IN, "key", "INDIRECT/JOIN"),
        Flow(OUT, "b", IN, "a", "MASKED"),
    ]


def test_the_lineage_facet_of_the_job_comes_before_column_lineage() -> None:
    columns = {"fields": {"b": {"inputFields": [_source("wrong")]}}}
    entry = {
        "type": "DATASET",
        "namespace": "n",
        "name": "out",
        "inputs": [_source()],
        "fields": {"b": {"inputs": [_source("a")]}},
    }
    assert _flows(_writes({"columnLineage": columns}, lineage={"entries": [entry]})) == [
        Flow(OUT, "", IN, "", ""),
        Flow(OUT, "b", IN, "a", ""),
    ]


def test_an_output_that_is_told_to_have_no_source_has_none() -> None:
    columns = {"fields": {"b": {"inputFields": [_source("wrong")]}}}
    entry = {"type": "DATASET", "namespace": "n", "name": "out", "inputs": []}
    assert _flows(_writes({"columnLineage": columns}, lineage={"entries": [entry]})) == []


def test_an_output_that_flows_from_a_job_keeps_its_columns() -> None:
    columns = {"fields": {"b": {"inputFields": [_source("a")]}}}
    entry = {"type": "DATASET", "namespace": "n", "name": "out", "inputs": [{"type": "JOB"}]}
    assert _flows(_writes({"columnLineage": columns}, lineage={"entries": [entry, {"type": "JOB"}]})) == [
        Flow(OUT, "b", IN, "a", "")
    ]


def test_a_data_set_event_tells_of_itself() -> None:
    facet = {"inputs": [_source()], "fields": {"b": {"inputs": [_source("a")]}}}
    told = {Flow(("catalogue", "joined"), "", IN, "", ""), Flow(("catalogue", "joined"), "b", IN, "a", "")}
    assert set(_flows(dataset_event(facets={"lineage": facet}))) == told


def test_what_a_job_event_reads_flows_into_what_it_writes_where_nothing_more_exact_is_told() -> None:
    joined = ("catalogue", "joined")
    sides = [Flow(joined, "", ("catalogue", side), "", "") for side in ("left", "right")]
    assert _flows(job_event()) == sides
    assert _flows(job_event(facets={"lineage": {"entries": []}})) == []
    assert not tells_flows(parse_event(task_event("START", "join")))


def test_names_are_those_that_the_graph_has() -> None:
    links = {"identifiers": [{"namespace": "s3a://lake", "name": "/tables/out/", "type": "TABLE"}]}
    columns = {"fields": {"b": {"inputFields": [_source("a")]}}}
    (flow,) = _flows(_writes({"columnLineage": columns, "symlinks": links}))
    assert flow.target == ("s3://lake", "tables/out")


def test_keys_differ_by_each_part_of_a_flow() -> None:
    flow = Flow(OUT, "b", IN, "a", "DIRECT")
    others = [
        flow._replace(**change)
        for change in ({"target": IN}, {"target_field": "c"}, {"source": OUT}, {"source_field": ""}, {"kind": ""})
    ]
    assert len({flow_key(one) for one in [flow, *others]}) == 6


def test_a_facet_of_more_columns_than_any_table_has_costs_little() -> None:
    columns = {f"c{n}": {"inputFields": [_source(f"f{k}") for k in range(200)]} for n in range(300)}
    event = parse_event(_writes({"columnLineage": {"fields": columns}}))
    started = time.process_time()
    assert len(flows_of(event)) == MOST
    assert time.process_time() - started < 2
    assert flows_of(event) == flows_of(parse_event(dict(reversed(event.payload.items()))))


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_no_event_has_flows_that_cannot_be_stored(record: dict[str, Any]) -> None:
    try:
        event = parse_event(record)
    except EventRejectedError:
        return
    flows = flows_of(event)
    assert not flows or tells_flows(event)
    assert flows == sorted(set(flows))
    for flow in flows:
        assert len(flow.kind) <= 100
        assert "\0" not in "".join((*flow.target, flow.target_field, *flow.source, flow.source_field, flow.kind))


@pytest.mark.parametrize(
    "facet", [5, [], "x", {"fields": 5}, {"fields": {"a": []}}, {"fields": {"a": {"inputFields": 5}}}, {"dataset": {}}]
)
def test_a_facet_of_another_shape_tells_nothing(facet: Any) -> None:
    assert _flows(_writes({"columnLineage": facet}, lineage=facet)) == []
