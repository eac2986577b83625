"""What used something: which runs, models, inferences and Dags, directly or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query

from sematic_airflow_provider.db.affected import affected
from sematic_airflow_provider.lineage.affected import Affected
from sematic_airflow_provider.server.access import ReadableDep, readable_artifact, readable_dataset, readable_node
from sematic_airflow_provider.server.paging import CursorText, Limit, offset_cursor, offset_of
from sematic_airflow_provider.server.routes.graphs import Digest, Name, Namespace, NodeId, Version
from sematic_airflow_provider.server.schemas import AffectedAnswer
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["affected"])

Kind = Literal["runs", "inferences", "models", "predictions", "outputs", "dags"]
_KINDS: Final[tuple[Kind, ...]] = ("runs", "inferences", "models", "predictions", "outputs", "dags")

OfKind = Annotated[
    Kind | None, Query(description="only items of this kind; a `cursor` is of the kind that it came with")
]
MaxNodes = Annotated[
    int, Query(ge=1, le=5000, description="runs and data to look at; `truncated` says if there are more")
]


@router.get("/artifacts/{digest}/affected")
def affected_by_artifact(
    digest: Digest,
    session: SessionDep,
    readable: ReadableDep,
    kind: OfKind = None,
    limit: Limit = 50,
    cursor: CursorText = None,
    max_nodes: MaxNodes = 2000,
) -> AffectedAnswer:
    """What used an artifact."""
    seeds = [readable_artifact(session, digest, readable).id]
    return _answer(affected(session, seeds, max_nodes, readable), seeds, kind, limit, cursor)


@router.get("/datasets/affected")
def affected_by_dataset(
    namespace: Namespace,
    name: Name,
    session: SessionDep,
    readable: ReadableDep,
    version: Version = None,
    kind: OfKind = None,
    limit: Limit = 50,
    cursor: CursorText = None,
    max_nodes: MaxNodes = 2000,
) -> AffectedAnswer:
    """What used a data set: any of its versions, or one."""
    seeds = readable_dataset(session, namespace, name, version, readable)
    return _answer(affected(session, seeds, max_nodes, readable), seeds, kind, limit, cursor)


@router.get("/nodes/{node_id}/affected")
def affected_by_node(
    node_id: NodeId,
    session: SessionDep,
    readable: ReadableDep,
    kind: OfKind = None,
    limit: Limit = 50,
    cursor: CursorText = None,
    max_nodes: MaxNodes = 2000,
) -> AffectedAnswer:
    """What used an artifact or a version of a data set, or what a run wrote."""
    seeds = [readable_node(session, node_id, readable)]
    return _answer(affected(session, seeds, max_nodes, readable), seeds, kind, limit, cursor)


def _answer(found: Affected, seeds: Sequence[str], kind: Kind | None, limit: int, cursor: str | None) -> AffectedAnswer:
    start = offset_of(cursor)
    answer: dict[str, Any] = {
        "focus": seeds,
        "truncated": found.truncated,
        "counts": {one: len(getattr(found, one)) for one in _KINDS},
    }
    for one in _KINDS:
        items = getattr(found, one) if kind in (None, one) else ()
        page = items[start : start + limit]
        answer[one] = {
            "items": page,
            "next": offset_cursor(start + limit) if len(items) > start + limit else None,
        }
    return AffectedAnswer.model_validate(answer, from_attributes=True)
