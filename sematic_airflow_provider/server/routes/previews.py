"""Previews of artifacts. Whoever may read an artifact's details may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, Response

from sematic_airflow_provider.artifacts.previews.reading import READER, AnyPreview
from sematic_airflow_provider.errors import ArtifactNotFoundError, SematicError
from sematic_airflow_provider.server.access import ReadableDep, readable_artifact
from sematic_airflow_provider.server.previews import NoPreviewError, picture_of, preview_of
from sematic_airflow_provider.server.routes.graphs import Digest
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["previews"])

T = TypeVar("T")

# What is shown was written by tasks, and is never trusted: a browser takes it for what it is said to be, and runs nothing in it.
_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@router.get("/artifacts/{digest}/preview", response_model=AnyPreview)
def artifact_preview(digest: Digest, session: SessionDep, readable: ReadableDep) -> Any:
    """What an artifact looks like. docs/previews.md tells what is in it."""
    node = readable_artifact(session, digest, readable)
    preview = _found(lambda: preview_of(node))
    return Response(READER.dump_json(preview), media_type="application/json", headers=_HEADERS)


@router.get(
    "/artifacts/{digest}/preview.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "the picture"}},
)
def artifact_picture(digest: Digest, session: SessionDep, readable: ReadableDep) -> Response:
    """The picture of a figure or an image."""
    readable_artifact(session, digest, readable)
    return Response(_found(lambda: picture_of(digest)), media_type="image/png", headers=_HEADERS)


def _found(look: Callable[[], T]) -> T:
    try:
        return look()
    except (NoPreviewError, ArtifactNotFoundError) as error:
        raise HTTPException(404, f"no preview: {error}") from error
    except SematicError as error:
        raise HTTPException(503, f"the artifact store cannot be read: {error}") from error
