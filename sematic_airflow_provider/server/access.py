"""Who may read what, and who may post events. Airflow's auth manager decides; we only ask it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Annotated, Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, resolve_user_from_token
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import RunRow
from sematic_airflow_provider.db.nodes import Readable, nodes, run_nodes
from sematic_airflow_provider.db.queries import artifact_seed, dags_of_runs, dataset_seeds, run_row
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.fold import dag_of
from sematic_airflow_provider.lineage.graph import ArtifactNode
from sematic_airflow_provider.server.limits import check_rate
from sematic_airflow_provider.settings import load_option

NO_DAG: Final = "~"
"""Stands for runs that are of no Dag: no Dag can have this id, so only who has a right to all Dags has one to it."""

ReadDagRuns = Depends(requires_access_dag("GET", DagAccessEntity.RUN))
"""On routes that name a Dag: the user may read its runs."""


def readable_dags(user: GetUserDep) -> Readable:
    """Which Dags the user may read, asked Dag by Dag.

    An auth manager that is asked about no Dag in particular says whether the user may list Dags, which whoever may read a single one may.
    """

    @cache
    def readable(dag_id: str | None) -> bool:
        return get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.RUN, details=_details(dag_id or NO_DAG), user=user
        )

    return readable


ReadableDep = Annotated[Readable, Depends(readable_dags)]


def readable_artifact(session: Session, digest: str, readable: Readable) -> ArtifactNode:
    """An artifact that the user may see, because they may read a Dag that made or used it.

    Raises:
        NodeNotFoundError: no event has told of it.
        HTTPException: 403.
    """
    (node_id,) = artifact_seed(session, digest)
    node = nodes(session, [node_id], readable)[node_id]
    if node.locked or not isinstance(node, ArtifactNode):
        raise HTTPException(403, "no Dag that you may read made or used this artifact")
    return node


def readable_run(session: Session, run_id: str, readable: Readable) -> RunRow:
    """A run that the user may read.

    Raises:
        NodeNotFoundError: no event has told of it.
        HTTPException: 403.
    """
    row = run_row(session, run_id)
    if run_nodes(session, [row], readable)[0].locked:
        raise HTTPException(403, "you may not read the runs of this Dag")
    return row


def readable_node(session: Session, node_id: str, readable: Readable) -> str:
    """The id of a node that the user may read.

    Raises:
        NodeNotFoundError: no event has told of it.
        HTTPException: 403.
    """
    node = nodes(session, [node_id], readable).get(node_id)
    if node is None:
        raise NodeNotFoundError(f"no lineage of {node_id}")
    if node.locked:
        raise HTTPException(403, "it belongs to a Dag that you may not read")
    return node_id


def readable_dataset(session: Session, namespace: str, name: str, version: str | None, readable: Readable) -> list[str]:
    """The ids of the versions of a data set that the user may read, or of the one that is named.

    Raises:
        NodeNotFoundError: no event has told of it.
        HTTPException: 403.
    """
    ids = dataset_seeds(session, namespace, name, version)
    found = nodes(session, ids, readable)
    allowed = [node_id for node_id in ids if node_id in found and not found[node_id].locked]
    if not allowed:
        raise HTTPException(403, "no Dag that you may read made or used this data set")
    return allowed


async def poster(request: Request) -> Any:
    """Who posts events: the holder of the API key (None), or an Airflow user, by bearer token. A cookie is not enough: a foreign page could use it.

    Raises:
        HTTPException: 401 without a bearer token, 401 or 403 with a wrong one.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise HTTPException(
            401, "posting lineage needs a bearer token: [sematic] lineage_api_key, or the token of an Airflow user"
        )
    key: str = load_option("lineage_api_key")
    if key and hmac.compare_digest(token.encode(), key.encode()):
        return None
    return await resolve_user_from_token(token)


def check_may_send(request: Request, user: Any, count: int) -> None:
    """Whether a poster may send so many events now. Who shows the API key is told apart by address.

    Raises:
        HTTPException: 503, with when to come again.
    """
    address = request.client.host if request.client else "somewhere"
    name = f"user {user.get_id()}" if user is not None else f"key from {address}"
    check_rate(name, count, load_option("lineage_rate_limit"))


PosterDep = Annotated[Any, Depends(poster)]


def check_may_post(user: Any, events: Iterable[Event]) -> None:
    """Whether a user may post these events: they must be allowed to edit the task instances of the Dags that they are of.

    Those are the Dag that an event names, and the Dag that its run is known to be of, or else somebody could take over the run of another's Dag.

    Raises:
        HTTPException: 403.
    """
    if user is None:
        return
    for dag_id in _dags_of(list(events)):
        allowed = get_auth_manager().is_authorized_dag(
            method="PUT", access_entity=DagAccessEntity.TASK_INSTANCE, details=_details(dag_id or NO_DAG), user=user
        )
        if not allowed:
            raise HTTPException(
                403, f"you may not edit task instances of {dag_id or 'all Dags'}, so you may not post their lineage"
            )


def _dags_of(events: Sequence[Event]) -> set[str | None]:
    with lineage_session() as session:
        known = dags_of_runs(session, sorted({event.run_id for event in events if event.run_id}))
    named = {(event.run_id, dag_of(event)) for event in events}
    return {dag_id for run_id, dag_id in named if dag_id or run_id not in known} | set(known.values())


def _details(dag_id: str) -> DagDetails:
    if not hasattr(DagModel, "get_team_name"):  # Airflow 3.1
        return DagDetails(id=dag_id)
    return DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
