"""Events of one run, folded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.events import MAX_DEPTH, json_of_text, parse_event, parse_time
from sematic_airflow_provider.lineage.fold import fold
from tests.events import dataset, ref, task_event

RAW, TABLE = ref("flow.raw.return_value"), ref("flow.join.return_value")
EVENTS = [
    task_event("START", "join", second=0),
    task_event("RUNNING", "join", second=1, reads={"raw": RAW}, facets={"sematic_metrics": {"metrics": {"rows": 1}}}),
    task_event("COMPLETE", "join", second=2, reads={"raw": RAW}, writes={"return_value": TABLE}),
    task_event("OTHER", "join", second=3, facets={"sematic_metrics": {"metrics": {"rows": 2}}}),
]


def _without(event: dict[str, Any], *path: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(event))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return copy


@given(st.lists(st.sampled_from(EVENTS), min_size=0, max_size=6), st.randoms())
def test_any_order_and_any_duplicates_give_the_same_record(extra: list[dict[str, Any]], random: Any) -> None:
    shuffled = [*EVENTS, *extra]
    random.shuffle(shuffled)
    assert fold(map(parse_event, shuffled)) == fold(map(parse_event, EVENTS))


def test_a_run_knows_its_task_its_state_and_its_times() -> None:
    record = fold(map(parse_event, EVENTS))
    assert (record.dag_id, record.dag_run_id, record.task_id, record.map_index, record.try_number) == (
        "flow",
        "run1",
        "join",
        -1,
        1,
    )
    assert record.state == "success"
    assert record.started_at is not None
    assert record.ended_at is not None
    assert (record.ended_at - record.started_at).total_seconds() == 2
    assert record.event_count == 4


def test_reads_and_writes_are_named_by_argument_and_output() -> None:
    found = {(d.direction, d.label, d.ref.digest if d.ref else None) for d in fold(map(parse_event, EVENTS)).data}
    assert found == {("read", "raw", RAW.digest), ("write", "return_value", TABLE.digest)}


def test_a_late_event_without_datasets_erases_none() -> None:
    late = task_event("OTHER", "join", second=9)
    assert len(fold(map(parse_event, [*EVENTS, late])).data) == 2


def test_an_end_is_final_even_when_a_start_comes_later() -> None:
    late = task_event("START", "join", second=100)
    assert fold(map(parse_event, [*EVENTS, late])).state == "success"


def test_the_later_facet_replaces_the_earlier_one() -> None:
    assert fold(map(parse_event, EVENTS)).facets["sematic_metrics"]["metrics"] == {"rows": 2}


@pytest.mark.parametrize(
    ("facet", "expected"),
    [
        ({"status": "hit"}, "hit"),
        ({"status": "refreshed"}, "refreshed"),
        ({"status": "<b>"}, None),
        ("hit", None),
        ({}, None),
    ],
)
def test_a_run_knows_what_the_cache_had_for_it(facet: Any, expected: str | None) -> None:
    events = [*EVENTS, task_event("COMPLETE", "join", second=4, facets={"sematic_cache": facet})]
    assert fold(map(parse_event, events)).cache == expected


def test_a_run_that_only_started_is_running() -> None:
    assert fold([parse_event(EVENTS[0])]).state == "running"


def test_one_artifact_under_two_arguments_is_read_twice() -> None:
    event = task_event("COMPLETE", "join", reads={"left": RAW, "right": RAW})
    assert sorted(d.label for d in fold([parse_event(event)]).data) == ["left", "right"]


def test_a_dataset_that_got_its_version_later_is_one() -> None:
    bare = dataset(RAW)
    bare["facets"] = {}
    first = {**task_event("START", "join"), "inputs": [bare]}
    data = fold(map(parse_event, [first, EVENTS[1]])).data
    assert [d.ref.digest for d in data if d.ref] == [RAW.digest]
    assert len(data) == 1


def test_a_dataset_of_another_producer_is_known_by_its_name() -> None:
    event = {**task_event("COMPLETE", "join"), "inputs": [{"namespace": "postgres://db:5432", "name": "raw.flights"}]}
    (data,) = fold([parse_event(event)]).data
    assert data.ref is None
    assert data.node_id.startswith("dataset:")


def test_a_redacted_artifact_facet_does_no_harm() -> None:
    event = task_event("COMPLETE", "join", reads={"raw": RAW})
    event["inputs"][0]["facets"]["sematic_artifact"] = {"digest": "***"}
    assert fold([parse_event(event)]).data[0].ref is None


def test_a_dag_run_is_a_run_without_a_task() -> None:
    event = _without(EVENTS[2], "run", "facets", "airflow", "task")
    assert fold([parse_event(event)]).task_id is None


def test_events_of_several_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="exactly one run"):
        fold(map(parse_event, [EVENTS[0], task_event("START", "other")]))


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (5, "event"),
        ([], "event"),
        ({}, "eventTime"),
        (_without(EVENTS[0], "eventTime"), "eventTime"),
        (EVENTS[0] | {"eventTime": "yesterday"}, "eventTime"),
        (_without(EVENTS[0], "job"), "job"),
        (_without(EVENTS[0], "job", "name"), "job.name"),
        (_without(EVENTS[0], "run", "runId"), "run.runId"),
        (EVENTS[0] | {"run": {"runId": "not-a-uuid"}}, "run.runId"),
        (EVENTS[0] | {"run": 5}, "run"),
        (EVENTS[0] | {"eventType": "DONE"}, "eventType"),
        (EVENTS[0] | {"inputs": {}}, "inputs"),
        (EVENTS[0] | {"outputs": [5]}, "outputs[0]"),
        (EVENTS[0] | {"outputs": [{"namespace": "x"}]}, "outputs[0].name"),
        (EVENTS[0] | {"outputs": [{"namespace": "x", "name": "y" * 3000}]}, "outputs[0].name"),
        (EVENTS[0] | {"x": float("nan")}, "event"),
    ],
)
def test_a_bad_event_is_refused_by_field(event: Any, field: str) -> None:
    with pytest.raises(EventRejectedError) as caught:
        parse_event(event)
    assert caught.value.field == field
    assert caught.value.reason


def test_deep_nesting_is_refused_before_it_can_hurt() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH * 100):
        deep = [deep]
    with pytest.raises(EventRejectedError, match="nested deeper"):
        parse_event(EVENTS[0] | {"x": deep})


@pytest.mark.parametrize(
    "change",
    [{"producer": None}, {"schemaURL": None}, {"eventType": None}, {"inputs": None}, {"unknown": {"facet": 1}}],
)
def test_what_producers_in_the_field_leave_out_is_accepted(change: dict[str, Any]) -> None:
    assert parse_event(EVENTS[0] | change).run_id


def test_job_and_dataset_events_are_told_apart() -> None:
    job = _without(EVENTS[0], "run")
    assert parse_event(job).kind == "job"
    assert parse_event({"eventTime": job["eventTime"], "dataset": {"namespace": "n", "name": "d"}}).kind == "dataset"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T01:00:00.000000000+01:00",
        "2026-01-01T00:00:00.0Z",
        "2025-12-31T20:00:00-0400",
    ],
)
def test_times_in_all_their_forms_are_utc(text: str) -> None:
    assert parse_time(text, "t").isoformat() == "2026-01-01T00:00:00+00:00"


_ENTRIES = st.fixed_dictionaries(
    {"namespace": st.just("n"), "name": st.sampled_from(["flow.raw.return_value", "table"])},
    optional={
        "facets": st.sampled_from(
            [
                None,
                {"version": {"datasetVersion": "v1"}},
                {"version": {"datasetVersion": "v2"}, "schema": {"fields": []}},
                {"version": {"datasetVersion": "***"}, "sematic_artifact": {"digest": "***"}},
                {**dataset(RAW)["facets"]},
                {"sematic_artifact": dataset(RAW)["facets"]["sematic_artifact"], "schema": None},
            ]
        )
    },
)
_ANY_EVENT = st.builds(
    lambda kind, second, inputs, outputs, facet: (
        task_event(kind, "join", second=second, facets={"sematic_metrics": facet})
        | {"inputs": inputs, "outputs": outputs}
    ),
    st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"]),
    st.integers(0, 2),  # few moments, so that many are equal
    st.lists(_ENTRIES, max_size=3),
    st.lists(_ENTRIES, max_size=3),
    st.sampled_from([None, {}, {"metrics": {"a": 1}}, {"metrics": {"b": 2}}]),
)


@given(st.lists(_ANY_EVENT, min_size=1, max_size=6), st.randoms())
def test_any_events_at_all_fold_the_same_in_any_order(events: list[dict[str, Any]], random: Any) -> None:
    shuffled = [*events, *random.choices(events, k=3)]
    random.shuffle(shuffled)
    assert fold(map(parse_event, shuffled)) == fold(map(parse_event, events))


def test_an_artifact_that_another_event_names_without_its_facet_is_one() -> None:
    plain = {"namespace": "default", "name": RAW.name, "facets": {"version": {"datasetVersion": RAW.digest}}}
    bare = {"namespace": "default", "name": RAW.name}
    events = [EVENTS[2], *(EVENTS[0] | {"inputs": [entry]} for entry in (plain, bare))]
    reads = [data for data in fold(map(parse_event, events)).data if data.direction == "read"]
    assert [(data.ref.digest if data.ref else None, data.label) for data in reads] == [(RAW.digest, "raw")]
    assert reads[0].seen_at == parse_event(EVENTS[0]).time


def test_a_dataset_is_known_by_its_version_where_it_has_one() -> None:
    entries = [{"namespace": "n", "name": "t", "facets": {"version": {"datasetVersion": v}}} for v in ("1", "2")]
    data = fold([parse_event(EVENTS[0] | {"inputs": entries})]).data
    assert ({d.version for d in data}, len({d.node_id for d in data})) == ({"1", "2"}, 2)


def test_equal_values_of_two_tasks_are_read_by_their_own_arguments() -> None:
    left, right = ref("flow.a.return_value", "same"), ref("flow.b.return_value", "same")
    record = fold([parse_event(task_event("COMPLETE", "join", reads={"left": left, "right": right}))])
    assert {(data.name, data.label) for data in record.data} == {(left.name, "left"), (right.name, "right")}


def test_a_task_that_was_ended_from_outside_is_known_by_its_jobs() -> None:
    """The scheduler or a person ended it before it started: the event has no ``airflow`` facet."""
    event = task_event("FAIL", "group.join")
    facets = {
        "parent": {"job": {"name": "flow"}, "run": {"runId": "no-uuid"}},
        "processing_engine": {"name": "Airflow"},
    }
    event["run"]["facets"] = facets
    record = fold([parse_event(event)])
    assert (record.dag_id, record.task_id, record.parent_run_id, record.state) == ("flow", "group.join", None, "failed")
    event["run"]["facets"] = {"parent": facets["parent"], "processing_engine": {"name": "spark"}}
    assert fold([parse_event(event)]).dag_id is None


@pytest.mark.parametrize(
    "change", [{"size": 2**63}, {"size": -1}, {"codec": "x\0"}, {"digest": "0"}, {"type": 5}, {"size": True}]
)
def test_an_artifact_that_cannot_be_is_a_data_set(change: dict[str, Any]) -> None:
    event = task_event("COMPLETE", "join", reads={"raw": RAW})
    event["inputs"][0]["facets"]["sematic_artifact"].update(change)
    assert fold([parse_event(event)]).data[0].ref is None


@pytest.mark.parametrize("text", ["1" * 5000, "{", "", "[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(EventRejectedError, match="no JSON"):
        json_of_text(text)


def test_a_nul_character_in_a_name_is_refused_and_elsewhere_kept() -> None:
    event = task_event("START", "join", facets={"errorMessage": {"message": "\0"}})
    assert "\\u0000" in parse_event(event).text
    event["job"]["name"] = "flow.\0"
    with pytest.raises(EventRejectedError, match="NUL"):
        parse_event(event)
