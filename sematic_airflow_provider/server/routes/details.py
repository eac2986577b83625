"""Details of one run and of one artifact."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from sematic_airflow_provider.artifacts.codecs.promises import promises_of
from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.models import DataRow
from sematic_airflow_provider.db.nodes import nodes, run_nodes
from sematic_airflow_provider.lineage.exports.facts import content, without_hidden_origin
from sematic_airflow_provider.lineage.graph import RunNode
from sematic_airflow_provider.lineage.shapes import items, mapping
from sematic_airflow_provider.server.access import ReadableDep, readable_artifact, readable_run
from sematic_airflow_provider.server.provenance import provenance_of
from sematic_airflow_provider.server.routes.graphs import Digest
from sematic_airflow_provider.server.schemas import ArtifactAnswer, RunAnswer
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["details"])


@router.get("/runs/{run_id}")
def run_details(
    run_id: Annotated[UUID, Path(description="an OpenLineage run id")], session: SessionDep, readable: ReadableDep
) -> RunAnswer:
    """All that the events of a run have told."""
    row = readable_run(session, str(run_id), readable)
    (node,) = run_nodes(session, [row], readable)
    facets = queries.run_facets(session, row)
    ports = queries.reads_and_writes(session, row.run_id)
    data = nodes(session, sorted({port.node_id for port in ports}), readable)
    error = mapping(facets.get("errorMessage"))
    return RunAnswer.model_validate(
        {
            "node": node,
            "inputs": [{"label": p.label, "node": data[p.node_id]} for p in ports if p.direction == "read"],
            "outputs": [{"label": p.label, "node": data[p.node_id]} for p in ports if p.direction == "write"],
            "step": content(facets.get("sematic_step")) or None,
            "source": mapping(mapping(facets.get("job")).get("sourceCode")).get("sourceCode"),
            "provenance": provenance_of(facets),
            "cache": without_hidden_origin(content(facets.get("sematic_cache")), readable) or None,
            "resources": content(facets.get("sematic_resources")) or None,
            "metrics": mapping(mapping(facets.get("sematic_metrics")).get("metrics")),
            "error": {"message": str(error.get("message", "")), "stack_trace": error.get("stackTrace")}
            if error
            else None,
            "tries": run_nodes(session, queries.tries(session, row)),
            "event_count": row.event_count,
        },
        from_attributes=True,
    )


@router.get("/artifacts/{digest}")
def artifact_details(digest: Digest, session: SessionDep, readable: ReadableDep) -> ArtifactAnswer:
    """An artifact: who made it, who used it, and what it looks like."""
    node = readable_artifact(session, digest, readable)
    facets = queries.write_facets(session, node.id)
    row = session.get_one(DataRow, node.id)
    promises = promises_of(node.codec or "")
    schema = mapping(facets.get("schema")).get("fields")
    return ArtifactAnswer.model_validate(
        {
            "node": node,
            "producers": _runs(session, node.id, "write", readable),
            "consumers": _runs(session, node.id, "read", readable),
            "schema_fields": [one for one in items(schema) if "name" in mapping(one)],
            "statistics": content(facets.get("outputStatistics")),
            "first_seen": row.first_seen,
            "deterministic": promises.deterministic,
            "depends_on": promises.depends_on,
            "pickle": promises.pickle,
        },
        from_attributes=True,
    )


def _runs(session: SessionDep, node_id: str, direction: str, readable: ReadableDep) -> list[RunNode]:
    return run_nodes(session, queries.runs_that_touched(session, node_id, direction), readable)
