"""OpenLineage events go out as they came in: a second server that takes them shows the same graph."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.exporting import count_events, event_lines, exported_runs
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.db.retention import Policy, prune
from sematic_airflow_provider.lineage.events import parse_event
from tests.events import pipeline, ref
from tests.lineage.exports.parts import hostile_events, recorded, told, two_dags


def _of_dag_run(events: list[Any], dag_id: str, extent: Extent) -> tuple[Any, list[Any]]:
    """The graph of a Dag's latest run, and the events that are exported of it."""
    with told(events) as session:
        run = queries.latest_dag_run(session, dag_id)
        graph = queries.graph(session, queries.dag_run_seeds(session, dag_id, run), extent)
        return graph, [json.loads(line) for line in event_lines(session, exported_runs(session, graph))]


@pytest.mark.parametrize(
    "direction",
    ["both", *(pytest.param(way, marks=pytest.mark.thorough) for way in ("upstream", "downstream"))],
)
@pytest.mark.parametrize(
    ("events", "dag_id"),
    [
        (recorded(), "mixed_with_plain_tasks"),
        (recorded("mapped_failed_skipped"), "recorded"),
        (hostile_events(), "hostile"),
        (two_dags(), "open_shop"),
    ],
)
def test_a_second_server_shows_the_same_graph(events: list[Any], dag_id: str, direction: Any) -> None:
    extent = Extent(6, direction)
    graph, exported = _of_dag_run(events + pipeline("other", seed="other"), dag_id, extent)
    assert len(graph.nodes) >= 2
    again, once_more = _of_dag_run(exported, dag_id, extent)
    assert again == graph
    assert once_more == exported


def test_a_second_server_shows_the_same_around_an_artifact() -> None:
    digest = ref("x", "join").digest
    with told(pipeline() + pipeline("flow", "run2", "other") + recorded()) as session:
        graph = queries.graph(session, queries.artifact_seed(session, digest), Extent(2))
        exported = [json.loads(line) for line in event_lines(session, exported_runs(session, graph))]
    assert {event["job"]["name"] for event in exported} == {"flow.join", "flow.train", "flow.predict"}
    with told(exported) as session:
        again = queries.graph(session, queries.artifact_seed(session, digest), Extent(2))
    assert graph.more_upstream  # what lies beyond was not exported, so the second server knows of no more
    assert again == replace(graph, more_upstream=())


def test_events_are_byte_for_byte_those_that_were_stored() -> None:
    events = recorded()
    with told(events) as session:
        run = queries.latest_dag_run(session, "mixed_with_plain_tasks")
        graph = queries.graph(session, queries.dag_run_seeds(session, "mixed_with_plain_tasks", run), Extent(4))
        lines = b"".join(event_lines(session, exported_runs(session, graph))).decode().splitlines()
    assert sorted(lines) == sorted({parse_event(event).text for event in events})


def test_what_is_left_of_events_that_were_too_old_to_be_kept_gives_the_same_graph() -> None:
    old = pipeline("old", seed="old")
    with told(old + pipeline("new", seed="new")) as session:
        before = queries.graph(session, queries.dag_run_seeds(session, "old", "run1"), Extent(4))
        prune(session, Policy(30, "tests"), now=dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc))
        run_ids = exported_runs(session, before)
        assert count_events(session, run_ids) == (10, 10)
        left = [json.loads(line) for line in event_lines(session, run_ids)]
    assert {event["job"]["name"] for event in left} == {
        f"old.{task}" for task in ("flights", "weather", "join", "train", "predict")
    }
    with told(left) as session:
        assert queries.graph(session, queries.dag_run_seeds(session, "old", "run1"), Extent(4)) == before
