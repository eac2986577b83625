"""Events into tables, on SQLite; integration/test_postgresql.py does the same on PostgreSQL with several processes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import DataRow, EventRow, IoRow, RunRow, metadata
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.events import parse_event
from tests.events import pipeline, ref, run_id, task_event


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = create_engine(f"sqlite:///{tmp_path}/lineage.db")
    metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened


def _take(session: Session, events: list[dict[str, Any]]) -> int:
    return ingest(session, [parse_event(event) for event in events])


def _projection(session: Session) -> tuple[set[Any], set[Any], set[Any]]:
    runs = {(r.run_id, r.state, r.task_id, r.facets, r.event_count) for r in session.scalars(select(RunRow))}
    data = {(d.node_id, d.codec, d.size) for d in session.scalars(select(DataRow))}
    io = {(i.run_id, i.node_id, i.direction, i.label, i.facets) for i in session.scalars(select(IoRow))}
    return runs, data, io


def test_an_event_that_comes_twice_is_kept_once(session: Session) -> None:
    events = pipeline()
    assert _take(session, events) == 10
    assert _take(session, [*events, *events]) == 0
    assert session.scalar(select(func.count()).select_from(EventRow)) == 10


@pytest.mark.parametrize("seed", range(5))
def test_disorder_and_duplicates_give_the_projection_of_one_ordered_pass(
    session: Session, tmp_path: Path, seed: int
) -> None:
    _take(session, pipeline())
    shuffled = pipeline() * 2
    random.Random(seed).shuffle(shuffled)
    engine = create_engine(f"sqlite:///{tmp_path}/other.db")
    metadata.create_all(engine)
    with Session(engine) as other:
        for event in shuffled:
            _take(other, [event])
        assert _projection(other) == _projection(session)


def test_the_graph_of_a_dag_run_holds_every_step_and_artifact(session: Session) -> None:
    _take(session, pipeline())
    graph = queries.graph(session, queries.dag_run_seeds(session, "flow", "run1"), Extent(4))
    assert sorted(node.label for node in graph.nodes if node.kind == "run") == [
        "flights",
        "join",
        "predict",
        "train",
        "weather",
    ]
    assert sum(node.kind == "artifact" for node in graph.nodes) == 5
    assert {edge.label for edge in graph.edges} == {"left", "right", "table", "model", "return_value"}


def test_the_path_from_the_predictions_reaches_the_raw_tables(session: Session) -> None:
    _take(session, pipeline())
    seed = queries.artifact_seed(session, ref("flow.predict.return_value", "predict").digest)
    graph = queries.graph(session, seed, Extent(20, "upstream"))
    assert {"flights", "weather"} <= {node.label for node in graph.nodes if node.kind == "run"}


def test_the_same_bytes_written_by_two_runs_are_one_node_with_two_producers(session: Session) -> None:
    _take(session, pipeline())
    _take(session, pipeline(dag_run_id="run2"))
    seed = queries.artifact_seed(session, ref("x", "train").digest)
    producers = queries.runs_that_touched(session, seed[0], "write")
    assert {row.dag_run_id for row in producers} == {"run1", "run2"}


def test_the_latest_dag_run_is_the_one_that_started_last(session: Session) -> None:
    _take(session, pipeline(dag_run_id="run1"))
    _take(session, [task_event("START", "join", dag_run_id="run0", second=1e6)])
    assert queries.latest_dag_run(session, "flow") == "run0"
    assert queries.latest_dag_run(session, "flow", "train") == "run1"


def test_all_tries_of_a_task_instance_are_told_in_order(session: Session) -> None:
    _take(session, [task_event("COMPLETE", "join", try_number=2, second=5), task_event("FAIL", "join", try_number=1)])
    row = queries.run_row(session, run_id("flow", "run1", "join", -1, 1))
    assert [(t.try_number, t.state) for t in queries.tries(session, row)] == [(1, "failed"), (2, "success")]


def test_what_a_user_may_not_read_is_locked_and_keeps_its_edges(session: Session) -> None:
    _take(session, pipeline("open"))
    _take(
        session,
        [task_event("COMPLETE", "spy", dag_id="closed", reads={"model": ref("open.train.return_value", "train")})],
    )
    seeds = queries.dag_run_seeds(session, "open", "run1")
    graph = queries.graph(session, seeds, Extent(4), lambda dag_id: dag_id == "open")
    (locked,) = [node for node in graph.nodes if node.locked]
    assert (locked.label, locked.kind) == ("locked", "run")
    assert locked.dag_id is None
    assert any(edge.target == locked.id for edge in graph.edges)


def test_an_artifact_of_forbidden_dags_only_is_locked(session: Session) -> None:
    _take(session, pipeline("closed"))
    seeds = queries.dag_run_seeds(session, "closed", "run1")
    graph = queries.graph(session, seeds, Extent(4), lambda dag_id: dag_id == "open")
    assert all(node.locked for node in graph.nodes)
    assert "closed" not in repr(list(graph.nodes))


def test_names_with_sql_and_html_in_them_are_only_names(session: Session) -> None:
    evil = "x'); DROP TABLE sematic_run; --<script>alert(1)</script>"
    _take(session, [task_event("COMPLETE", evil, writes={"return_value": ref(evil)})])
    assert queries.dag_run_seeds(session, "flow", "run1")


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: queries.latest_dag_run(s, "no"),
        lambda s: queries.run_row(s, "no"),
        lambda s: queries.artifact_seed(s, "no"),
    ],
)
def test_what_is_not_there_is_not_found(session: Session, ask: Any) -> None:
    with pytest.raises(NodeNotFoundError):
        ask(session)


def test_a_run_id_that_two_dags_have_asks_which(session: Session) -> None:
    _take(session, pipeline("one"))
    _take(session, pipeline("two"))
    with pytest.raises(NodeNotFoundError, match=r"--dag-id \(one, two\)"):
        queries.steps_of_dag_run(session, "run1", None)
    assert len(queries.steps_of_dag_run(session, "run1", "two")) == 5
