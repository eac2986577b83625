"""Questions to the projection. Each hop of a walk is one query by index, whatever the size of the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.graph import (
    ArtifactNode,
    DatasetNode,
    Direction,
    Edge,
    LineageGraph,
    Node,
    RunNode,
    artifact_label,
    assemble,
    lock,
    run_label,
    walk,
)

_CHUNK = 400
_MAX_SEEDS = 2000
Readable = Callable[[], Collection[str]] | None
"""Gives the ids of the Dags that the asker may read; None: all."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a graph goes."""

    depth: int
    direction: Direction = "both"
    max_nodes: int = 500


def dag_run_seeds(session: Session, dag_id: str, dag_run_id: str) -> list[str]:
    """The node ids of a Dag run's task runs, oldest first.

    Raises:
        NodeNotFoundError: it has no lineage.
    """
    query = select(RunRow.run_id).where(
        RunRow.dag_id == dag_id, RunRow.dag_run_id == dag_run_id, RunRow.task_id.is_not(None)
    )
    return _seeds(session, query, f"Dag run {dag_run_id} of {dag_id}")


def task_seeds(session: Session, dag_id: str, dag_run_id: str, task_id: str, map_index: int | None) -> list[str]:
    """The node ids of all tries of a task instance; of all mapped instances where ``map_index`` is None.

    Raises:
        NodeNotFoundError: it has no lineage.
    """
    query = select(RunRow.run_id).where(
        RunRow.dag_id == dag_id, RunRow.dag_run_id == dag_run_id, RunRow.task_id == task_id
    )
    if map_index is not None:
        query = query.where(RunRow.map_index == map_index)
    return _seeds(session, query, f"task {task_id} of Dag run {dag_run_id} of {dag_id}")


def latest_dag_run(session: Session, dag_id: str, task_id: str | None = None) -> str:
    """The Dag run that started last among those with lineage, of this task where one is named.

    Raises:
        NodeNotFoundError: there is none.
    """
    query = select(RunRow.dag_run_id).where(RunRow.dag_id == dag_id, RunRow.task_id.is_not(None))
    if task_id is not None:
        query = query.where(RunRow.task_id == task_id)
    found = session.scalar(query.order_by(RunRow.started_at.is_(None), RunRow.started_at.desc()).limit(1))
    if found is None:
        what = f"task {task_id} of {dag_id}" if task_id else dag_id
        raise NodeNotFoundError(f"{what} has no lineage yet")
    return found


def artifact_seed(session: Session, digest: str) -> list[str]:
    """The node id of an artifact.

    Raises:
        NodeNotFoundError: no event has told of it.
    """
    node_id = f"artifact:{digest}"
    if session.get(DataRow, node_id) is None:
        raise NodeNotFoundError(f"no lineage of an artifact {digest}")
    return [node_id]


def graph(session: Session, seeds: Sequence[str], extent: Extent, readable: Readable = None) -> LineageGraph:
    """The lineage around some nodes, with what the asker may not read locked."""
    found = walk(seeds, _Edges(session), depth=extent.depth, direction=extent.direction, max_nodes=extent.max_nodes)
    return assemble(found, nodes(session, list(found.ids), readable))


def nodes(session: Session, node_ids: Sequence[str], readable: Readable = None) -> dict[str, Node]:
    """The nodes of these ids; data are readable when one of the runs that read or wrote them is."""
    run_rows = list(
        _by_key(session, RunRow, RunRow.run_id, [i.removeprefix("run:") for i in node_ids if i.startswith("run:")])
    )
    data_rows = list(_by_key(session, DataRow, DataRow.node_id, [i for i in node_ids if not i.startswith("run:")]))
    allowed = None if readable is None else set(readable())
    found: dict[str, Node] = {}
    for row in run_rows:
        node = run_node(row)
        found[node.id] = node if _may_read(row.dag_id, allowed) else lock(node)
    touched = _touches(session, [row.node_id for row in data_rows])
    for data in data_rows:
        touching = touched.get(data.node_id, [])
        visible = [touch for touch in touching if _may_read(touch.dag_id, allowed)]
        node_of_data = _data_node(data, visible)
        found[data.node_id] = node_of_data if visible or not touching else lock(node_of_data)
    return found


def run_row(session: Session, run_id: str) -> RunRow:
    """One run.

    Raises:
        NodeNotFoundError: no event has told of it.
    """
    row = session.get(RunRow, run_id)
    if row is None:
        raise NodeNotFoundError(f"no lineage of a run {run_id}")
    return row


def tries(session: Session, row: RunRow) -> list[RunRow]:
    """All tries of the task instance that a run is of, first to last; the run alone where it is not of Airflow."""
    if row.task_id is None or row.dag_run_id is None:
        return [row]
    query = select(RunRow).where(
        RunRow.dag_id == row.dag_id,
        RunRow.dag_run_id == row.dag_run_id,
        RunRow.task_id == row.task_id,
        RunRow.map_index == row.map_index,
    )
    return list(session.scalars(query.order_by(RunRow.try_number, RunRow.started_at)))


def reads_and_writes(session: Session, run_id: str) -> list[IoRow]:
    """The edges of one run, in the order of their labels."""
    rows = session.scalars(select(IoRow).where(IoRow.run_id == run_id)).all()
    return sorted(rows, key=lambda row: (row.direction, row.label, row.node_id))


def runs_that_touched(session: Session, node_id: str, direction: str, limit: int = 200) -> list[RunRow]:
    """The runs that wrote, or that read, an artifact or data set; latest first."""
    query = (
        select(RunRow)
        .join(IoRow, IoRow.run_id == RunRow.run_id)
        .where(IoRow.node_id == node_id, IoRow.direction == direction)
    )
    rows = session.scalars(query.order_by(RunRow.started_at.desc()).limit(limit)).all()
    return list(dict.fromkeys(rows))


def write_facets(session: Session, node_id: str) -> Mapping[str, Any]:
    """The facets of some write of an artifact: equal bytes have equal facts."""
    query = select(IoRow.facets).where(IoRow.node_id == node_id, IoRow.direction == "write").order_by(IoRow.id).limit(1)
    text = session.scalar(query)
    return json.loads(text) if text else {}


def steps_of_dag_run(session: Session, run: str, dag_id: str | None) -> list[RunRow]:
    """The last try of each task instance of a Dag run, in the order in which they started; or the one run of this id.

    Raises:
        NodeNotFoundError: there is none, or several Dags have a run of that id.
    """
    single = session.get(RunRow, run)
    if single is not None and single.task_id is not None:
        return [single]
    query = select(RunRow).where(RunRow.dag_run_id == run, RunRow.task_id.is_not(None))
    if dag_id is not None:
        query = query.where(RunRow.dag_id == dag_id)
    rows = session.scalars(query.order_by(RunRow.try_number)).all()
    dags = sorted({str(row.dag_id) for row in rows})
    if not rows:
        raise NodeNotFoundError(f"no lineage of a run {run}" + (f" of {dag_id}" if dag_id else ""))
    if len(dags) > 1:
        raise NodeNotFoundError(f"several Dags have a run {run}: say which by --dag-id ({', '.join(dags)})")
    last = {(row.task_id, row.map_index): row for row in rows}
    return sorted(last.values(), key=lambda row: (row.started_at is None, row.started_at))


def run_node(row: RunRow) -> RunNode:
    """A run as a node."""
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
    )


@dataclass(frozen=True, slots=True)
class _Touch:
    dag_id: str | None
    direction: str
    name: str
    facets: str


class _Edges:
    """The neighbours that the walk asks for."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def into(self, node_ids: Sequence[str]) -> Iterable[Edge]:
        """What wrote these data, and what these runs read."""
        return self._edges(node_ids, data_direction="write", run_direction="read")

    def out_of(self, node_ids: Sequence[str]) -> Iterable[Edge]:
        """What read these data, and what these runs wrote."""
        return self._edges(node_ids, data_direction="read", run_direction="write")

    def _edges(self, node_ids: Sequence[str], *, data_direction: str, run_direction: str) -> Iterator[Edge]:
        runs = [i.removeprefix("run:") for i in node_ids if i.startswith("run:")]
        data = [i for i in node_ids if not i.startswith("run:")]
        columns = select(IoRow.run_id, IoRow.node_id, IoRow.direction, IoRow.label)
        for chunk in _chunks(runs):
            yield from self._rows(columns.where(IoRow.run_id.in_(chunk), IoRow.direction == run_direction))
        for chunk in _chunks(data):
            yield from self._rows(columns.where(IoRow.node_id.in_(chunk), IoRow.direction == data_direction))

    def _rows(self, query: Select[str, str, str, str]) -> Iterator[Edge]:
        for run_id, node_id, direction, label in self._session.execute(query.limit(20_000)):
            run = f"run:{run_id}"
            yield Edge(node_id, run, "read", label) if direction == "read" else Edge(run, node_id, "write", label)


def _seeds(session: Session, query: Select[Any], what: str) -> list[str]:
    ids = session.scalars(query.order_by(RunRow.started_at, RunRow.try_number, RunRow.run_id).limit(_MAX_SEEDS)).all()
    if not ids:
        raise NodeNotFoundError(f"{what} has no lineage yet")
    return [f"run:{run_id}" for run_id in ids]


def _by_key(session: Session, model: Any, column: Any, keys: Sequence[str]) -> Iterator[Any]:
    for chunk in _chunks(keys):
        yield from session.scalars(select(model).where(column.in_(chunk)))


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


def _touches(session: Session, node_ids: Sequence[str]) -> dict[str, list[_Touch]]:
    """Which Dags touch these data, and under which names: one row for each name and Dag, not for each run."""
    found: dict[str, list[_Touch]] = {}
    for chunk in _chunks(node_ids):
        query = (
            select(IoRow.node_id, RunRow.dag_id, IoRow.direction, IoRow.name, func.min(IoRow.facets))
            .join(RunRow, RunRow.run_id == IoRow.run_id)
            .where(IoRow.node_id.in_(chunk))
            .group_by(IoRow.node_id, RunRow.dag_id, IoRow.direction, IoRow.name)
        )
        for node_id, dag_id, direction, name, facets in session.execute(query):
            found.setdefault(node_id, []).append(_Touch(dag_id, direction, name, facets))
    return found


def _may_read(dag_id: str | None, allowed: set[str] | None) -> bool:
    return allowed is None or dag_id is None or dag_id in allowed


def _data_node(row: DataRow, touches: Sequence[_Touch]) -> ArtifactNode | DatasetNode:
    if row.digest is None:
        return DatasetNode(row.node_id, row.name.rsplit("/", 1)[-1], row.namespace, row.name, None)
    names = sorted({t.name for t in touches if t.direction == "write"}) or sorted({t.name for t in touches})
    kinds = [json.loads(t.facets).get("datasetType", {}).get("datasetType") for t in touches]
    return ArtifactNode(
        id=row.node_id,
        label=artifact_label(names, row.digest),
        digest=row.digest,
        codec=row.codec,
        type=row.type,
        size=row.size,
        names=tuple(names),
        dataset_type=next((kind for kind in kinds if isinstance(kind, str)), None),
        value=json.loads(row.value) if row.value is not None else None,
        has_value=row.value is not None,
    )
