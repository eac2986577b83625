"""The recorded steps of a run, from the lineage tables."""

from __future__ import annotations

from sematic_airflow_provider.cli.reproduce import RecordedStep
from sematic_airflow_provider.db.packed import facets as facets_of
from sematic_airflow_provider.db.queries import steps_of_dag_run
from sematic_airflow_provider.db.sessions import lineage_session


def recorded_steps(run: str, dag_id: str | None) -> list[RecordedStep]:
    """The steps of a Dag run, or the one of a single run, in the order in which they ran.

    Raises:
        NodeNotFoundError: there is no lineage of it, or several Dags have a run of that id.
    """
    with lineage_session() as session:
        rows = steps_of_dag_run(session, run, dag_id)
        return [
            RecordedStep(
                label=f"{row.task_id}{f'[{row.map_index}]' if row.map_index >= 0 else ''}",
                task_id=str(row.task_id),
                facet=facets.get("sematic_step"),
                seed=((facets.get("sematic_provenance") or {}).get("seeds") or {}).get("python"),
            )
            for row, facets in zip(rows, facets_of(session, [row.facets for row in rows]), strict=True)
        ]
