"""Who may read what, and who may post events. Airflow's auth manager decides; we only ask it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, resolve_user_from_token
from fastapi import Depends, HTTPException, Request

from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.settings import load_settings

ReadDagRuns = Depends(requires_access_dag("GET", DagAccessEntity.RUN))
"""On routes that name a Dag: the user may read its runs."""


def readable_dags(user: GetUserDep) -> Callable[[], Collection[str]] | None:
    """Which Dags the user may read: None for all, else what gives their ids when it is needed."""
    manager = get_auth_manager()
    if manager.is_authorized_dag(method="GET", access_entity=DagAccessEntity.RUN, user=user):
        return None
    return lambda: manager.get_authorized_dag_ids(user=user, method="GET")


ReadableDep = Annotated[Callable[[], Collection[str]] | None, Depends(readable_dags)]


def may_read(readable: Callable[[], Collection[str]] | None, dag_ids: Iterable[str | None]) -> bool:
    """Whether the user may read one of these Dags; runs of other producers have none, and are open to every user."""
    if readable is None:
        return True
    asked = list(dag_ids)
    return None in asked or bool(set(asked) & set(readable()))


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
    key = load_settings().lineage_api_key
    if key and hmac.compare_digest(token.encode(), key.encode()):
        return None
    return await resolve_user_from_token(token)


PosterDep = Annotated[Any, Depends(poster)]


def check_may_post(user: Any, events: Iterable[Event]) -> None:
    """A user may post events of Dags whose task instances they may edit; of other producers, who may edit those of all Dags.

    Raises:
        HTTPException: 403.
    """
    if user is None:
        return
    for dag_id in {_dag_id(event) for event in events}:
        details = DagDetails(id=dag_id) if dag_id else None
        allowed = get_auth_manager().is_authorized_dag(
            method="PUT", access_entity=DagAccessEntity.TASK_INSTANCE, details=details, user=user
        )
        if not allowed:
            raise HTTPException(
                403, f"you may not edit task instances of {dag_id or 'all Dags'}, so you may not post their lineage"
            )


def _dag_id(event: Event) -> str | None:
    airflow = ((event.payload.get("run") or {}).get("facets") or {}).get("airflow") or {}
    found = (airflow.get("dag") or {}).get("dag_id") if isinstance(airflow, dict) else None
    return found if isinstance(found, str) else None
