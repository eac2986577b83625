"""The projection is that of one ordered pass, whatever comes: any events, in any order, any number of times, in any batches."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import event_store
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import FlowRow, IoRow, metadata
from sematic_airflow_provider.db.rebuilding import rebuild
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.essence import essence
from sematic_airflow_provider.lineage.events import Event, parse_event
from sematic_airflow_provider.lineage.fold import fold
from tests.db.tables import made, projection
from tests.events import task_event
from tests.lineage.hostile import EVENTS, RUN_EVENTS
from tests.producers import flink_event, spark_event

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def _parsed(records: list[Any]) -> list[Event]:
    events = []
    for record in records:
        try:
            events.append(parse_event(copy.deepcopy(record)))
        except EventRejectedError:  # with half of a character in it
            continue
    return events


def _projection_of(batches: list[list[Any]]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """As events come in, and as the log is replayed afterwards."""
    engine = made("sqlite://")
    with Session(engine) as session:
        for batch in batches:
            ingest(session, _parsed(batch))
        told = projection(session)
        rebuild(session, lambda progress: None)
        return told, projection(session)


def _check(events: list[Any], random: Any) -> None:
    ordered, replayed = _projection_of([[event] for event in events])
    assert replayed == ordered
    shuffled = [*events, *random.choices(events, k=3)]
    random.shuffle(shuffled)
    cut = random.randrange(len(shuffled) + 1)
    racing, replayed = _projection_of([shuffled[:cut], shuffled[cut:], shuffled[:2]])
    assert racing == ordered
    assert replayed == ordered


@settings(max_examples=12, deadline=None, suppress_health_check=_SLOW)
@given(st.lists(EVENTS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_disorder_duplicates_and_batches_change_no_table(events: list[Any], random: Any) -> None:
    _check(events, random)


@pytest.mark.thorough
@settings(max_examples=300, deadline=None, suppress_health_check=_SLOW)
@given(st.lists(EVENTS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_disorder_duplicates_and_batches_change_no_table_in_many_cases(events: list[Any], random: Any) -> None:
    _check(events, random)


@pytest.mark.thorough
@settings(max_examples=150, deadline=None, suppress_health_check=_SLOW)
@given(st.lists(EVENTS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_runs_that_are_remembered_are_the_same_as_those_that_are_read(events: list[Any], random: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_store, "LONG", 1)
        _check(events, random)


@settings(max_examples=25, deadline=None, suppress_health_check=_SLOW)
@given(st.lists(RUN_EVENTS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_what_counts_of_events_folds_to_what_all_fold_to(events: list[Any], random: Any) -> None:
    same = [event for event in _parsed(events) if event.run_id == _parsed(events)[0].run_id]
    storm = _parsed([_at(event, second) for event in events for second in range(3)])
    for found in (same, [event for event in storm if event.run_id == storm[0].run_id]):
        if not found:
            continue
        record = fold(essence(found))
        assert {f: getattr(record, f) for f in record.__slots__ if f != "event_count"} == {
            f: getattr(fold(found), f) for f in record.__slots__ if f != "event_count"
        }


def _at(event: Any, second: int) -> Any:
    return copy.deepcopy(event) | {"eventTime": f"2026-01-01T00:00:{second:02d}Z"}


def test_a_storm_of_events_of_one_run_costs_each_batch_the_same(tmp_path: Path) -> None:
    """Counted in texts that are read from the log: seconds would depend on the machine."""
    engine = made(f"sqlite:///{tmp_path}/storm.db")
    read: list[int] = []
    storm = [parse_event(flink_event(second=number % 3600, records=number)) for number in range(600)]
    with pytest.MonkeyPatch.context() as patch, Session(engine) as session:
        known_event = event_store.known_event
        patch.setattr(event_store, "known_event", lambda *facts: read.append(1) or known_event(*facts))
        costs = []
        for start in range(0, len(storm), 50):
            read.clear()
            ingest(session, storm[start : start + 50])
            costs.append(len(read))
        assert max(costs) <= 101
        rows = projection(session)
        rebuild(session, lambda progress: None)
        assert projection(session) == rows
    assert rows["sematic_run"][0][-1] == "600"


def test_a_database_that_was_restored_while_the_process_went_on_is_read_again(tmp_path: Path) -> None:
    engine = made(f"sqlite:///{tmp_path}/restored.db")
    storm = [parse_event(flink_event(second=number, records=number)) for number in range(60)]
    with Session(engine) as session:
        for start in range(0, 40, 10):
            ingest(session, storm[start : start + 10])
        for table in reversed(list(metadata.sorted_tables)):
            session.execute(table.delete())
        session.commit()
        ingest(session, storm[40:])
        run = projection(session)["sematic_run"]
    assert [row[-1] for row in run] == ["20"]


def test_edges_that_do_not_change_keep_their_rows() -> None:
    start = flink_event("START")
    engine = made("sqlite://")
    with Session(engine) as session:
        ingest(session, [parse_event(start)])
        before = sorted(session.scalars(select(IoRow.id)))
        ingest(session, [parse_event(flink_event(second=9)), parse_event(task_event("START", "other"))])
        assert sorted(session.scalars(select(IoRow.id))) == before != []


def test_flows_that_were_not_told_before_are_stored_though_their_data_sets_were() -> None:
    def told(second: int, field: str) -> Event:
        event = flink_event(second=second)
        source = {"type": "DATASET", "namespace": "n", "name": "in", "field": field}
        entry = {"type": "DATASET", "namespace": "n", "name": "out", "fields": {"a": {"inputs": [source]}}}
        event["job"]["facets"]["lineage"] = {"entries": [entry]}
        return parse_event(event)

    with Session(made("sqlite://")) as session:
        for second, field in enumerate(("x", "y", "x", "z")):
            ingest(session, [told(second, field)])
        assert sorted(session.scalars(select(FlowRow.in_field))) == ["x", "y", "z"]


def test_flows_that_are_told_again_cost_one_look(tmp_path: Path) -> None:
    """A statement that looks for one of them, and none that inserts."""
    engine = made(f"sqlite:///{tmp_path}/flows.db")
    statements: list[str] = []
    with Session(engine) as session:
        ingest(session, [parse_event(spark_event("RUNNING"))])
        listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
        ingest(session, [parse_event(spark_event("RUNNING", second)) for second in (1, 2, 3)])
        of_flows = [statement.split()[0] for statement in statements if "sematic_flow" in statement]
        assert of_flows == ["SELECT"]
        session.execute(delete(FlowRow))
        session.commit()
        ingest(session, [parse_event(spark_event("RUNNING", 4))])
        assert session.scalar(select(func.count()).select_from(FlowRow)) == 3
