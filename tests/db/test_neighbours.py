"""What a walk through the tables follows, and what it leaves to ``more``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow, metadata
from sematic_airflow_provider.db.neighbours import FAN_OUT
from sematic_airflow_provider.db.nodes import run_nodes
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.graph import LineageGraph
from tests.events import pipeline, ref, run_id, task_event


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened


def _take(session: Session, *events: dict[str, Any]) -> None:
    ingest(session, [parse_event(found) for found in events])


def _everywhere(session: Session, runs: int, dag_id: str = "flow") -> None:
    """A task that gives the same value in every Dag run, and one that reads it."""
    for n in range(runs):
        nothing = ref(f"{dag_id}.wait.return_value", "None")
        where = {"dag_id": dag_id, "dag_run_id": f"run{n}"}
        _take(
            session,
            task_event("COMPLETE", "wait", second=n, writes={"return_value": nothing}, **where),  # type: ignore[arg-type]
            task_event("COMPLETE", "use", second=n, reads={"it": nothing}, **where),  # type: ignore[arg-type]
        )


def _runs(graph: LineageGraph) -> set[tuple[str | None, str | None, str | None]]:
    return {(n.dag_id, n.dag_run_id, n.task_id) for n in graph.nodes if n.kind == "run"}


NOTHING = ref("x", "None").digest


def test_equal_values_of_other_runs_of_the_dag_are_more_and_not_followed(session: Session) -> None:
    _everywhere(session, 3)
    graph = queries.graph(session, queries.task_seeds(session, "flow", "run1", "use", -1), Extent(20))
    assert _runs(graph) == {("flow", "run1", "use"), ("flow", "run1", "wait")}
    assert graph.more_upstream == (f"artifact:{NOTHING}",)
    assert not graph.truncated


def test_readers_in_other_dags_are_followed(session: Session) -> None:
    _everywhere(session, 2)
    _take(
        session, task_event("COMPLETE", "score", dag_id="serving", reads={"it": ref("flow.wait.return_value", "None")})
    )
    graph = queries.graph(session, queries.task_seeds(session, "flow", "run0", "wait", -1), Extent(20))
    assert ("serving", "run1", "score") in _runs(graph)
    assert ("flow", "run1", "use") not in _runs(graph)
    assert graph.more_downstream == (f"artifact:{NOTHING}",)


def test_where_no_run_that_was_met_wrote_it_all_writers_are_followed(session: Session) -> None:
    _everywhere(session, 3)
    _take(
        session, task_event("COMPLETE", "score", dag_id="serving", reads={"it": ref("flow.wait.return_value", "None")})
    )
    seeds = queries.task_seeds(session, "serving", "run1", "score", -1)
    graph = queries.graph(session, seeds, Extent(2, "upstream"))
    assert {run for run in _runs(graph) if run[2] == "wait"} == {("flow", f"run{n}", "wait") for n in range(3)}


def test_the_graph_of_the_artifact_shows_all(session: Session) -> None:
    _everywhere(session, FAN_OUT + 5)
    graph = queries.graph(session, queries.artifact_seed(session, NOTHING), Extent(1))
    assert len(_runs(graph)) == 2 * (FAN_OUT + 5)
    assert (graph.more_upstream, graph.more_downstream, graph.truncated) == ((), (), False)


def test_a_hot_artifact_does_not_flood_the_graph(session: Session) -> None:
    _everywhere(session, FAN_OUT + 5, "busy")
    _take(session, task_event("COMPLETE", "own", writes={"return_value": ref("flow.own.return_value", "None")}))
    graph = queries.graph(session, queries.dag_run_seeds(session, "flow", "run1"), Extent(1))
    assert len(graph.nodes) == 2
    graph = queries.graph(session, queries.dag_run_seeds(session, "flow", "run1"), Extent(2, "downstream"))
    assert len(_runs(graph)) == 1 + FAN_OUT
    assert graph.more_downstream[0] == f"artifact:{NOTHING}"


def test_the_number_of_queries_depends_on_hops_not_on_nodes(session: Session) -> None:
    counts = []
    for width in (2, 60):
        made = {f"o{n}": ref(f"wide{width}.make.o{n}") for n in range(width)}
        _take(session, task_event("COMPLETE", "make", dag_id=f"wide{width}", writes=made))
        for n, of in enumerate(made.values()):
            _take(session, task_event("COMPLETE", f"use{n}", dag_id=f"wide{width}", reads={"it": of}))
        asked: list[str] = []

        def count(*arguments: Any, asked: list[str] = asked) -> None:
            asked.append(arguments[2])

        event.listen(session.get_bind(), "before_cursor_execute", count)
        graph = queries.graph(session, queries.dag_run_seeds(session, f"wide{width}", "run1"), Extent(3))
        event.remove(session.get_bind(), "before_cursor_execute", count)
        assert len(graph.nodes) == 2 * width + 1
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 20


def test_every_lookup_of_an_edge_is_by_index(session: Session) -> None:
    _everywhere(session, 2)
    asked: list[tuple[str, Any]] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    queries.latest_dag_run(session, "flow")
    queries.latest_dag_run(session, "flow", "use")
    queries.graph(session, queries.task_seeds(session, "flow", "run1", "use", -1), Extent(20))
    for statement, parameters in list(asked):
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        steps = [row.detail for row in plan]
        assert not [step for step in steps if step.startswith("SCAN sematic_")], (statement, steps)


def test_a_run_inside_a_task_is_locked_with_it_and_one_of_no_dag_on_its_own(session: Session) -> None:
    query = task_event("COMPLETE", "load.query.1")
    query["run"]["facets"] = {
        "parent": {"run": {"runId": run_id("flow", "run1", "load", -1, 1)}, "job": {"name": "flow.load"}}
    }
    stray = task_event("COMPLETE", "stray")
    stray["run"]["facets"] = {}
    _take(session, query, stray, task_event("START", "load"))
    rows = [queries.run_row(session, found["run"]["runId"]) for found in (query, stray)]
    for dag_ids, locked in (({"flow"}, [False, True]), ({None}, [True, False]), ({"other"}, [True, True])):
        assert [n.locked for n in run_nodes(session, rows, lambda dag_id, ids=dag_ids: dag_id in ids)] == locked  # type: ignore[misc]


def _everything(session: Session) -> list[Any]:
    return [
        sorted(
            tuple((c.key, str(getattr(row, c.key))) for c in table.__table__.columns if c.key != "id")
            for row in session.scalars(select(table))
        )
        for table in (RunRow, DataRow, IoRow)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_every_column_of_the_projection_is_independent_of_order(seed: int) -> None:
    """Equal bytes under two names, codecs and Dag runs included: the first by time counts, not the first to arrive."""
    same = ref("flow.other.return_value", "train", codec="json/1")
    events = [
        *pipeline(),
        *pipeline(dag_run_id="run2"),
        task_event("COMPLETE", "other", second=-5, writes={"return_value": same}),
        task_event("START", "other", second=99, reads={"it": same}),
    ]
    found = []
    for shuffled in (False, True):
        engine = create_engine("sqlite://")
        metadata.create_all(engine)
        order = [parse_event(e) for e in events] * (2 if shuffled else 1)
        if shuffled:
            random.Random(seed).shuffle(order)
        with Session(engine) as opened:
            for one in order:
                ingest(opened, [one])
            found.append(_everything(opened))
    assert found[0] == found[1]
