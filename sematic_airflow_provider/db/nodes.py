"""Nodes of the graph from the rows of the projection, with what the asker may not read locked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow
from sematic_airflow_provider.db.neighbours import chunks
from sematic_airflow_provider.lineage.graph import (
    ArtifactNode,
    DatasetNode,
    Node,
    RunNode,
    artifact_label,
    lock,
    run_label,
)

Readable = Callable[[str | None], bool]
"""Whether the asker may read the runs of this Dag; None asks about runs that are of no Dag."""

_Parent = aliased(RunRow)


def everything(dag_id: str | None) -> bool:
    """For those who have the database anyway."""
    return True


def nodes(session: Session, node_ids: Sequence[str], readable: Readable = everything) -> dict[str, Node]:
    """The nodes of these ids; data are readable when one of the runs that read or wrote them is."""
    run_ids = [i.removeprefix("run:") for i in node_ids if i.startswith("run:")]
    run_rows = list(_by_key(session, RunRow, RunRow.run_id, run_ids))
    found: dict[str, Node] = {node.id: node for node in run_nodes(session, run_rows, readable)}
    data_rows = list(_by_key(session, DataRow, DataRow.node_id, [i for i in node_ids if not i.startswith("run:")]))
    touched = _touches(session, [row.node_id for row in data_rows])
    for data in data_rows:
        visible = [touch for touch in touched.get(data.node_id, []) if readable(touch.dag_id)]
        node = _data_node(data, visible)
        found[data.node_id] = node if visible else lock(node)
    return found


def run_nodes(session: Session, rows: Sequence[RunRow], readable: Readable = everything) -> list[RunNode]:
    """Runs as nodes, in the same order. A run that is of no Dag itself is readable to whom the run that it is part of is."""
    parents = {
        row.run_id: row
        for row in _by_key(
            session, RunRow, RunRow.run_id, sorted({row.parent_run_id for row in rows if row.parent_run_id})
        )
    }
    found: list[RunNode] = []
    for row in rows:
        parent = parents.get(row.parent_run_id or "")
        node = _run_node(row)
        dag_id = row.dag_id or (parent.dag_id if parent else None)
        locked = lock(node) if not readable(dag_id) else node
        found.append(locked)  # type: ignore[arg-type] # a run stays a run
    return found


def _run_node(row: RunRow) -> RunNode:
    return RunNode(
        id=f"run:{row.run_id}",
        label=run_label(row.task_id, row.name) + (f" [{row.map_index}]" if row.map_index >= 0 else ""),
        run_id=row.run_id,
        state=row.state,
        job_namespace=row.namespace,
        job_name=row.name,
        dag_id=row.dag_id,
        dag_run_id=row.dag_run_id,
        task_id=row.task_id,
        map_index=row.map_index,
        try_number=row.try_number,
        started_at=row.started_at,
        ended_at=row.ended_at,
        cache=row.cache,
    )


@dataclass(frozen=True, slots=True)
class _Touch:
    dag_id: str | None
    direction: str
    name: str
    dataset_type: str | None


def _touches(session: Session, node_ids: Sequence[str]) -> dict[str, list[_Touch]]:
    """Which Dags touch these data, and under which names: one row for each name and Dag, not for each run."""
    found: dict[str, list[_Touch]] = {}
    dag_id = func.coalesce(RunRow.dag_id, _Parent.dag_id)
    for chunk in chunks(node_ids):
        query = (
            select(IoRow.node_id, dag_id, IoRow.direction, IoRow.name, func.min(IoRow.dataset_type))
            .join(RunRow, RunRow.run_id == IoRow.run_id)
            .join(_Parent, _Parent.run_id == RunRow.parent_run_id, isouter=True)
            .where(IoRow.node_id.in_(chunk))
            .group_by(IoRow.node_id, dag_id, IoRow.direction, IoRow.name)
        )
        for node_id, dag, direction, name, dataset_type in session.execute(query):
            found.setdefault(node_id, []).append(_Touch(dag, direction, name, dataset_type))
    return found


def _data_node(row: DataRow, touches: Sequence[_Touch]) -> ArtifactNode | DatasetNode:
    if row.digest is None:
        return DatasetNode(row.node_id, row.name.rsplit("/", 1)[-1] or row.name, row.namespace, row.name, row.version)
    names = sorted({t.name for t in touches if t.direction == "write"}) or sorted({t.name for t in touches})
    return ArtifactNode(
        id=row.node_id,
        label=artifact_label(names, row.digest),
        digest=row.digest,
        codec=row.codec,
        type=row.type,
        size=row.size,
        names=tuple(names),
        dataset_type=next((t.dataset_type for t in touches if t.dataset_type), None),
        value=json.loads(row.value) if row.value is not None else None,
        has_value=row.value is not None,
    )


def _by_key(session: Session, model: Any, column: Any, keys: Sequence[str]) -> Iterator[Any]:
    for chunk in chunks(keys):
        yield from session.scalars(select(model).where(column.in_(chunk)))
