"""Graphs of Dags, Dag runs, tasks, task instances, runs, artifacts, data sets and columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Path, Query

from sematic_airflow_provider.db import columns, queries
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.db.task_groups import task_groups
from sematic_airflow_provider.lineage.collapse import CollapsedGraph, Level, collapse
from sematic_airflow_provider.lineage.columns import ColumnGraph
from sematic_airflow_provider.lineage.graph import Direction, LineageGraph
from sematic_airflow_provider.server.access import (
    ReadableDep,
    ReadDagRuns,
    readable_artifact,
    readable_dataset,
    readable_node,
    readable_run,
)
from sematic_airflow_provider.server.schemas import ColumnGraphAnswer, GraphAnswer
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["graph"])

Digest = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the stored bytes, 64 hexadecimal characters")
]
RunId = Annotated[UUID, Path(description="an OpenLineage run id")]
NodeId = Annotated[
    str,
    Path(
        pattern=r"^(run:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(artifact|dataset):[0-9a-f]{64})$",
        description="the id of a node in a graph",
    ),
]
Namespace = Annotated[str, Query(min_length=1, max_length=2000, description="namespace of the data set")]
Name = Annotated[str, Query(min_length=1, max_length=2000, description="name of the data set")]
Version = Annotated[
    str | None, Query(max_length=250, description="a version, or the digest of an artifact; without it, all versions")
]
Collapse = Annotated[
    Level | None,
    Query(description="draw as one: instances of a mapped task, task groups too, or all of a Dag run"),
]


def _extent(default_depth: int) -> Callable[..., Extent]:
    def extent(
        depth: Annotated[int, Query(ge=0, le=50, description="edges to follow from the start")] = default_depth,
        direction: Annotated[
            Direction, Query(description="upstream: where it came from; downstream: what came of it")
        ] = "both",
        max_nodes: Annotated[
            int, Query(ge=1, le=2000, description="nodes to take; `truncated` says if there are more")
        ] = 500,
    ) -> Extent:
        return Extent(depth, direction, max_nodes)

    return extent


AroundRun = Annotated[Extent, Depends(_extent(4))]
AroundNode = Annotated[Extent, Depends(_extent(20))]


def _answer(
    session: SessionDep, seeds: Sequence[str], extent: Extent, readable: ReadableDep, level: Level | None
) -> GraphAnswer:
    graph: LineageGraph | CollapsedGraph = queries.graph(session, seeds, extent, readable)
    if level is not None and isinstance(graph, LineageGraph):
        graph = collapse(graph, level, task_groups(session, graph) if level == "group" else None)
    return GraphAnswer.model_validate(_fields(graph), from_attributes=True)


def _fields(graph: LineageGraph | CollapsedGraph | ColumnGraph) -> dict[str, Any]:
    return {
        "focus": graph.focus,
        "nodes": graph.nodes,
        "edges": graph.edges,
        "truncated": graph.truncated,
        "more": {"upstream": graph.more_upstream, "downstream": graph.more_downstream},
    }


@router.get("/dags/{dag_id}/graph", dependencies=[ReadDagRuns])
def dag_graph(
    dag_id: str, session: SessionDep, readable: ReadableDep, extent: AroundRun, collapse: Collapse = None
) -> GraphAnswer:
    """The latest Dag run that has lineage."""
    run = queries.latest_dag_run(session, dag_id)
    return _answer(session, queries.dag_run_seeds(session, dag_id, run), extent, readable, collapse)


@router.get("/dags/{dag_id}/runs/{dag_run_id}/graph", dependencies=[ReadDagRuns])
def dag_run_graph(
    dag_id: str,
    dag_run_id: str,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundRun,
    collapse: Collapse = None,
) -> GraphAnswer:
    """All task runs of a Dag run, and what they read and wrote."""
    return _answer(session, queries.dag_run_seeds(session, dag_id, dag_run_id), extent, readable, collapse)


@router.get("/dags/{dag_id}/tasks/{task_id}/graph", dependencies=[ReadDagRuns])
def task_graph(
    dag_id: str,
    task_id: str,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
    collapse: Collapse = None,
) -> GraphAnswer:
    """A task in the latest Dag run that has it."""
    run = queries.latest_dag_run(session, dag_id, task_id)
    return _answer(session, queries.task_seeds(session, dag_id, run, task_id, None), extent, readable, collapse)


@router.get("/dags/{dag_id}/runs/{dag_run_id}/tasks/{task_id}/graph", dependencies=[ReadDagRuns])
def task_instance_graph(
    dag_id: str,
    dag_run_id: str,
    task_id: str,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
    map_index: Annotated[int, Query(ge=-1, le=2**31 - 1, description="-1: the task is not mapped")] = -1,
    collapse: Collapse = None,
) -> GraphAnswer:
    """A task instance, with all its tries."""
    seeds = queries.task_seeds(session, dag_id, dag_run_id, task_id, map_index)
    return _answer(session, seeds, extent, readable, collapse)


@router.get("/artifacts/{digest}/graph")
def artifact_graph(
    digest: Digest, session: SessionDep, readable: ReadableDep, extent: AroundNode, collapse: Collapse = None
) -> GraphAnswer:
    """An artifact: where it came from, and what came of it."""
    return _answer(session, [readable_artifact(session, digest, readable).id], extent, readable, collapse)


@router.get("/runs/{run_id}/graph")
def run_graph(
    run_id: RunId, session: SessionDep, readable: ReadableDep, extent: AroundNode, collapse: Collapse = None
) -> GraphAnswer:
    """A run of any producer: a task, a query, a Spark job, an inference; of a Dag run, all of its tasks."""
    readable_run(session, str(run_id), readable)
    return _answer(session, queries.run_seeds(session, str(run_id)), extent, readable, collapse)


@router.get("/nodes/{node_id}/graph")
def node_graph(
    node_id: NodeId, session: SessionDep, readable: ReadableDep, extent: AroundNode, collapse: Collapse = None
) -> GraphAnswer:
    """Any node of another graph: a run, an artifact, one version of a data set."""
    return _answer(session, [readable_node(session, node_id, readable)], extent, readable, collapse)


@router.get("/datasets/graph")
def dataset_graph(
    namespace: Namespace,
    name: Name,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
    version: Version = None,
    collapse: Collapse = None,
) -> GraphAnswer:
    """A data set, by the name that its producers give it: all its versions, or one."""
    seeds = readable_dataset(session, namespace, name, version, readable)
    return _answer(session, seeds, extent, readable, collapse)


@router.get("/columns/graph")
def column_graph(
    namespace: Namespace,
    name: Name,
    field: Annotated[str, Query(min_length=1, max_length=2000, description="name of the column")],
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
) -> ColumnGraphAnswer:
    """From which columns a column came, and into which it went."""
    graph = columns.column_graph(session, namespace, name, field, extent, readable)
    if next(node for node in graph.nodes if node.id == graph.focus).locked:
        raise HTTPException(403, "no Dag that you may read made or used this data set")
    return ColumnGraphAnswer.model_validate(_fields(graph), from_attributes=True)
