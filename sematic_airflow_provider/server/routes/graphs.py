"""Graphs of Dags, Dag runs, tasks, task instances and artifacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.lineage.graph import Direction
from sematic_airflow_provider.server.access import ReadableDep, ReadDagRuns, readable_artifact
from sematic_airflow_provider.server.schemas import GraphAnswer
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["graph"])

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


def _extent(default_depth: int) -> Callable[..., Extent]:
    def extent(
        depth: Annotated[int, Query(ge=0, le=50, description="edges to follow from the start")] = default_depth,
        direction: Direction = "both",
        max_nodes: Annotated[int, Query(ge=1, le=2000)] = 500,
    ) -> Extent:
        return Extent(depth, direction, max_nodes)

    return extent


AroundRun = Annotated[Extent, Depends(_extent(4))]
AroundNode = Annotated[Extent, Depends(_extent(20))]


def _answer(session: SessionDep, seeds: list[str], extent: Extent, readable: ReadableDep) -> GraphAnswer:
    graph = queries.graph(session, seeds, extent, readable)
    return GraphAnswer.model_validate(
        {
            "focus": graph.focus,
            "nodes": graph.nodes,
            "edges": graph.edges,
            "truncated": graph.truncated,
            "more": {"upstream": graph.more_upstream, "downstream": graph.more_downstream},
        },
        from_attributes=True,
    )


@router.get("/dags/{dag_id}/graph", dependencies=[ReadDagRuns])
def dag_graph(dag_id: str, session: SessionDep, readable: ReadableDep, extent: AroundRun) -> GraphAnswer:
    """The latest Dag run that has lineage."""
    run = queries.latest_dag_run(session, dag_id)
    return _answer(session, queries.dag_run_seeds(session, dag_id, run), extent, readable)


@router.get("/dags/{dag_id}/runs/{dag_run_id}/graph", dependencies=[ReadDagRuns])
def dag_run_graph(
    dag_id: str, dag_run_id: str, session: SessionDep, readable: ReadableDep, extent: AroundRun
) -> GraphAnswer:
    """All task runs of a Dag run, and what they read and wrote."""
    return _answer(session, queries.dag_run_seeds(session, dag_id, dag_run_id), extent, readable)


@router.get("/dags/{dag_id}/tasks/{task_id}/graph", dependencies=[ReadDagRuns])
def task_graph(
    dag_id: str, task_id: str, session: SessionDep, readable: ReadableDep, extent: AroundNode
) -> GraphAnswer:
    """A task in the latest Dag run that has it."""
    run = queries.latest_dag_run(session, dag_id, task_id)
    return _answer(session, queries.task_seeds(session, dag_id, run, task_id, None), extent, readable)


@router.get("/dags/{dag_id}/runs/{dag_run_id}/tasks/{task_id}/graph", dependencies=[ReadDagRuns])
def task_instance_graph(
    dag_id: str,
    dag_run_id: str,
    task_id: str,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
    map_index: Annotated[int, Query(ge=-1)] = -1,
) -> GraphAnswer:
    """A task instance, with all its tries."""
    return _answer(session, queries.task_seeds(session, dag_id, dag_run_id, task_id, map_index), extent, readable)


@router.get("/artifacts/{digest}/graph")
def artifact_graph(digest: Digest, session: SessionDep, readable: ReadableDep, extent: AroundNode) -> GraphAnswer:
    """An artifact: where it came from, and what came of it."""
    return _answer(session, [readable_artifact(session, digest, readable).id], extent, readable)
