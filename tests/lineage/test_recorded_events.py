"""Events as Airflow 3.3.2 sent them: ``airflow dags test`` of an example, and of a Dag with mapped, failed and skipped tasks. Hosts and paths are changed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import metadata
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.graph import LineageGraph

EVENTS = Path(__file__).parent / "events"


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened


def _graph(session: Session, name: str, dag_id: str) -> LineageGraph:
    events: list[Any] = json.loads((EVENTS / f"{name}.json").read_text())
    random.Random(name).shuffle(events)
    for event in events:
        ingest(session, [parse_event(event)])
    return queries.graph(
        session, queries.dag_run_seeds(session, dag_id, queries.latest_dag_run(session, dag_id)), Extent(4)
    )


def _edges(graph: LineageGraph) -> set[tuple[str, str, str, str]]:
    labels = {node.id: node.label for node in graph.nodes}
    return {(labels[e.source], e.kind, e.label, labels[e.target]) for e in graph.edges}


def test_plain_and_sematic_tasks_are_one_graph(session: Session) -> None:
    graph = _graph(session, "mixed_with_plain_tasks", "mixed_with_plain_tasks")
    assert _edges(graph) == {
        ("airports", "write", "return_value", "airports"),
        ("airports", "read", "table", "highest"),
        ("highest", "write", "latitude", "highest.latitude"),
        ("highest", "write", "longitude", "highest.longitude"),
        ("highest.latitude", "read", "", "describe"),
        ("highest.longitude", "read", "", "describe"),
        ("describe", "write", "return_value", "describe"),
    }


def test_mapped_and_failed_tasks_keep_what_they_read(session: Session) -> None:
    graph = _graph(session, "mapped_failed_skipped", "recorded")
    states = {node.label: node.state for node in graph.nodes if node.kind == "run"}
    doubles = {f"double [{n}]": "success" for n in range(3)}
    assert states == {"never": "success", "make": "success", "broken": "failed", **doubles}
    reads = {(source, target) for source, kind, _, target in _edges(graph) if kind == "read"}
    assert reads == {("make", target) for target in ("broken", *doubles)}
