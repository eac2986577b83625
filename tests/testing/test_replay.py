"""``replay``: a step of a past run with the inputs of then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from sematic_airflow_provider import sematic_task
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.errors import NodeNotFoundError, StepError
from sematic_airflow_provider.testing import DagResult, replay, run_dag

FACTOR = 3


def _scaled(x: int) -> int:
    return FACTOR * x


@sematic_task
def numbers(n: int) -> list[int]:
    return list(range(n))


@sematic_task
def scale(xs: list[int], plus: int = 1) -> list[int]:
    return [_scaled(x) + plus for x in xs]


@sematic_task
def each(x: int, *more: int) -> int:
    return x + sum(more)


@sematic_task(multiple_outputs=True)
def ends(xs: list[int]) -> dict[str, int]:
    return {"first": xs[0], "last": xs[-1]}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> DagResult:
    with DAG("past") as dag:
        scaled = scale(numbers(4), plus=10)
        each.expand(x=scaled)
        ends(scaled)
    return run_dag(dag, store=str(tmp_path_factory.mktemp("past")), run_id="run-1")


@pytest.fixture(scope="module")
def events(past: DagResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the file transport of OpenLineage writes them."""
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_text("\n".join(json.dumps(event) for event in past.events))
    return path


def test_the_recorded_code_and_inputs_give_the_recorded_output(past: DagResult) -> None:
    again = replay(past["scale"])
    assert again.value == past["scale"].value == [10, 13, 16, 19]
    assert again.reproduced
    assert again.recorded.keys() == {"return_value"}


def test_another_function_gets_the_recorded_inputs(past: DagResult) -> None:
    @sematic_task
    def other(xs: list[int], plus: int) -> int:
        return sum(xs) + plus

    again = replay(past["scale"], other)
    assert again.value == 0 + 1 + 2 + 3 + 10
    assert not again.reproduced
    assert replay(past["scale"], lambda xs, plus: [x * FACTOR + plus for x in xs]).reproduced


def test_some_inputs_may_be_others(past: DagResult) -> None:
    assert replay(past["scale"], inputs={"plus": 0}).value == [0, 3, 6, 9]
    with pytest.raises(StepError, match="scale has no argument minus; it has xs, plus"):
        replay(past["scale"], inputs={"minus": 0})
    with pytest.raises(StepError, match="argument plus should be int"):
        replay(past["scale"], inputs={"plus": "0"})


def test_nothing_is_written_where_the_past_lies(past: DagResult) -> None:
    assert isinstance(past.store, LocalStore)
    before = dict(past.store.blobs()), sorted(past.store.documents())
    replay(past["scale"], inputs={"plus": 123})
    assert (dict(past.store.blobs()), sorted(past.store.documents())) == before


def test_a_step_is_found_in_a_file_of_events(past: DagResult, events: Path) -> None:
    again = replay("past/run-1/scale", events=events, store=past.store)
    assert again.reproduced
    assert replay("past/run-1/each[2]", events=events, store=past.store).value == 16
    several = replay("past/run-1/ends", events=str(events), store=past.store.url)
    assert several.reproduced
    assert several.outputs.keys() == {"first", "last"}


def test_events_may_be_a_json_array_or_objects(past: DagResult, tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text(json.dumps(past.events, indent=1))
    assert replay("past/run-1/scale", events=path, store=past.store).reproduced
    run_id = past.records["scale"].run_id
    assert replay(run_id, events=past.events, store=past.store).reproduced


def test_a_step_that_is_not_recorded_is_told_what_is(past: DagResult, events: Path) -> None:
    with pytest.raises(NodeNotFoundError, match="no event is of past/run-1/scael; there are past/run-1/each"):
        replay("past/run-1/scael", events=events, store=past.store)
    with pytest.raises(StepError, match="DAG_ID/RUN_ID/TASK_ID"):
        replay("scale")


def test_any_number_of_arguments_are_given_again(past: DagResult) -> None:
    from sematic_airflow_provider.testing import run_step

    first = run_step(each, 1, 2, 3)
    assert replay(first, each).value == 6
    assert replay(first, inputs={"more": (10,)}).value == 11


def test_code_that_was_not_recorded_must_be_given() -> None:
    from sematic_airflow_provider.testing import run_step

    outer = 5

    @sematic_task
    def closing(x: int) -> int:
        return x + outer

    first = run_step(closing, 1)
    with pytest.raises(StepError, match=r"uses outer of the function around it.*Give the function"):
        replay(first)
    assert replay(first, closing).reproduced


def test_a_plain_task_cannot_be_replayed() -> None:
    from airflow.sdk import task

    @task
    def plain() -> int:
        return 1

    with DAG("plain") as dag:
        plain()
    with pytest.raises(StepError, match="plain is no sematic task"):
        replay(run_dag(dag)["plain"])


def test_a_step_is_found_in_airflows_database(past: DagResult, migrated_home: str) -> None:
    from airflow.utils.session import create_session

    from sematic_airflow_provider.db.event_store import ingest
    from sematic_airflow_provider.lineage.events import parse_event

    with create_session() as session:
        ingest(session, [parse_event(event) for event in past.events])
    again: Any = replay("past/run-1/scale", store=past.store)
    assert again.reproduced
    assert replay("past/run-1/each[1]", store=past.store).value == 13
    with pytest.raises(NodeNotFoundError, match="no recorded step nothing"):
        replay("past/run-1/nothing", store=past.store)
