"""A graph with runs drawn together: the instances of a mapped task, the tasks of a group, or the tasks of a Dag run. Pure: only what is in the graph counts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from sematic_airflow_provider.lineage.graph import Edge, LineageGraph, Node, RunNode

Level = Literal["mapped", "group", "dag"]
TaskGroups = Mapping[tuple[str, str], str]
"""Dag and task to the id of its task group, ``outer.inner``; empty where it is in none."""

_WORST_FIRST: Final = ("failed", "upstream_failed", "running", "unknown", "removed", "success", "skipped")


@dataclass(frozen=True, slots=True)
class GroupNode:
    """Several runs, drawn as one. ``count`` is how many, ``members`` their ids, ``states`` how many are in which state; ``state`` is the worst of those."""

    id: str
    label: str
    level: Level
    dag_id: str | None
    dag_run_id: str | None
    task_id: str | None
    count: int
    members: tuple[str, ...]
    states: Mapping[str, int]
    state: str | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    locked: bool = False
    kind: Literal["group"] = "group"


@dataclass(frozen=True, slots=True)
class CollapsedGraph:
    """A graph in which some nodes stand for several runs; otherwise as ``LineageGraph``."""

    focus: tuple[str, ...]
    nodes: tuple[Node | GroupNode, ...]
    edges: tuple[Edge, ...]
    truncated: bool
    more_upstream: tuple[str, ...]
    more_downstream: tuple[str, ...]


def collapse(graph: LineageGraph, level: Level, groups: TaskGroups | None = None) -> CollapsedGraph:
    """Draw runs together.

    What is part of a task, a query or a Spark job, goes with it. Data that are written and read within one group alone are left out; edges that became
    equal are one. A group of one run is that run.

    Args:
        graph: what there is; locked runs stay as they are.
        level: ``mapped`` the instances and tries of a task in a Dag run, ``group`` the outermost task group too, ``dag`` all of a Dag run.
        groups: of which task group tasks are; for those that are missing the task's id tells it.
    """
    runs = {node.id: node for node in graph.nodes if isinstance(node, RunNode)}
    key_of = {run_id: _key(_whole(run, runs), level, groups or {}) for run_id, run in runs.items()}
    sizes = Counter(key for key in key_of.values() if key is not None)
    shown = {run_id: key.id if key is not None and sizes[key] > 1 else run_id for run_id, key in key_of.items()}
    members: dict[str, list[RunNode]] = {}
    for run_id, group in shown.items():
        if group != run_id:
            members.setdefault(group, []).append(runs[run_id])
    keys = {key.id: key for key in key_of.values() if key is not None}
    inner = _inner_data(graph, shown, members.keys())
    nodes: dict[str, Node | GroupNode] = {}
    for node in graph.nodes:
        stands = shown.get(node.id, node.id)
        if stands not in nodes and stands not in inner:
            nodes[stands] = node if stands == node.id else _group(keys[stands], members[stands])
    edges = dict.fromkeys(
        replace(edge, source=shown.get(edge.source, edge.source), target=shown.get(edge.target, edge.target))
        for edge in graph.edges
        if edge.source not in inner and edge.target not in inner
    )
    return CollapsedGraph(
        focus=_stands(graph.focus, shown, inner),
        nodes=tuple(nodes.values()),
        edges=tuple(edges),
        truncated=graph.truncated,
        more_upstream=_stands(graph.more_upstream, shown, inner),
        more_downstream=_stands(graph.more_downstream, shown, inner),
    )


@dataclass(frozen=True, slots=True)
class _Key:
    level: Level
    dag_id: str
    dag_run_id: str
    task_id: str | None

    @property
    def id(self) -> str:
        return f"group:{self.level}:" + "|".join(filter(None, (self.dag_id, self.dag_run_id, self.task_id)))


def _whole(run: RunNode, runs: Mapping[str, RunNode]) -> RunNode:
    """The task that a run is part of, if that is there."""
    for _ in range(8):
        parent = runs.get(run.parent or "")
        if parent is None or parent.locked:
            break
        run = parent
    return run


def _key(run: RunNode, level: Level, groups: TaskGroups) -> _Key | None:
    if run.locked or run.dag_id is None or run.dag_run_id is None or run.task_id is None:
        return None
    if level == "dag":
        return _Key("dag", run.dag_id, run.dag_run_id, None)
    if level == "group":
        told = groups.get((run.dag_id, run.task_id))
        group = run.task_id.rpartition(".")[0] if told is None else told
        if group:
            return _Key("group", run.dag_id, run.dag_run_id, group.split(".", 1)[0])
    return _Key("mapped", run.dag_id, run.dag_run_id, run.task_id)


def _inner_data(graph: LineageGraph, shown: Mapping[str, str], groups: object) -> set[str]:
    """Data that one group alone wrote and read."""
    touched: dict[str, set[str]] = {}
    written: set[str] = set()
    read: set[str] = set()
    for edge in graph.edges:
        run, data = (edge.target, edge.source) if edge.kind == "read" else (edge.source, edge.target)
        touched.setdefault(data, set()).add(shown.get(run, run))
        (read if edge.kind == "read" else written).add(data)
    kept = set(graph.focus) | set(graph.more_upstream) | set(graph.more_downstream)
    return {
        data
        for data, by in touched.items()
        if len(by) == 1 and by <= set(groups) and data in written and data in read and data not in kept  # type: ignore[call-overload]
    }


def _group(key: _Key, members: Sequence[RunNode]) -> GroupNode:
    states = Counter(run.state for run in members if run.state is not None)
    starts = [run.started_at for run in members if run.started_at is not None]
    ends = [run.ended_at for run in members if run.ended_at is not None]
    label = (key.task_id or key.dag_id).rsplit(".", 1)[-1] if key.level != "dag" else key.dag_id
    return GroupNode(
        id=key.id,
        label=f"{label} [{len(members)}]" if key.level == "mapped" else label,
        level=key.level,
        dag_id=key.dag_id,
        dag_run_id=key.dag_run_id,
        task_id=key.task_id,
        count=len(members),
        members=tuple(run.id for run in members),
        states=dict(sorted(states.items())),
        state=next((state for state in _WORST_FIRST if state in states), None),
        started_at=min(starts, default=None),
        ended_at=max(ends) if len(ends) == len(members) else None,
    )


def _stands(ids: Sequence[str], shown: Mapping[str, str], inner: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(shown.get(one, one) for one in ids if one not in inner))
