"""Lists and search: runs, jobs, artifacts, data sets, latest first."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from sematic_airflow_provider.db import lists
from sematic_airflow_provider.db.lists import DataFilter, RunFilter, Span
from sematic_airflow_provider.db.nodes import nodes
from sematic_airflow_provider.server.access import ReadableDep, readable_dataset
from sematic_airflow_provider.server.paging import PageDep, cursor_of, data_cursor, run_cursor
from sematic_airflow_provider.server.routes.graphs import Name, Namespace
from sematic_airflow_provider.server.schemas import (
    ArtifactsAnswer,
    CacheStatus,
    DatasetsAnswer,
    JobsAnswer,
    RunsAnswer,
    State,
)
from sematic_airflow_provider.server.sessions import SessionDep

router = APIRouter(tags=["lists"])

_Text = Annotated[str | None, Query(min_length=1, max_length=250)]
_Part = Annotated[
    str | None, Query(min_length=1, max_length=250, description="a part of the name, in any case of letters")
]


def _span(
    since: Annotated[dt.datetime | None, Query(description="not before this time; without zone, UTC")] = None,
    until: Annotated[dt.datetime | None, Query(description="before this time; without zone, UTC")] = None,
) -> Span:
    return Span(_utc(since), _utc(until))


def _utc(moment: dt.datetime | None) -> dt.datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=dt.timezone.utc)


def _run_filter(
    name: _Part = None,
    namespace: _Text = None,
    state: Annotated[State | None, Query()] = None,
    integration: Annotated[
        str | None, Query(min_length=1, max_length=40, description="who told: AIRFLOW, SPARK, DBT, …")
    ] = None,
    dag_id: _Text = None,
    dag_run_id: _Text = None,
    task_id: _Text = None,
    cache: Annotated[CacheStatus | None, Query(description="what the step cache had for it")] = None,
    has_error: Annotated[bool | None, Query(description="failed, or could not run because another one failed")] = None,
) -> RunFilter:
    return RunFilter(name, namespace, state, integration, dag_id, dag_run_id, task_id, cache, has_error)


def _data_filter(
    name: _Part = None,
    namespace: _Text = None,
    digest: Annotated[
        str | None, Query(pattern="^[0-9a-f]{1,64}$", description="how the digest of the artifact begins")
    ] = None,
    type: Annotated[  # noqa: A002 # its name in the API
        str | None, Query(min_length=1, max_length=250, description="a part of the type's name")
    ] = None,
) -> DataFilter:
    return DataFilter(name, namespace, digest, type)


SpanDep = Annotated[Span, Depends(_span)]
RunFilterDep = Annotated[RunFilter, Depends(_run_filter)]
DataFilterDep = Annotated[DataFilter, Depends(_data_filter)]


@router.get("/runs")
def list_runs(
    session: SessionDep,
    readable: ReadableDep,
    wanted: RunFilterDep,
    span: SpanDep,
    asked: PageDep,
) -> RunsAnswer:
    """Runs, by when they started. A page may be short, or empty, and still have a `next`: then enough rows were looked at."""
    page = lists.runs(session, wanted, span, run_cursor(asked.cursor), asked.limit, readable)
    return RunsAnswer.model_validate({"items": page.items, "next": cursor_of(page.next)}, from_attributes=True)


@router.get("/jobs")
def list_jobs(
    session: SessionDep,
    readable: ReadableDep,
    wanted: RunFilterDep,
    span: SpanDep,
    asked: PageDep,
) -> JobsAnswer:
    """Jobs, by when their latest run started; the filters are about that run."""
    page = lists.runs(session, wanted, span, run_cursor(asked.cursor), asked.limit, readable, latest=True)
    items = [
        {"namespace": run.job_namespace, "name": run.job_name, "integration": run.integration, "latest": run}
        for run in page.items
    ]
    return JobsAnswer.model_validate({"items": items, "next": cursor_of(page.next)}, from_attributes=True)


@router.get("/artifacts")
def list_artifacts(
    session: SessionDep,
    readable: ReadableDep,
    wanted: DataFilterDep,
    span: SpanDep,
    asked: PageDep,
) -> ArtifactsAnswer:
    """Artifacts, by when they were first told of; `name` is any that a task wrote them under."""
    page = lists.artifacts(session, wanted, span, data_cursor(asked.cursor), asked.limit, readable)
    return ArtifactsAnswer.model_validate({"items": page.items, "next": cursor_of(page.next)}, from_attributes=True)


@router.get("/datasets")
def list_datasets(
    session: SessionDep,
    readable: ReadableDep,
    wanted: DataFilterDep,
    span: SpanDep,
    asked: PageDep,
) -> DatasetsAnswer:
    """Data sets and outputs, each with its newest version, by when that was first told of."""
    page = lists.datasets(session, wanted, span, data_cursor(asked.cursor), asked.limit, readable)
    return DatasetsAnswer.model_validate({"items": page.items, "next": cursor_of(page.next)}, from_attributes=True)


@router.get("/datasets/versions")
def list_versions(
    namespace: Namespace,
    name: Name,
    session: SessionDep,
    readable: ReadableDep,
    asked: PageDep,
) -> DatasetsAnswer:
    """The versions of a data set, or the artifacts that an output was, those read or written last first; 2000 at most."""
    page, following = asked.of_counted(readable_dataset(session, namespace, name, None, readable))
    found = nodes(session, page, readable)
    items = [found[node_id] for node_id in page if node_id in found and not found[node_id].locked]
    return DatasetsAnswer.model_validate({"items": items, "next": following}, from_attributes=True)
