"""What changed between two runs, or two Dag runs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from sematic_airflow_provider.db.nodes import run_nodes
from sematic_airflow_provider.db.run_sides import last_tries, sides
from sematic_airflow_provider.lineage.run_difference import dag_run_difference, difference
from sematic_airflow_provider.server.access import ReadableDep, ReadDagRuns, readable_run
from sematic_airflow_provider.server.contents import content_of
from sematic_airflow_provider.server.schemas import DifferenceAnswer
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["differences"])


@router.get("/runs/{run_id}/difference/{other_run_id}")
def run_difference(
    run_id: Annotated[UUID, Path(description="an OpenLineage run id: what was before")],
    other_run_id: Annotated[UUID, Path(description="the run to compare it with: what came after")],
    session: SessionDep,
    readable: ReadableDep,
) -> DifferenceAnswer:
    """What changed from one run to another, of the same job or not; of the runs of Dags, task by task."""
    rows = [readable_run(session, str(one), readable) for one in (run_id, other_run_id)]
    if all(row.task_id is None and row.dag_run_id is not None for row in rows):
        return _of_dag_runs(session, readable, *((str(row.dag_id), str(row.dag_run_id)) for row in rows))
    missing: list[str] = []
    before, after = sides(session, rows, content_of(missing))
    before_node, after_node = run_nodes(session, rows, readable)
    return DifferenceAnswer.model_validate(
        {"before": [before_node], "after": [after_node], "changes": difference(before, after), "missing": missing},
        from_attributes=True,
    )


@router.get("/dags/{dag_id}/runs/{dag_run_id}/difference/{other_dag_run_id}", dependencies=[ReadDagRuns])
def dag_run_differences(
    dag_id: str,
    dag_run_id: str,
    other_dag_run_id: str,
    session: SessionDep,
    readable: ReadableDep,
) -> DifferenceAnswer:
    """What changed from one run of a Dag to another, task by task: the last try of each."""
    return _of_dag_runs(session, readable, (dag_id, dag_run_id), (dag_id, other_dag_run_id))


def _of_dag_runs(
    session: SessionDep, readable: ReadableDep, one: tuple[str, str], other: tuple[str, str]
) -> DifferenceAnswer:
    missing: list[str] = []
    read = content_of(missing)
    before, after = last_tries(session, *one), last_tries(session, *other)
    named = [dict(zip(rows, sides(session, list(rows.values()), read), strict=True)) for rows in (before, after)]
    return DifferenceAnswer.model_validate(
        {
            "before": run_nodes(session, list(before.values()), readable),
            "after": run_nodes(session, list(after.values()), readable),
            "changes": dag_run_difference(*named),
            "missing": missing,
        },
        from_attributes=True,
    )
