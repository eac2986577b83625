"""Details of one run and of one artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path

from sematic_airflow_provider.artifacts.codecs.promises import promises_of
from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.models import DataRow
from sematic_airflow_provider.db.nodes import Readable, nodes, run_nodes
from sematic_airflow_provider.lineage.graph import RunNode
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
    error = _object(facets.get("errorMessage"))
    return RunAnswer.model_validate(
        {
            "node": node,
            "inputs": [{"label": p.label, "node": data[p.node_id]} for p in ports if p.direction == "read"],
            "outputs": [{"label": p.label, "node": data[p.node_id]} for p in ports if p.direction == "write"],
            "step": _facet(facets, "sematic_step"),
            "source": _object(_object(facets.get("job")).get("sourceCode")).get("sourceCode"),
            "provenance": provenance_of(facets),
            "cache": _cache(facets, readable),
            "resources": _facet(facets, "sematic_resources"),
            "metrics": _object(_object(facets.get("sematic_metrics")).get("metrics")),
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
    schema = _object(facets.get("schema")).get("fields")
    statistics = {k: v for k, v in _object(facets.get("outputStatistics")).items() if not k.startswith("_")}
    return ArtifactAnswer.model_validate(
        {
            "node": node,
            "producers": _runs(session, node.id, "write", readable),
            "consumers": _runs(session, node.id, "read", readable),
            "schema_fields": [f for f in schema if isinstance(f, Mapping) and "name" in f]
            if isinstance(schema, list)
            else [],
            "statistics": statistics,
            "first_seen": row.first_seen,
            "deterministic": promises.deterministic,
            "depends_on": promises.depends_on,
            "pickle": promises.pickle,
        },
        from_attributes=True,
    )


def _runs(session: SessionDep, node_id: str, direction: str, readable: ReadableDep) -> list[RunNode]:
    return run_nodes(session, queries.runs_that_touched(session, node_id, direction), readable)


def _cache(facets: Mapping[str, Any], readable: Readable) -> dict[str, Any] | None:
    """What the cache had; whose outputs were used is told to those who may read that Dag."""
    found = _facet(facets, "sematic_cache")
    origin = _object(found.get("computedBy")).get("dagId") if found else None
    if not found or not origin or readable(str(origin)):
        return found
    return found | {"computedBy": None, "reason": "computed by a task of a Dag that you may not read"}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _facet(facets: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A facet without the bookkeeping that every facet has."""
    found = facets.get(name)
    return (
        {key: value for key, value in found.items() if not key.startswith("_")} if isinstance(found, Mapping) else None
    )
