"""Graphs in which runs are drawn together."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sematic_airflow_provider.lineage.collapse import GroupNode, Level, collapse
from sematic_airflow_provider.lineage.graph import ArtifactNode, Edge, LineageGraph, RunNode, lock

START = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


def _run(name: str, task: str | None, index: int = -1, dag: str | None = "flow", **more: Any) -> RunNode:
    told = {"state": "success", "started_at": START, "ended_at": START + dt.timedelta(seconds=5), **more}
    return RunNode(
        f"run:{name}",
        name,
        name,
        told.pop("state"),
        "default",
        name,
        dag,
        "r1" if dag else None,
        task,
        index,
        1,
        told.pop("started_at"),
        told.pop("ended_at"),
        **told,
    )


def _data(name: str) -> ArtifactNode:
    return ArtifactNode(f"artifact:{name}", name, name, None, None, 1, (), None, None, has_value=False)


def _edges(*pairs: str) -> tuple[Edge, ...]:
    found = []
    for pair in pairs:
        source, target = pair.split(">")
        kind: Any = "read" if source.startswith("artifact") else "write"
        found.append(Edge(source, target, kind, ""))
    return tuple(found)


def _graph() -> LineageGraph:
    """``split`` makes two parts, two instances of ``prep.fit`` read one each, ``prep.join`` reads what they wrote; a query is part of ``join``."""
    return LineageGraph(
        focus=("run:split",),
        nodes=(
            _run("split", "split"),
            _run("fit0", "prep.fit", 0),
            _run("fit1", "prep.fit", 1, state="failed", ended_at=None),
            _run("join", "prep.join"),
            _run("query", None, dag=None, parent="run:join"),
            *(_data(name) for name in ("p0", "p1", "m0", "m1", "all")),
        ),
        edges=_edges(
            "run:split>artifact:p0", "run:split>artifact:p1", "artifact:p0>run:fit0", "artifact:p1>run:fit1", "run:fit0>artifact:m0",
            "run:fit1>artifact:m1", "artifact:m0>run:join", "artifact:m1>run:join", "run:query>artifact:all",
        ),
        truncated=False,
        more_upstream=("run:fit1",),
        more_downstream=("artifact:all",),
    )  # fmt: skip


def _groups(level: Level, groups: Any = None) -> dict[str, GroupNode]:
    return {node.id: node for node in collapse(_graph(), level, groups).nodes if isinstance(node, GroupNode)}


def test_instances_of_a_mapped_task_are_one_and_so_are_a_task_and_its_parts() -> None:
    found = collapse(_graph(), "mapped")
    groups = _groups("mapped")
    fit, join = groups["group:mapped:flow|r1|prep.fit"], groups["group:mapped:flow|r1|prep.join"]
    assert (fit.label, fit.count, fit.members, fit.states, fit.state) == (
        "fit [2]",
        2,
        ("run:fit0", "run:fit1"),
        {"failed": 1, "success": 1},
        "failed",
    )
    assert (fit.started_at, fit.ended_at) == (START, None)
    assert join.members == ("run:join", "run:query")
    assert len(found.nodes) == 1 + 2 + 5
    assert found.more_upstream == (fit.id,)
    assert Edge("artifact:p0", fit.id, "read", "") in found.edges


def test_a_task_group_is_one_and_what_only_it_saw_is_within() -> None:
    found = collapse(_graph(), "group")
    (prep,) = _groups("group").values()
    assert (prep.label, prep.count) == ("prep", 4)
    assert {node.id for node in found.nodes} == {"run:split", prep.id, "artifact:p0", "artifact:p1", "artifact:all"}
    assert all(
        edge.source in {n.id for n in found.nodes} and edge.target in {n.id for n in found.nodes}
        for edge in found.edges
    )


def test_the_groups_that_a_dag_told_count_before_the_ids_of_tasks() -> None:
    told = {("flow", "prep.fit"): "", ("flow", "prep.join"): "last.inner", ("flow", "split"): "last"}
    groups = _groups("group", told)
    assert {group.label: group.count for group in groups.values()} == {"fit [2]": 2, "last": 3}


def test_a_dag_run_is_one() -> None:
    found = collapse(_graph(), "dag")
    (dag,) = _groups("dag").values()
    assert (dag.label, dag.count, dag.task_id) == ("flow", 5, None)
    assert [node.id for node in found.nodes] == [dag.id, "artifact:all"]
    assert found.focus == (dag.id,)
    assert found.more_downstream == ("artifact:all",)


@pytest.mark.parametrize("level", ["mapped", "group", "dag"])
def test_locked_runs_stay_as_they_are(level: Level) -> None:
    graph = _graph()
    locked = LineageGraph(graph.focus, tuple(map(lock, graph.nodes)), graph.edges, False, (), ())
    assert collapse(locked, level).nodes == locked.nodes
    assert collapse(locked, level).edges == locked.edges
