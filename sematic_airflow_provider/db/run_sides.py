"""Runs as they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow
from sematic_airflow_provider.db.packed import facets
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.run_difference import Port, RunSide
from sematic_airflow_provider.lineage.shapes import mapping

Contents = Callable[[Any], Any]
"""What the ref of an artifact stands for; None where it cannot be read."""

_TASKS: Final = 1_000


def last_tries(session: Session, dag_id: str, dag_run_id: str) -> dict[str, RunRow]:
    """The last try of each task instance of a Dag run, by ``task`` or ``task[map index]``.

    Raises:
        NodeNotFoundError: it has no lineage.
    """
    query = select(RunRow).where(RunRow.dag_id == dag_id, RunRow.dag_run_id == dag_run_id, RunRow.task_id.is_not(None))
    rows = session.scalars(query.order_by(RunRow.try_number, RunRow.first_at).limit(_TASKS)).all()
    if not rows:
        raise NodeNotFoundError(f"Dag run {dag_run_id} of {dag_id} has no lineage yet")
    return {f"{row.task_id}[{row.map_index}]" if row.map_index >= 0 else str(row.task_id): row for row in rows}


def sides(session: Session, rows: Sequence[RunRow], contents: Contents) -> list[RunSide]:
    """These runs, in the same order."""
    told = facets(session, [row.facets for row in rows])
    ports = _ports(session, [row.run_id for row in rows])
    found = []
    for row, facets_of_run in zip(rows, told, strict=True):
        seconds = (row.ended_at - row.started_at).total_seconds() if row.started_at and row.ended_at else None
        packages = contents(mapping(facets_of_run.get("sematic_provenance")).get("packages"))
        found.append(
            RunSide(
                state=row.state,
                duration_s=seconds,
                job=row.name,
                inputs=tuple(ports.get((row.run_id, "read"), ())),
                outputs=tuple(ports.get((row.run_id, "write"), ())),
                facets=facets_of_run,
                packages=packages if isinstance(packages, Mapping) else None,
                code=contents(mapping(facets_of_run.get("sematic_step")).get("code")),
            )
        )
    return found


def _ports(session: Session, run_ids: Iterable[str]) -> dict[tuple[str, str], list[Port]]:
    found: dict[tuple[str, str], list[Port]] = {}
    for chunk in chunks(sorted(run_ids)):
        query = (
            select(
                IoRow.run_id,
                IoRow.direction,
                IoRow.label,
                IoRow.name,
                DataRow.digest,
                DataRow.namespace,
                DataRow.version,
            )
            .join(DataRow, DataRow.node_id == IoRow.node_id)
            .where(IoRow.run_id.in_(chunk))
        )
        for run_id, direction, label, name, digest, namespace, version in session.execute(query):
            identity = digest or version or f"{namespace}/{name}"
            found.setdefault((run_id, direction), []).append((label or name, identity))
    return found
