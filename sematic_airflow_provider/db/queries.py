"""Questions to the projection."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.edges import Window, edges_of
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow
from sematic_airflow_provider.db.neighbours import StoredNeighbours
from sematic_airflow_provider.db.nodes import Readable, everything, nodes, run_rows
from sematic_airflow_provider.db.packed import facets
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.graph import Direction, LineageGraph, assemble, walk
from sematic_airflow_provider.lineage.naming import dataset_key

_MAX_SEEDS = 2000
_MAX_EDGES = 10_000  # of a data set, in each direction, among which its versions are looked for


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a graph goes."""

    depth: int
    direction: Direction = "both"
    max_nodes: int = 500


def dag_run_seeds(session: Session, dag_id: str, dag_run_id: str) -> list[str]:
    """The node ids of a Dag run's task runs, oldest first, and of the runs of other producers that it started without a task.

    Raises:
        NodeNotFoundError: it has no lineage.
    """
    query = select(RunRow.run_id).where(
        RunRow.dag_id == dag_id, RunRow.dag_run_id == dag_run_id, RunRow.task_id.is_not(None)
    )
    own = select(RunRow.run_id).where(
        RunRow.dag_id == dag_id, RunRow.dag_run_id == dag_run_id, RunRow.task_id.is_(None)
    )
    parts = select(RunRow.run_id).where(RunRow.parent_run_id.in_(own), RunRow.dag_id.is_(None))
    beside = [f"run:{run_id}" for run_id in session.scalars(parts.order_by(RunRow.run_id).limit(_MAX_SEEDS))]
    try:
        return [*_seeds(session, query, f"Dag run {dag_run_id} of {dag_id}"), *beside]
    except NodeNotFoundError:
        if not beside:
            raise
        return beside


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
    query = select(RunRow.dag_run_id).where(RunRow.dag_id == dag_id, RunRow.dag_run_id.is_not(None))
    query = query.where(RunRow.task_id.is_not(None) if task_id is None else RunRow.task_id == task_id)
    found = session.scalar(query.order_by(RunRow.first_at.desc()).limit(1))
    if found is not None:
        return found
    raise NodeNotFoundError(f"{f'task {task_id} of {dag_id}' if task_id else dag_id} has no lineage yet")


def artifact_seed(session: Session, digest: str) -> list[str]:
    """The node id of an artifact.

    Raises:
        NodeNotFoundError: no event has told of it.
    """
    node_id = f"artifact:{digest}"
    if session.get(DataRow, node_id) is None:
        raise NodeNotFoundError(f"no lineage of an artifact {digest}")
    return [node_id]


def dataset_seeds(session: Session, namespace: str, name: str, version: str | None = None) -> list[str]:
    """The node ids of a data set, those read or written last first: of all its versions, or of the one that is named.

    The same bytes may be known by another name too, so it is the reads and writes under this name that count.

    Raises:
        NodeNotFoundError: no event has told of it.
    """
    key = dataset_key(namespace, name)
    told: dict[str, dt.datetime] = {}
    for direction in ("write", "read"):
        query = select(IoRow.node_id, IoRow.at).where(IoRow.dataset_key == key, IoRow.direction == direction)
        for node_id, at in session.execute(query.order_by(IoRow.at.desc()).limit(_MAX_EDGES)):
            told[node_id] = max(at, told.get(node_id, at))
    ids = sorted(told, key=lambda node_id: (told[node_id], node_id), reverse=True)[:_MAX_SEEDS]
    if version is not None:
        matching: set[str] = set()
        for chunk in chunks(ids):
            of = or_(DataRow.version == version, DataRow.digest == version)
            matching.update(session.scalars(select(DataRow.node_id).where(DataRow.node_id.in_(chunk), of)))
        ids = [node_id for node_id in ids if node_id in matching]
    if not ids:
        told_of = f"version {version} of " if version is not None else ""
        raise NodeNotFoundError(f"no lineage of {told_of}a data set {name} in {namespace}")
    return ids


def run_seeds(session: Session, run_id: str) -> list[str]:
    """The node ids that a run stands for: of a Dag run all of its tasks, of any other itself.

    Raises:
        NodeNotFoundError: no event has told of it.
    """
    row = run_row(session, run_id)
    if row.task_id is None and row.dag_id is not None and row.dag_run_id is not None:
        return dag_run_seeds(session, row.dag_id, row.dag_run_id)
    return [f"run:{row.run_id}"]


def graph(session: Session, seeds: Sequence[str], extent: Extent, readable: Readable = everything) -> LineageGraph:
    """The lineage around some nodes, with what the asker may not read locked."""
    neighbours = StoredNeighbours(session, seeds, extent.max_nodes)
    found = walk(seeds, neighbours, depth=extent.depth, direction=extent.direction, max_nodes=extent.max_nodes)
    return assemble(found, nodes(session, list(found.ids), readable, found.edges))


def run_row(session: Session, run_id: str) -> RunRow:
    """One run.

    Raises:
        NodeNotFoundError: no event has told of it.
    """
    row = session.get(RunRow, run_id)
    if row is None:
        raise NodeNotFoundError(f"no lineage of a run {run_id}")
    return row


def dags_of_runs(session: Session, run_ids: Sequence[str]) -> dict[str, str]:
    """The Dags that these runs are known to be of; those of no Dag are left out."""
    found: dict[str, str] = {}
    for chunk in chunks(run_ids):
        query = select(RunRow.run_id, RunRow.dag_id).where(RunRow.run_id.in_(chunk), RunRow.dag_id.is_not(None))
        found.update((run_id, dag_id) for run_id, dag_id in session.execute(query) if dag_id)
    return found


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
    (edges,) = edges_of(session, [Window(node_id)], direction, limit)
    run_ids = list(dict.fromkeys(io.run_id for io in edges))
    rows = {row.run_id: row for row in run_rows(session, run_ids)}
    return [rows[run_id] for run_id in run_ids if run_id in rows]


def write_facets(session: Session, node_id: str) -> Mapping[str, Any]:
    """The facets of some write of an artifact: equal bytes have equal facts."""
    query = select(IoRow.facets).where(IoRow.node_id == node_id, IoRow.direction == "write")
    packed = session.scalar(query.order_by(IoRow.at, IoRow.id).limit(1))
    return facets(session, [packed])[0] if packed else {}


def run_facets(session: Session, row: RunRow) -> dict[str, Any]:
    """The facets of a run, and those of its job under ``job``."""
    return facets(session, [row.facets])[0]


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


def _seeds(session: Session, query: Select[Any], what: str) -> list[str]:
    ids = session.scalars(query.order_by(RunRow.started_at, RunRow.try_number, RunRow.run_id).limit(_MAX_SEEDS)).all()
    if not ids:
        raise NodeNotFoundError(f"{what} has no lineage yet")
    return [f"run:{run_id}" for run_id in ids]
