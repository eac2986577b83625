"""What used something: which runs, models, inferences and Dags, directly or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query

from sematic_airflow_provider.db.affected import affected
from sematic_airflow_provider.server.access import ReadableDep, readable_artifact, readable_dataset, readable_node
from sematic_airflow_provider.server.paging import Page, PageDep
from sematic_airflow_provider.server.routes.graphs import Digest, Name, Namespace, NodeId, Version
from sematic_airflow_provider.server.schemas import AffectedAnswer
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["affected"])

Kind = Literal["runs", "inferences", "models", "predictions", "outputs", "dags"]
_KINDS: Final[tuple[Kind, ...]] = ("runs", "inferences", "models", "predictions", "outputs", "dags")


class _Asked(NamedTuple):
    page: Page
    kind: Kind | None
    max_nodes: int


def _asked(
    page: PageDep,
    kind: Annotated[
        Kind | None, Query(description="only items of this kind; a `cursor` is of the kind that it came with")
    ] = None,
    max_nodes: Annotated[
        int, Query(ge=1, le=5000, description="runs and data to look at; `truncated` says if there are more")
    ] = 2000,
) -> _Asked:
    return _Asked(page, kind, max_nodes)


AskedDep = Annotated[_Asked, Depends(_asked)]


@router.get("/artifacts/{digest}/affected")
def affected_by_artifact(
    digest: Digest,
    session: SessionDep,
    readable: ReadableDep,
    asked: AskedDep,
) -> AffectedAnswer:
    """What used an artifact."""
    seeds = [readable_artifact(session, digest, readable).id]
    return _answer(session, readable, seeds, asked)


@router.get("/datasets/affected")
def affected_by_dataset(
    namespace: Namespace,
    name: Name,
    session: SessionDep,
    readable: ReadableDep,
    asked: AskedDep,
    version: Version = None,
) -> AffectedAnswer:
    """What used a data set: any of its versions, or one."""
    seeds = readable_dataset(session, namespace, name, version, readable)
    return _answer(session, readable, seeds, asked)


@router.get("/nodes/{node_id}/affected")
def affected_by_node(
    node_id: NodeId,
    session: SessionDep,
    readable: ReadableDep,
    asked: AskedDep,
) -> AffectedAnswer:
    """What used an artifact or a version of a data set, or what a run wrote."""
    seeds = [readable_node(session, node_id, readable)]
    return _answer(session, readable, seeds, asked)


def _answer(session: SessionDep, readable: ReadableDep, seeds: Sequence[str], asked: _Asked) -> AffectedAnswer:
    found = affected(session, seeds, asked.max_nodes, readable)
    answer: dict[str, Any] = {
        "focus": seeds,
        "truncated": found.truncated,
        "counts": {one: len(getattr(found, one)) for one in _KINDS},
    }
    for one in _KINDS:
        page, following = asked.page.of_counted(getattr(found, one) if asked.kind in (None, one) else ())
        answer[one] = {"items": page, "next": following}
    return AffectedAnswer.model_validate(answer, from_attributes=True)
