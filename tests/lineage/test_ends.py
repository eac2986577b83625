"""How a run ended: what it told itself counts, then Airflow's record."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.fold import RunRecord, fold
from sematic_airflow_provider.lineage.recorded import Recorded, event_of
from tests.events import run_id, task_event

START = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


def recorded(state: str, second: float, task_id: str = "join", **more: Any) -> dict[str, Any]:
    """Airflow's record of the first try of a task, as an event."""
    return event_of(
        Recorded(
            run_id=run_id("flow", "run1", task_id, -1, 1),
            namespace="default",
            state=state,
            at=START + dt.timedelta(seconds=second),
            dag_id="flow",
            dag_run_id="run1",
            task_id=task_id,
            try_number=1,
            **more,
        )
    )


def ended(*events: dict[str, Any]) -> RunRecord:
    """The record, which every order of the events gives."""
    parsed = [parse_event(event) for event in events]
    found = [fold(order) for order in itertools.permutations(parsed)]
    assert all(one == found[0] for one in found)
    return found[0]


def test_a_killed_task_has_failed_when_airflow_says_so() -> None:
    record = ended(task_event("START", "join"), recorded("failed", 60, executed=True))
    assert (record.state, record.ended_at) == ("failed", START + dt.timedelta(seconds=60))
    assert record.started_at == START


def test_a_real_end_that_arrives_late_wins_over_airflows_record() -> None:
    told = task_event("COMPLETE", "join", second=5)
    record = ended(task_event("START", "join"), recorded("failed", 60, executed=True), told)
    assert (record.state, record.ended_at) == ("success", START + dt.timedelta(seconds=5))


@pytest.mark.parametrize("state", ["success", "skipped", "upstream_failed", "removed", "failed"])
def test_a_run_that_told_nothing_is_what_airflows_record_says(state: str) -> None:
    record = ended(recorded(state, 7, started_at=START, operator="EmptyOperator"))
    assert (record.state, record.dag_id, record.dag_run_id, record.task_id) == (state, "flow", "run1", "join")
    assert (record.started_at, record.first_at, record.try_number) == (START, START, 1)
    assert record.integration == "AIRFLOW"


def test_an_end_of_airflows_record_before_a_new_start_is_none() -> None:
    assert ended(recorded("upstream_failed", 5), task_event("START", "join", second=9)).state == "running"


def test_the_second_start_of_a_deferred_task_which_is_earlier_reopens_nothing() -> None:
    events = (task_event("START", "join", second=9), task_event("START", "join", second=1))
    record = ended(*events, recorded("failed", 60))
    assert (record.state, record.started_at) == ("failed", START + dt.timedelta(seconds=1))


def test_a_task_that_says_success_was_skipped_when_airflow_or_the_task_itself_says_so() -> None:
    told = task_event("COMPLETE", "join", second=5)
    skipping = task_event("RUNNING", "join", second=4, facets={"sematic_task": {"state": "skipped"}})
    assert ended(told, recorded("skipped", 6)).state == "skipped"
    assert ended(told, skipping).state == "skipped"
    assert ended(task_event("FAIL", "join", second=5), recorded("skipped", 6)).state == "failed"


def test_the_later_of_two_records_of_airflow_counts() -> None:
    assert ended(recorded("failed", 5), recorded("success", 9)).state == "success"


def test_facets_of_the_run_itself_count_more_than_those_of_airflows_record() -> None:
    said = task_event("START", "join", facets={"parent": {"run": {"runId": run_id("said")}}})
    record = ended(said, recorded("failed", 60, parent={"run": {"runId": run_id("record")}}))
    assert record.parent_run_id == run_id("said")
    assert ended(recorded("failed", 60, parent={"run": {"runId": run_id("record")}})).parent_run_id == run_id("record")


@pytest.mark.parametrize("facet", [{"state": "odd"}, {}, {"state": None}, {"state": ["failed"]}])
def test_a_record_without_a_known_state_ends_nothing(facet: dict[str, Any]) -> None:
    made = recorded("failed", 60)
    made["run"]["facets"]["sematic_reconciled"] = facet
    assert ended(task_event("START", "join"), made).state == "running"


def test_a_bad_start_of_a_record_is_no_start() -> None:
    made = recorded("failed", 60)
    made["run"]["facets"]["sematic_reconciled"]["startedAt"] = "yesterday"
    assert ended(made).started_at is None


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed", "removed"])
@pytest.mark.parametrize("executed", [True, False])
def test_the_events_facet_is_as_its_schema_says(state: str, executed: bool) -> None:
    made = recorded(state, 1, executed=executed)
    schema = files("sematic_airflow_provider.lineage").joinpath("schemas/sematic_reconciled.json").read_text()
    jsonschema.validate(made["run"]["facets"]["sematic_reconciled"], json.loads(schema))


def test_what_is_made_of_one_record_twice_is_one_event() -> None:
    zone = dt.timezone(dt.timedelta(hours=5))
    once = Recorded("00000000-0000-7000-8000-000000000001", "default", "failed", START, "flow", "run1", "join")
    again = Recorded(
        "00000000-0000-7000-8000-000000000001", "default", "failed", START.astimezone(zone), "flow", "run1", "join"
    )
    assert parse_event(event_of(once)).digest == parse_event(event_of(again)).digest


def test_a_dag_run_that_was_cleared_while_it_ran_is_told_as_such() -> None:
    made = event_of(Recorded(run_id("dag"), "default", "failed", START, "flow", "run1", superseded=True))
    assert (made["eventType"], made["job"]["name"]) == ("ABORT", "flow")
    assert "cleared" in made["run"]["facets"]["sematic_reconciled"]["reason"]
