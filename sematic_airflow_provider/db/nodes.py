"""Nodes of the graph from the rows of the projection, with what the asker may not read locked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased, defer

from sematic_airflow_provider.db.edges import Io, Window, edges_of
from sematic_airflow_provider.db.families import RunFacts, run_facts
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow
from sematic_airflow_provider.lineage.graph import (
    ArtifactNode,
    DatasetNode,
    Edge,
    Node,
    RunNode,
    artifact_label,
    lock,
    run_label,
)

Readable = Callable[[str | None], bool]
"""Whether the asker may read the runs of this Dag; None asks about runs that are of no Dag."""

_TOUCHES: Final = 20
_CLOSELY: Final = 5  # nodes that are looked at once more before they are locked
_MOST: Final = 20_000  # reads and writes that are looked at then
_Parent = aliased(RunRow)
_Root = aliased(RunRow)


def everything(dag_id: str | None) -> bool:
    """For those who have the database anyway."""
    return True


def nodes(
    session: Session, node_ids: Sequence[str], readable: Readable = everything, edges: Iterable[Edge] = ()
) -> dict[str, Node]:
    """The nodes of these ids.

    Data are readable when one of the runs that read or wrote them is: one at the other end of these ``edges``, or among the latest that touched them.
    Only where few nodes would be locked is that looked at more closely.
    """
    run_ids = [i.removeprefix("run:") for i in node_ids if i.startswith("run:")]
    found: dict[str, Node] = {node.id: node for node in run_nodes(session, run_rows(session, run_ids), readable)}
    data_rows = list(_by_key(session, DataRow, DataRow.node_id, [i for i in node_ids if not i.startswith("run:")]))
    facts: dict[str, RunFacts] = {}
    touched = _touches(session, [row.node_id for row in data_rows], facts)
    dags = _dags(session, facts)
    seen = {
        node_id: visible
        for node_id, ios in touched.items()
        if (visible := [io for io in ios if readable(dags.get(io.run_id))])
    }
    seen |= _beside(session, [edge for edge in edges if not {edge.source, edge.target} & seen.keys()], found)
    locked: list[DataRow] = []
    for data in data_rows:
        if data.node_id in seen:
            found[data.node_id] = _data_node(data, seen[data.node_id])
        else:
            locked.append(data)
            found[data.node_id] = lock(_data_node(data, ()))
    if 0 < len(locked) <= _CLOSELY:
        for data in locked:
            if len(touched.get(data.node_id, ())) >= _TOUCHES and (few := _closely(session, data.node_id, readable)):
                found[data.node_id] = _data_node(data, few)
    return found


def run_nodes(session: Session, rows: Sequence[RunRow], readable: Readable = everything) -> list[RunNode]:
    """Runs as nodes, in the same order. A run that is of no Dag itself is readable to whom the run that it is part of is."""
    over = {row.run_id: (row.parent_run_id, row.root_run_id) for row in rows}
    above = sorted({run_id for pair in over.values() for run_id in pair if run_id})
    known: dict[str, tuple[str | None, str | None]] = {}
    for chunk in chunks(above):
        query = select(RunRow.run_id, RunRow.dag_id, RunRow.task_id).where(RunRow.run_id.in_(chunk))
        known.update((run_id, (dag_id, task_id)) for run_id, dag_id, task_id in session.execute(query))
    found: list[RunNode] = []
    for row in rows:
        higher = [known[run_id] for run_id in over[row.run_id] if run_id in known]
        dag_id = row.dag_id or next((dag for dag, _ in higher if dag), None)
        parent = known.get(row.parent_run_id or "")
        is_part = parent is not None and row.task_id is None and not (parent[0] and not parent[1])
        node = _run_node(row, f"run:{row.parent_run_id}" if is_part else None)
        locked = lock(node) if not readable(dag_id) else node
        found.append(locked)  # type: ignore[arg-type] # a run stays a run
    return found


def _run_node(row: RunRow, parent: str | None) -> RunNode:
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
        parent=parent,
        integration=row.integration,
    )


def _touches(session: Session, node_ids: Sequence[str], facts: dict[str, RunFacts]) -> dict[str, list[Io]]:
    """The latest writes and reads of these data."""
    found: dict[str, list[Io]] = {}
    windows = [Window(node_id) for node_id in node_ids]
    for direction in ("write", "read"):
        for node_id, ios in zip(node_ids, edges_of(session, windows, direction, _TOUCHES, facts), strict=True):
            found.setdefault(node_id, []).extend(ios)
    return found


def _dags(session: Session, facts: Mapping[str, RunFacts]) -> dict[str, str]:
    """The Dags that runs are of, by themselves or by what they are part of; those of no Dag are left out."""
    found = {run_id: run.dag_id for run_id, run in facts.items() if run.dag_id is not None}
    stray = {
        run_id: [one for one in (run.parent_run_id, run.root_run_id) if one]
        for run_id, run in facts.items()
        if run.dag_id is None
    }
    above = sorted({one for some in stray.values() for one in some} - found.keys())
    known = {run_id: run.dag_id for run_id, run in run_facts(session, above).items() if run.dag_id} | found
    for run_id, some in stray.items():
        dag = next((known[one] for one in some if one in known), None)
        if dag:
            found[run_id] = dag
    return found


def _beside(session: Session, edges: Iterable[Edge], found: Mapping[str, Node]) -> dict[str, list[Io]]:
    """By data node the reads and writes, of these edges, by runs that are readable."""
    runs: set[str] = set()
    data: set[str] = set()
    for edge in edges:
        run, other = (edge.target, edge.source) if edge.kind == "read" else (edge.source, edge.target)
        if run in found and not found[run].locked:
            runs.add(run.removeprefix("run:"))
            data.add(other)
    beside: dict[str, list[Io]] = {}
    columns = [getattr(IoRow, name) for name in Io._fields]
    for chunk in chunks(sorted(runs)):
        for row in session.execute(select(*columns).where(IoRow.run_id.in_(chunk))):
            io = Io(*row)
            if io.node_id in data:
                beside.setdefault(io.node_id, []).append(io)
    return beside


def _closely(session: Session, node_id: str, readable: Readable) -> list[Io]:
    """Of data that many runs touch, one read or write for each Dag that may be read."""
    some = select(IoRow.id, IoRow.run_id).where(IoRow.node_id == node_id).limit(_MOST).subquery()
    dag_id = func.coalesce(RunRow.dag_id, _Parent.dag_id, _Root.dag_id)
    query = (
        select(dag_id, func.min(some.c.id))
        .select_from(some)
        .join(RunRow, RunRow.run_id == some.c.run_id)
        .join(_Parent, _Parent.run_id == RunRow.parent_run_id, isouter=True)
        .join(_Root, _Root.run_id == RunRow.root_run_id, isouter=True)
        .group_by(dag_id)
    )
    ids = [edge_id for dag, edge_id in session.execute(query) if readable(dag)]
    rows = session.scalars(select(IoRow).where(IoRow.id.in_(ids[:_TOUCHES]))).all()
    return [Io(*(getattr(row, name) for name in Io._fields)) for row in rows]


def _data_node(row: DataRow, touches: Sequence[Io]) -> ArtifactNode | DatasetNode:
    kind = next((io.dataset_type for io in touches if io.dataset_type), None)
    if row.digest is None:
        label = row.name.rsplit("/", 1)[-1] or row.name
        return DatasetNode(row.node_id, label, row.namespace, row.name, row.version, dataset_type=kind)
    names = sorted({io.name for io in touches if io.direction == "write"}) or sorted({io.name for io in touches})
    return ArtifactNode(
        id=row.node_id,
        label=artifact_label(names, row.digest),
        digest=row.digest,
        codec=row.codec,
        type=row.type,
        size=row.size,
        names=tuple(names),
        dataset_type=kind,
        value=json.loads(row.value) if row.value is not None else None,
        has_value=row.value is not None,
    )


def run_rows(session: Session, run_ids: Sequence[str]) -> list[RunRow]:
    """The rows of these runs, without their facets."""
    found: list[RunRow] = []
    for chunk in chunks(run_ids):
        found += session.scalars(select(RunRow).where(RunRow.run_id.in_(chunk)).options(defer(RunRow.facets)))
    return found


def _by_key(session: Session, model: Any, column: Any, keys: Sequence[str]) -> Iterator[Any]:
    for chunk in chunks(keys):
        yield from session.scalars(select(model).where(column.in_(chunk)))
