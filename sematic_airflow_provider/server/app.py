"""The application that Airflow's API server mounts at ``/sematic``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError, DBAPIError

from sematic_airflow_provider import __version__
from sematic_airflow_provider.errors import EventRejectedError, NodeNotFoundError, first_line
from sematic_airflow_provider.server.documented import ERRORS
from sematic_airflow_provider.server.draining import keep_draining
from sematic_airflow_provider.server.reconciling import keep_reconciling
from sematic_airflow_provider.server.retaining import keep_retention
from sematic_airflow_provider.server.routes import (
    affected,
    details,
    differences,
    events,
    exports,
    graphs,
    lists,
    previews,
)
from sematic_airflow_provider.server.sealing import keep_sealing

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
API = "/api/v1"


def create_app(static: Path = STATIC) -> FastAPI:
    """The API under ``/api/v1``, and the Lineage UI's files under ``/static``."""
    app = FastAPI(
        title="Sematic lineage",
        version=__version__,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    for routes in (events, lists, graphs, affected, differences, details, previews, exports):
        app.include_router(routes.router, prefix=API, responses=ERRORS, dependencies=[Depends(_no_nul)])

    @app.get(f"{API}/openapi.json", include_in_schema=False)
    def openapi(user: GetUserDep) -> dict[str, Any]:
        return app.openapi()

    app.add_exception_handler(NodeNotFoundError, _not_found)
    app.add_exception_handler(EventRejectedError, _rejected)
    app.add_exception_handler(DataError, _unfit)
    app.add_exception_handler(DBAPIError, _database_failed)
    if static.is_dir():
        app.mount("/static", StaticFiles(directory=static), name="static")
    else:
        log.warning("the Lineage UI is not built: %s is missing. Install the wheel, or run: make ui", static)
        app.add_api_route("/static/{path:path}", _not_built, include_in_schema=False)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.auth_manager = get_auth_manager()  # Airflow's dependencies look for it on the app that a request is for
    loops = (keep_draining, keep_reconciling, keep_sealing, keep_retention)
    kept = [asyncio.create_task(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in kept:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _no_nul(request: Request) -> None:
    """PostgreSQL takes no text with a NUL, and its driver says so too late."""
    if "\0" in request.scope["path"] or any("\0" in text for text in request.query_params.values()):
        raise HTTPException(422, "a NUL character can be in no name or id")


def _not_built() -> JSONResponse:
    return JSONResponse({"detail": "the Lineage UI is not built: install the wheel, or run: make ui"}, status_code=404)


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=404)


async def _rejected(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=422)


async def _unfit(request: Request, error: Exception) -> JSONResponse:
    log.warning("lineage tables: %s", first_line(error))
    return JSONResponse({"detail": "the database cannot hold a value of this"}, status_code=422)


async def _database_failed(request: Request, error: Exception) -> JSONResponse:
    text = first_line(error)
    log.error("lineage tables: %s", text)
    if "column" in text.lower():
        hint = "the lineage tables are of another version: run airflow db migrate"
    elif any(sign in text.lower() for sign in ("no such table", "does not exist", "doesn't exist")):
        hint = "the lineage tables are missing: run airflow db migrate"
    else:
        hint = "the database does not answer, try again"
    return JSONResponse({"detail": hint}, status_code=503)
