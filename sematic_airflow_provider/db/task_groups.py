"""Which task group tasks are in, as the starts of their Dag runs told it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import RunRow
from sematic_airflow_provider.db.packed import facets
from sematic_airflow_provider.lineage.graph import LineageGraph, RunNode
from sematic_airflow_provider.lineage.shapes import mapping

_DAG_RUNS: Final = 20  # in one graph; the groups of others are told by the ids of their tasks


def task_groups(session: Session, graph: LineageGraph) -> dict[tuple[str, str], str]:
    """By Dag and task the id of its group, empty where it is in none; of the first Dag runs in a graph that have told."""
    asked = dict.fromkeys(
        (node.dag_id, node.dag_run_id)
        for node in graph.nodes
        if isinstance(node, RunNode) and node.dag_id and node.dag_run_id and not node.locked
    )
    found: dict[tuple[str, str], str] = {}
    for dag_id, dag_run_id in list(asked)[:_DAG_RUNS]:
        query = select(RunRow.facets).where(
            RunRow.dag_id == dag_id, RunRow.dag_run_id == dag_run_id, RunRow.task_id.is_(None)
        )
        for told in facets(session, list(session.scalars(query.limit(2)))):
            tasks = mapping(mapping(mapping(told.get("job")).get("airflow")).get("tasks"))
            for task_id, task in tasks.items():
                group = mapping(task).get("task_group")
                found[str(dag_id), str(task_id)] = group if isinstance(group, str) else ""
    return found
