"""Walks through tables without versions, parts of tasks, and runs that say what came from what."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.affected import affected
from sematic_airflow_provider.db.columns import column_graph
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import metadata
from sematic_airflow_provider.db.neighbours import FAN_OUT
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.graph import LineageGraph
from tests.events import ref, run_id, task_event

DB = "postgres://db:5432"


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened


def _table(name: str, **facets: Any) -> dict[str, Any]:
    return {"namespace": DB, "name": name, "facets": facets}


def _run(
    task: str, begin: float, end: float, reads: tuple[Any, ...] = (), writes: tuple[Any, ...] = (), **more: Any
) -> list[dict[str, Any]]:
    """The start and the end of a run, which tells its tables at both."""
    told = []
    for kind, second in (("START", begin), ("COMPLETE", end)):
        one = task_event(kind, task, second=second, **more)
        one["inputs"] = [_table(t) if isinstance(t, str) else t for t in reads]
        one["outputs"] = [_table(t) if isinstance(t, str) else t for t in writes]
        told.append(one)
    return told


def _take(session: Session, events: list[dict[str, Any]]) -> None:
    ingest(session, [parse_event(found) for found in events])


def _tasks(graph: LineageGraph) -> set[str]:
    return {f"{n.dag_run_id}/{n.label}" for n in graph.nodes if n.kind == "run"}


def _days(count: int) -> list[dict[str, Any]]:
    """Each day a Dag loads a table, and another one reads it half a day later."""
    events = []
    for day in range(count):
        where = {"dag_run_id": f"day{day}"}
        events += _run("load", day * 100, day * 100 + 10, ("raw",), ("sales",), dag_id="loading", **where)
        events += _run(
            "report", day * 100 + 50, day * 100 + 55, ("sales",), (f"report{day}",), dag_id="reporting", **where
        )
    return events


def _graph(session: Session, day: int, task: str, direction: Any, dag_id: str = "reporting") -> LineageGraph:
    seeds = queries.task_seeds(session, dag_id, f"day{day}", task, -1)
    return queries.graph(session, seeds, Extent(20, direction))


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_walk_follows_what_was_true_at_the_time_whatever_came_first(session: Session, seed: int | None) -> None:
    events = _days(6)
    if seed is not None:
        random.Random(seed).shuffle(events)
    for one in events:
        _take(session, [one])
    for day in range(6):
        assert _tasks(_graph(session, day, "report", "upstream")) == {f"day{day}/report", f"day{day}/load"}
        assert _tasks(_graph(session, day, "load", "downstream", "loading")) == {f"day{day}/report", f"day{day}/load"}


def test_a_late_event_moves_what_was_seen(session: Session) -> None:
    _take(session, [one for one in _days(3) if not (one["job"]["name"] == "loading.load" and "day1" in str(one))])
    assert _tasks(_graph(session, 1, "report", "upstream")) == {"day1/report", "day0/load"}
    _take(session, _days(3))
    assert _tasks(_graph(session, 1, "report", "upstream")) == {"day1/report", "day1/load"}


def test_the_same_table_read_at_two_times_leads_to_two_writes(session: Session) -> None:
    _take(session, _days(3))
    _take(session, _run("compare", 290, 291, ("report0", "report2"), (), dag_id="comparing", dag_run_id="once"))
    graph = queries.graph(
        session, queries.task_seeds(session, "comparing", "once", "compare", -1), Extent(20, "upstream")
    )
    assert _tasks(graph) == {"once/compare", "day0/report", "day2/report", "day0/load", "day2/load"}


def test_the_graph_of_a_table_has_all_that_touched_it(session: Session) -> None:
    _take(session, _days(4))
    graph = queries.graph(session, queries.dataset_seeds(session, DB, "sales"), Extent(1))
    assert len(_tasks(graph)) == 8


def test_a_table_that_thousands_read_after_one_write_says_that_there_are_more(session: Session) -> None:
    _take(session, _run("load", 0, 1, (), ("sales",), dag_id="loading", dag_run_id="day0"))
    readers = [one for n in range(FAN_OUT + 3) for one in _run(f"r{n}", 10 + n, 11 + n, ("sales",), (), dag_id=f"d{n}")]
    _take(session, readers)
    graph = _graph(session, 0, "load", "downstream", "loading")
    assert len(_tasks(graph)) == 1 + FAN_OUT
    assert [node.label for node in graph.nodes if node.id in graph.more_downstream] == ["sales"]


def _part_of(name: str, parent: tuple[Any, ...], **tables: Any) -> dict[str, Any]:
    """A run that a task started: it has no facets of Airflow's."""
    one = task_event("COMPLETE", name, dag_id="part", second=5)
    one["run"]["facets"] = {"parent": {"run": {"runId": run_id(*parent)}, "job": {"namespace": "default", "name": "p"}}}
    one["inputs"] = [_table(t) for t in tables.get("reads", ())]
    one["outputs"] = [_table(t) for t in tables.get("writes", ())]
    return one


def test_queries_and_jobs_belong_to_the_task_that_started_them(session: Session) -> None:
    task = ("flow", "run1", "train", -1, 1)
    _take(session, _run("load", 0, 1, (), ("sales",), dag_id="loading", dag_run_id="day0"))
    _take(session, [task_event("COMPLETE", "train", second=9, writes={"return_value": ref("flow.train.return_value")})])
    app = ("part", "run1", "app", -1, 1)
    _take(session, [_part_of("app", task), _part_of("query", app, reads=("sales",), writes=("scratch",))])
    made = queries.graph(
        session, queries.artifact_seed(session, ref("x", "flow.train.return_value").digest), Extent(20, "upstream")
    )
    assert {node.label for node in made.nodes} == {"train", "app", "query", "sales", "load"}
    parents = {node.label: node.parent for node in made.nodes if node.kind == "run"}
    assert parents == {"train": None, "load": None, "app": f"run:{run_id(*task)}", "query": f"run:{run_id(*app)}"}
    used = queries.graph(session, queries.dataset_seeds(session, DB, "sales"), Extent(20, "downstream"))
    assert ref("x", "flow.train.return_value").digest in {node.digest for node in used.nodes if node.kind == "artifact"}


def test_what_a_dag_run_started_without_a_task_is_of_it(session: Session) -> None:
    dag_run = task_event("START", "it", dag_id="flow")
    del dag_run["run"]["facets"]["airflow"]
    dag_run["job"]["name"] = "flow"
    dag_run["run"]["facets"]["airflowDagRun"] = {"dag": {"dag_id": "flow"}, "dagRun": {"run_id": "run1"}}
    _take(session, [dag_run, _part_of("dbt", ("flow", "run1", "it", -1, 1), reads=("sales",))])
    graph = queries.graph(session, queries.dag_run_seeds(session, "flow", "run1"), Extent(1))
    assert {node.label for node in graph.nodes} == {"dbt", "sales"}


def test_parts_that_do_not_fit_are_more(session: Session) -> None:
    task = ("flow", "run1", "train", -1, 1)
    _take(session, [task_event("COMPLETE", "train"), *(_part_of(f"q{n}", task, reads=("sales",)) for n in range(5))])
    graph = queries.graph(session, [f"run:{run_id(*task)}"], Extent(5, "upstream", 3))
    assert (len(graph.nodes), graph.truncated) == (3, True)
    assert f"run:{run_id(*task)}" in graph.more_upstream
    alone = queries.graph(session, [f"run:{run_id(*task)}"], Extent(0))
    assert (len(alone.nodes), alone.truncated) == (1, False)
    assert alone.more_upstream


def _split() -> list[dict[str, Any]]:
    """A run that makes two tables, each of one of two others, and says so; and one that says nothing."""
    entries = [
        {
            "namespace": DB,
            "name": out,
            "type": "DATASET",
            "inputs": [{"namespace": DB, "name": source, "type": "DATASET"}],
        }
        for out, source in (("train", "past"), ("test", "recent"))
    ]
    told = _run("split", 100, 110, ("past", "recent"), ("train", "test"), dag_id="learning")
    for one in told:
        one["job"]["facets"] = {"lineage": {"entries": entries}}
    return [
        *_run("a", 0, 1, (), ("past",), dag_id="sources"),
        *_run("b", 0, 1, (), ("recent",), dag_id="sources"),
        *told,
        *_run("fit", 200, 210, ("train",), (), dag_id="learning"),
        *_run("score", 200, 210, ("test",), (), dag_id="learning"),
    ]


def test_a_run_that_says_which_inputs_an_output_came_from_is_followed_only_there(session: Session) -> None:
    _take(session, _split())
    fit = queries.graph(session, queries.task_seeds(session, "learning", "run1", "fit", -1), Extent(20, "upstream"))
    assert {n.label for n in fit.nodes} == {"fit", "train", "split", "past", "a"}
    used = queries.graph(session, queries.dataset_seeds(session, DB, "recent"), Extent(20, "downstream"))
    assert {n.label for n in used.nodes} == {"recent", "split", "test", "score"}
    whole = queries.graph(session, queries.task_seeds(session, "learning", "run1", "split", -1), Extent(20))
    assert {n.label for n in whole.nodes} == {"a", "b", "past", "recent", "split", "train", "test", "fit", "score"}


def test_another_run_with_the_same_tables_that_says_nothing_is_not_cut(session: Session) -> None:
    _take(session, _split())
    _take(session, _run("resplit", 300, 310, ("past", "recent"), ("train", "test"), dag_id="again"))
    _take(session, _run("refit", 400, 410, ("train",), (), dag_id="again"))
    graph = queries.graph(session, queries.task_seeds(session, "again", "run1", "refit", -1), Extent(20, "upstream"))
    assert {n.label for n in graph.nodes} == {"refit", "train", "resplit", "past", "recent", "a", "b"}


def test_what_used_a_table_is_told_by_kind(session: Session) -> None:
    model = {
        "namespace": "models",
        "name": "churn",
        "facets": {"datasetType": {"datasetType": "MODEL"}, "version": {"datasetVersion": "7"}},
    }
    _take(
        session,
        [
            *_run("load", 0, 1, (), ("sales",), dag_id="loading"),
            *_run("fit", 10, 20, ("sales",), (model,), dag_id="learning"),
            *_run("score", 30, 40, (model, "customers"), ("scores",), dag_id="serving"),
            *_run("report", 30, 40, ("sales",), ("summary",), dag_id="reporting"),
            *_run("mail", 60, 61, ("scores",), (), dag_id="mailing"),
        ],
    )
    found = affected(session, queries.dataset_seeds(session, DB, "sales"), 500)
    assert {run.label for run in found.runs} == {"fit", "score", "report", "mail"}
    assert [run.label for run in found.inferences] == ["score"]
    assert [node.label for node in found.models] == ["churn"]
    assert [node.label for node in found.predictions] == ["scores"]
    assert [node.label for node in found.outputs] == ["summary"]
    assert {(dag.dag_id, dag.runs) for dag in found.dags} == {
        (d, 1) for d in ("learning", "serving", "reporting", "mailing")
    }
    assert not found.truncated
    assert affected(session, queries.dataset_seeds(session, DB, "sales"), 3).truncated
    scored = affected(session, queries.dataset_seeds(session, DB, "customers"), 500)
    assert [run.label for run in scored.inferences] == ["score"], "the model itself is not downstream of the table"


def _columns() -> list[dict[str, Any]]:
    def flow(
        out: str, fields: dict[str, list[tuple[str, str]]], whole: tuple[tuple[str, str], ...] = ()
    ) -> dict[str, Any]:
        told = {
            name: {
                "inputFields": [
                    {
                        "namespace": DB,
                        "name": t,
                        "field": f,
                        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
                    }
                    for t, f in of
                ]
            }
            for name, of in fields.items()
        }
        of_all = [
            {"namespace": DB, "name": t, "field": f, "transformations": [{"type": "INDIRECT", "subtype": "FILTER"}]}
            for t, f in whole
        ]
        return _table(out, columnLineage={"fields": told, "dataset": of_all})

    return [
        *_run(
            "one",
            0,
            1,
            ("raw",),
            (flow("clean", {"price": [("raw", "p")], "name": [("raw", "n")]}, (("raw", "valid"),)),),
            dag_id="etl",
        ),
        *_run("two", 2, 3, ("clean",), (flow("sums", {"total": [("clean", "price")]}),), dag_id="etl"),
    ]


def test_columns_are_followed_through_tables_both_ways(session: Session) -> None:
    _take(session, _columns())
    graph = column_graph(session, DB, "clean", "price", Extent(20))
    labels = {node.id: node.label for node in graph.nodes}
    assert {(labels[e.source], labels[e.target], e.transformations) for e in graph.edges} == {
        ("raw.p", "clean.price", ("DIRECT/IDENTITY",)),
        ("raw.valid", "clean.price", ("INDIRECT/FILTER",)),
        ("clean.price", "sums.total", ("DIRECT/IDENTITY",)),
    }
    near = column_graph(session, DB, "sums", "total", Extent(1, "upstream"))
    assert {node.label for node in near.nodes} == {"sums.total", "clean.price"}
    assert [labels[one] for one in near.more_upstream] == ["clean.price"]
    with pytest.raises(NodeNotFoundError, match="no lineage of a column"):
        column_graph(session, DB, "clean", "none", Extent(3, "downstream"))


def test_columns_of_forbidden_dags_tell_no_names(session: Session) -> None:
    _take(session, _columns())
    graph = column_graph(session, DB, "clean", "price", Extent(20), lambda dag_id: False)
    assert all(node.locked for node in graph.nodes)
    assert "price" not in str(graph)
    assert "raw" not in str(graph)


def test_everything_asked_on_the_way_is_by_index(session: Session) -> None:
    _take(session, [*_days(3), *_split(), *_columns()])
    asked: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        asked.append((arguments[2], arguments[3]))

    event.listen(session.get_bind(), "before_cursor_execute", note)
    _graph(session, 1, "report", "both")
    queries.graph(session, queries.task_seeds(session, "learning", "run1", "fit", -1), Extent(20))
    queries.graph(session, queries.dataset_seeds(session, DB, "sales", None), Extent(20))
    column_graph(session, DB, "clean", "price", Extent(20))
    affected(session, queries.dataset_seeds(session, DB, "raw"), 50)
    event.remove(session.get_bind(), "before_cursor_execute", note)
    for statement, parameters in asked:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        steps = [row.detail for row in plan]
        assert not [step for step in steps if step.startswith("SCAN sematic_")], (statement, steps)
