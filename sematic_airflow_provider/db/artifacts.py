"""Questions to the lineage tables and XCom about artifacts: which there are, and which one somebody means."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.ref import NO_VALUE, ArtifactRef
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow


@dataclass(frozen=True, slots=True)
class Filter:
    """Which artifacts to list: all conditions hold. ``name`` may hold ``*`` for any characters; ``type`` is a part of a type's name or of a codec's."""

    dag_id: str | None = None
    type: str | None = None
    name: str | None = None
    since: dt.datetime | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """An artifact, with the first run that is known to have written it."""

    ref: ArtifactRef
    first_seen: dt.datetime
    writer: RunRow | None


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """One XCom of one task instance."""

    dag_id: str
    run_id: str
    task_id: str
    key: str
    map_index: int


@dataclass(frozen=True, slots=True)
class Written:
    """An artifact that runs of a Dag wrote under a name, and how often they did."""

    ref: ArtifactRef
    dag_id: str | None
    name: str
    times: int


def recorded(session: Session, digest: str) -> ArtifactRef | None:
    """The artifact of this digest as lineage knows it."""
    row = session.get(DataRow, f"artifact:{digest}")
    return None if row is None else _ref(row)


def digests_beginning_with(session: Session, prefix: str, limit: int) -> list[Digest]:
    """Digests that lineage knows, in order."""
    query = (
        select(DataRow.digest).where(DataRow.digest >= prefix, DataRow.digest < f"{prefix}g").order_by(DataRow.digest)
    )
    return [Digest(found) for found in session.scalars(query.limit(limit)) if found]


def listed(session: Session, wanted: Filter) -> list[Listed]:
    """Artifacts, the latest first."""
    written = select(IoRow.id).where(IoRow.node_id == DataRow.node_id, IoRow.direction == "write")
    query = select(DataRow).where(DataRow.digest.is_not(None))
    if wanted.dag_id is not None:
        query = query.where(
            exists(written.join(RunRow, RunRow.run_id == IoRow.run_id).where(RunRow.dag_id == wanted.dag_id))
        )
    if wanted.name is not None:
        query = query.where(exists(written.where(IoRow.name.like(_pattern(wanted.name), escape="\\"))))
    if wanted.type is not None:
        pattern = _pattern(f"*{wanted.type}*")
        query = query.where(DataRow.type.like(pattern, escape="\\") | DataRow.codec.like(pattern, escape="\\"))
    if wanted.since is not None:
        query = query.where(DataRow.first_seen >= wanted.since)
    rows = session.scalars(query.order_by(DataRow.first_seen.desc(), DataRow.node_id).limit(wanted.limit)).all()
    writers = _writers(session, [row.node_id for row in rows], wanted.dag_id)
    return [Listed(_ref(row), row.first_seen, writers.get(row.node_id)) for row in rows]


def written(session: Session) -> Iterator[Written]:
    """Each artifact with each Dag and name that it was written under, and how often."""
    known = {row.node_id: _ref(row) for row in session.scalars(select(DataRow).where(DataRow.digest.is_not(None)))}
    query = (
        select(IoRow.node_id, RunRow.dag_id, IoRow.name, func.count())
        .join(RunRow, RunRow.run_id == IoRow.run_id)
        .join(DataRow, DataRow.node_id == IoRow.node_id)
        .where(IoRow.direction == "write", DataRow.digest.is_not(None))
        .group_by(IoRow.node_id, RunRow.dag_id, IoRow.name)
    )
    for node_id, dag_id, name, times in session.execute(query):
        if node_id in known:
            yield Written(known[node_id], dag_id, name, times)


def output_of(output: TaskOutput) -> tuple[Any, bool]:
    """The value of an XCom row, and whether there is one."""
    query = select(XComModel.value).where(
        XComModel.dag_id == output.dag_id,
        XComModel.run_id == output.run_id,
        XComModel.task_id == output.task_id,
        XComModel.key == output.key,
        XComModel.map_index == output.map_index,
    )
    with create_session(scoped=False) as airflow:
        found = airflow.execute(query).first()
    return (None, False) if found is None else (found[0], True)


def other_outputs(output: TaskOutput, limit: int = 20) -> list[TaskOutput]:
    """What XComs there are of the task, where the one that was asked for is not."""
    query = select(XComModel.key, XComModel.map_index).where(
        XComModel.dag_id == output.dag_id, XComModel.run_id == output.run_id, XComModel.task_id == output.task_id
    )
    with create_session(scoped=False) as airflow:
        rows = airflow.execute(query.order_by(XComModel.key, XComModel.map_index).limit(limit)).all()
    return [TaskOutput(output.dag_id, output.run_id, output.task_id, key, index) for key, index in rows]


def told_output(session: Session, output: TaskOutput) -> ArtifactRef | None:
    """What lineage says that the last try of a task instance wrote under this key, whether its XCom is still there or not."""
    query = (
        select(DataRow)
        .join(IoRow, IoRow.node_id == DataRow.node_id)
        .join(RunRow, RunRow.run_id == IoRow.run_id)
        .where(
            RunRow.dag_id == output.dag_id,
            RunRow.dag_run_id == output.run_id,
            RunRow.task_id == output.task_id,
            RunRow.map_index == output.map_index,
            IoRow.direction == "write",
            IoRow.label == output.key,
            DataRow.digest.is_not(None),
        )
        .order_by(RunRow.try_number.desc())
        .limit(1)
    )
    row = session.scalars(query).first()
    return None if row is None else _ref(row)


def _ref(row: DataRow) -> ArtifactRef:
    value = NO_VALUE if row.value is None else json.loads(row.value)
    return ArtifactRef(Digest(row.digest or ""), row.codec or "", row.type or "", row.size or 0, row.name, value)


def _writers(session: Session, node_ids: list[str], dag_id: str | None) -> dict[str, RunRow]:
    found: dict[str, RunRow] = {}
    for chunk in chunks(node_ids):
        query = (
            select(IoRow.node_id, RunRow)
            .join(RunRow, RunRow.run_id == IoRow.run_id)
            .where(IoRow.node_id.in_(chunk), IoRow.direction == "write")
            .order_by(IoRow.id)
        )
        if dag_id is not None:
            query = query.where(RunRow.dag_id == dag_id)
        for node_id, row in session.execute(query):
            found.setdefault(node_id, row)
    return found


def _pattern(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return text.replace("*", "%")
