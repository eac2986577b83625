"""Exports of any part of the lineage, and reports for people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import exporting, queries
from sematic_airflow_provider.db.nodes import Readable
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import ExportTooLargeError, SematicError
from sematic_airflow_provider.lineage.exports import openlineage, prov_json, report, ro_crate, store_files
from sematic_airflow_provider.lineage.exports.picture import svg
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from sematic_airflow_provider.lineage.graph import Direction
from sematic_airflow_provider.server.access import ReadableDep, ReadDagRuns, readable_dataset, readable_node
from sematic_airflow_provider.server.previews import opened_store
from sematic_airflow_provider.server.routes.graphs import Name, Namespace, NodeId, Version
from sematic_airflow_provider.server.schemas import DetailAnswer
from sematic_airflow_provider.server.sessions import SessionDep

log = logging.getLogger(__name__)

router = APIRouter(tags=["exports"])

Format = Literal["openlineage", "prov-json", "ro-crate", "svg"]
Form = Annotated[Format, Query(alias="format")]
WithPreviews = Annotated[bool, Query(description="of ro-crate: with the previews and pictures of artifacts")]

_CHUNK = 1 << 16
# What is exported was told by tasks, and is never trusted: a browser takes it for what it is said to be, and runs nothing in it.
_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FILES = {
    "openlineage": (openlineage.MEDIA_TYPE, "lineage.jsonl"),
    "prov-json": (prov_json.MEDIA_TYPE, "lineage.prov.json"),
    "ro-crate": (ro_crate.MEDIA_TYPE, "lineage.crate.zip"),
    "svg": ("image/svg+xml", "lineage.svg"),
}
_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"description": "the export", "content": {media: {} for media, _ in _FILES.values()}},
    413: {"model": DetailAnswer, "description": "it would be too large; the reason says what to narrow"},
}
_PAGE: dict[int | str, dict[str, object]] = {200: {"description": "one HTML file", "content": {"text/html": {}}}}


def _extent(default: Direction) -> Callable[..., Extent]:
    def extent(
        depth: Annotated[int, Query(ge=0, le=50, description="edges to follow from the start")] = 20,
        direction: Direction = default,
        max_nodes: Annotated[int, Query(ge=1, le=2000)] = 500,
    ) -> Extent:
        return Extent(depth, direction, max_nodes)

    return extent


AroundNode = Annotated[Extent, Depends(_extent("both"))]
BeforeNode = Annotated[Extent, Depends(_extent("upstream"))]


@router.get("/nodes/{node_id}/export", response_class=Response, responses=_ANSWERS)
def export_around_node(
    node_id: NodeId,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
    form: Form,
    with_previews: WithPreviews = False,
) -> Response:
    """What is around a run, an artifact or a version of a data set."""
    seeds = [readable_node(session, node_id, readable)]
    return _export(session, _Part(session, seeds, extent, readable), form, with_previews)


@router.get("/datasets/export", response_class=Response, responses=_ANSWERS)
def export_around_dataset(
    namespace: Namespace,
    name: Name,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
    form: Form,
    version: Version = None,
    with_previews: WithPreviews = False,
) -> Response:
    """What is around a data set, by the name that its producers give it: all its versions, or one."""
    seeds = readable_dataset(session, namespace, name, version, readable)
    return _export(session, _Part(session, seeds, extent, readable), form, with_previews)


@router.get("/nodes/{node_id}/report", response_class=Response, responses=_PAGE)
def report_on_node(node_id: NodeId, session: SessionDep, readable: ReadableDep, extent: BeforeNode) -> Response:
    """How a model, a prediction or any other artifact, or a run, came about: for people, in one file."""
    return _report(_Part(session, [readable_node(session, node_id, readable)], extent, readable))


@router.get(
    "/dags/{dag_id}/runs/{dag_run_id}/export", response_class=Response, responses=_ANSWERS, dependencies=[ReadDagRuns]
)
def export_around_dag_run(
    dag_id: str,
    dag_run_id: str,
    session: SessionDep,
    readable: ReadableDep,
    extent: AroundNode,
    form: Form,
    with_previews: WithPreviews = False,
) -> Response:
    """What is around a Dag run."""
    seeds = queries.dag_run_seeds(session, dag_id, dag_run_id)
    return _export(session, _Part(session, seeds, extent, readable, (dag_id, dag_run_id)), form, with_previews)


@router.get(
    "/dags/{dag_id}/runs/{dag_run_id}/report", response_class=Response, responses=_PAGE, dependencies=[ReadDagRuns]
)
def report_on_dag_run(
    dag_id: str, dag_run_id: str, session: SessionDep, readable: ReadableDep, extent: BeforeNode
) -> Response:
    """What a Dag run did, and how that came about: for people, in one file."""
    seeds = queries.dag_run_seeds(session, dag_id, dag_run_id)
    return _report(_Part(session, seeds, extent, readable, (dag_id, dag_run_id)))


class _Part:
    """What was asked for. Looked up when it is needed, as what is needed: an export of events needs the graph alone."""

    def __init__(
        self,
        session: Session,
        seeds: Sequence[str],
        extent: Extent,
        readable: Readable,
        dag_run: tuple[str, str] | None = None,
    ) -> None:
        self.session, self.seeds, self.extent, self.readable, self.dag_run = session, seeds, extent, readable, dag_run

    def subgraph(self) -> Subgraph:
        try:
            return exporting.subgraph(self.session, self.seeds, self.extent, self.readable, dag_run=self.dag_run)
        except ExportTooLargeError as error:
            raise HTTPException(413, str(error)) from error

    def runs(self) -> list[str]:
        graph = queries.graph(self.session, self.seeds, self.extent, self.readable)
        return exporting.exported_runs(self.session, graph, self.readable)


def _export(session: Session, part: _Part, form: Format, with_previews: bool) -> Response:
    media_type, name = _FILES[form]
    headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    if form == "openlineage":
        run_ids = part.runs()
        try:
            total, gone = exporting.count_events(session, run_ids)
        except ExportTooLargeError as error:
            raise HTTPException(413, str(error)) from error
        counts = {"Sematic-Events": str(total - gone), "Sematic-Events-Not-Kept": str(gone)}
        return StreamingResponse(_lines(run_ids, part.readable), media_type=media_type, headers=headers | counts)
    found = part.subgraph()
    if form == "ro-crate":
        return StreamingResponse(_crate(found, with_previews), media_type=media_type, headers=headers)
    data = prov_json.prov_json(found) if form == "prov-json" else svg(found.graph, f"Lineage of {found.title}").encode()
    return Response(data, media_type=media_type, headers=headers)


def _report(part: _Part) -> Response:
    found = part.subgraph()
    try:
        documents = store_files.documents(opened_store(), found)
    except SematicError as error:
        log.warning("a report tells digests of packages and differences only, for the store cannot be read: %s", error)
        documents = {}
    return Response(report.report(found, documents), media_type=report.MEDIA_TYPE, headers=_HEADERS)


def _lines(run_ids: Sequence[str], readable: Readable) -> Iterator[bytes]:
    """With a session of its own: that of the request is given back before the answer is sent."""
    with lineage_session() as session:
        yield from exporting.event_lines(session, run_ids, readable)


def _crate(part: Subgraph, with_previews: bool) -> Iterator[bytes]:
    try:
        attachments = store_files.looks(opened_store(), part) if with_previews else []
    except SematicError as error:
        raise HTTPException(503, f"the artifact store cannot be read: {error}") from error
    file = SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115 - closed by who reads it
    try:
        ro_crate.write_zip(part, attachments, file)  # type: ignore[arg-type] # it has all that a file has
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return _chunks(file)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
