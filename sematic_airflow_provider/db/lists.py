"""Lists of runs, jobs, artifacts and data sets, latest first. What the asker may not read is left out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session, aliased

from sematic_airflow_provider.db.models import DataRow, DatasetRow, IoRow, JobRow, RunRow
from sematic_airflow_provider.db.nodes import Readable, everything, nodes, run_nodes, run_rows
from sematic_airflow_provider.db.scans import EVERY, After, Page, Scan, contains, keys_of_names, page_of
from sematic_airflow_provider.lineage.graph import ArtifactNode, DatasetNode, RunNode

FAILED: Final = ("failed", "upstream_failed")
_FEW: Final = 20  # jobs whose runs are looked for one by one; those of more are found sooner among all runs
_LATEST_BUDGET: Final = 5_000  # each row costs one more look into an index
_SHORT_PREFIX: Final = 4
_PREFIXED: Final = 1_000
_OTHER_NAMES: Final = 20_000  # writes that are looked at


@dataclass(frozen=True, slots=True)
class Span:
    """From ``since``, included, to ``until``, excluded."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs; what is None does not matter. ``name`` is part of the job's name, ``has_error`` are failed runs, or those that did not fail."""

    name: str | None = None
    namespace: str | None = None
    state: str | None = None
    integration: str | None = None
    dag_id: str | None = None
    dag_run_id: str | None = None
    task_id: str | None = None
    cache: str | None = None
    has_error: bool | None = None


@dataclass(frozen=True, slots=True)
class DataFilter:
    """Which data; what is None does not matter. ``name`` is part of a name, ``digest`` how the digest begins."""

    name: str | None = None
    namespace: str | None = None
    digest: str | None = None
    type: str | None = None


def runs(
    session: Session,
    wanted: RunFilter,
    span: Span,
    after: After | None,
    limit: int,
    readable: Readable = everything,
    *,
    latest: bool = False,
) -> Page[RunNode]:
    """Runs by when they started; with ``latest`` only the latest run of each job, as it is now."""
    drivers = _run_drivers(session, wanted, latest=latest)
    also = [RunRow.namespace, RunRow.name, RunRow.state, RunRow.integration, RunRow.dag_id, RunRow.dag_run_id]
    also += [RunRow.task_id, RunRow.cache, RunRow.job_key]

    def conditions(c: Any) -> list[ColumnElement[bool]]:
        found = [
            c[field] == value
            for field in ("namespace", "state", "integration", "dag_id", "dag_run_id", "task_id", "cache")
            if (value := getattr(wanted, field)) is not None
        ]
        if wanted.name is not None:
            found.append(contains(c.name, wanted.name))
        if wanted.has_error is not None:
            found.append(c.state.in_(FAILED) if wanted.has_error else c.state.not_in(FAILED))
        if latest:
            later = aliased(RunRow)
            after_it = or_(later.first_at > c.first_at, and_(later.first_at == c.first_at, later.run_id > c.run_id))
            found.append(~exists().where(later.job_key == c.job_key, later.first_at >= c.first_at, after_it))
        return found

    def items_of(run_ids: list[str]) -> dict[str, RunNode]:
        found = run_nodes(session, run_rows(session, run_ids), readable)
        return {node.run_id or "": node for node in found if not node.locked}

    scan = Scan(RunRow.first_at, RunRow.run_id, drivers, also, conditions, span.since, span.until)
    if latest:
        scan = replace(scan, budget=_LATEST_BUDGET)
    return page_of(session, scan, after, limit, items_of)


def _run_drivers(session: Session, wanted: RunFilter, *, latest: bool) -> Sequence[ColumnElement[bool]]:
    """The conditions that an index serves, by which the fewest rows are likely to be looked at."""
    if wanted.dag_run_id is not None:
        return [RunRow.dag_run_id == wanted.dag_run_id]
    if wanted.name is not None:
        keys = keys_of_names(session, JobRow.job_key, JobRow.name, wanted.name)
        if keys is not None and latest:
            return [RunRow.run_id.in_(_latest_of(session, keys))]
        if keys is not None and len(keys) <= _FEW:
            return [RunRow.job_key == key for key in keys] or [false()]
    if wanted.dag_id is not None:
        return [RunRow.dag_id == wanted.dag_id]
    if wanted.state is not None:
        return [RunRow.state == wanted.state]
    if wanted.has_error:
        return [RunRow.state == state for state in FAILED]
    if wanted.integration is not None:
        return [RunRow.integration == wanted.integration]
    return [EVERY]


def _latest_of(session: Session, keys: Sequence[str]) -> list[str]:
    """The latest run of each of these jobs: one look into an index each."""
    last = (
        select(RunRow.run_id)
        .where(RunRow.job_key == JobRow.job_key)
        .order_by(RunRow.first_at.desc(), RunRow.run_id.desc())
        .limit(1)
        .correlate(JobRow)
        .scalar_subquery()
    )
    return [run_id for run_id in session.scalars(select(last).where(JobRow.job_key.in_(keys))) if run_id]


def artifacts(
    session: Session, wanted: DataFilter, span: Span, after: After | None, limit: int, readable: Readable = everything
) -> Page[ArtifactNode]:
    """Artifacts by when they were first told of."""

    def conditions(c: Any, asked: DataFilter) -> list[ColumnElement[bool]]:
        return [c.digest.is_not(None), *_data_conditions(c, asked)]

    scan = _data_scan(session, wanted, span, conditions, by_any_name=True)
    return page_of(session, scan, after, limit, _data(session, readable))


def datasets(
    session: Session, wanted: DataFilter, span: Span, after: After | None, limit: int, readable: Readable = everything
) -> Page[ArtifactNode | DatasetNode]:
    """The newest version of each data set, by when that was first told of."""
    later = aliased(DataRow)

    def conditions(c: Any, asked: DataFilter) -> list[ColumnElement[bool]]:
        after_it = or_(
            later.first_seen > c.first_seen, and_(later.first_seen == c.first_seen, later.node_id > c.node_id)
        )
        newer = exists().where(later.dataset_key == c.dataset_key, later.first_seen >= c.first_seen, after_it)
        return [~newer, *_data_conditions(c, asked)]

    scan = _data_scan(session, wanted, span, conditions, by_any_name=False)
    return page_of(session, replace(scan, budget=_LATEST_BUDGET), after, limit, _data(session, readable))


def _data_scan(
    session: Session,
    wanted: DataFilter,
    span: Span,
    conditions: Callable[[Any, DataFilter], Sequence[ColumnElement[bool]]],
    *,
    by_any_name: bool,
) -> Scan:
    drivers: Sequence[ColumnElement[bool]] = [EVERY]
    asked = wanted
    if wanted.digest is not None and len(wanted.digest) >= _SHORT_PREFIX:
        within = DataRow.digest.between(wanted.digest, wanted.digest.ljust(64, "f"))
        some = select(DataRow.node_id).where(within).order_by(DataRow.digest).limit(_PREFIXED)
        drivers = [DataRow.node_id.in_(session.scalars(some).all())]
    elif wanted.name is not None:
        keys = keys_of_names(session, DatasetRow.dataset_key, DatasetRow.name, wanted.name)
        if keys is not None:
            asked = replace(wanted, name=None)  # as the keys say it
            drivers = [DataRow.dataset_key == key for key in keys] or [false()]
            if keys and by_any_name and (others := _known_by_other_names(session, keys)):
                drivers = [*drivers, DataRow.node_id.in_(others)]
    also = [DataRow.dataset_key, DataRow.digest, DataRow.type, DataRow.namespace, DataRow.name]
    return Scan(
        DataRow.first_seen, DataRow.node_id, drivers, also, lambda c: conditions(c, asked), span.since, span.until
    )


def _known_by_other_names(session: Session, keys: Sequence[str]) -> list[str]:
    """Data that were written under one of these names, and told of under another one first."""
    some = (
        select(IoRow.node_id)
        .where(IoRow.dataset_key.in_(keys), IoRow.direction == "write")
        .limit(_OTHER_NAMES)
        .subquery()
    )
    query = (
        select(DataRow.node_id).join(some, some.c.node_id == DataRow.node_id).where(DataRow.dataset_key.not_in(keys))
    )
    return list(session.scalars(query.distinct().limit(_PREFIXED)))


def _data_conditions(c: Any, wanted: DataFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.name is not None:
        found.append(contains(c.name, wanted.name))
    if wanted.namespace is not None:
        found.append(c.namespace == wanted.namespace)
    if wanted.type is not None:
        found.append(contains(func.coalesce(c.type, ""), wanted.type))
    if wanted.digest is not None:
        found.append(c.digest.between(wanted.digest, wanted.digest.ljust(64, "f")))
    return found


def _data(session: Session, readable: Readable) -> Any:
    def items_of(node_ids: list[str]) -> dict[str, Any]:
        return {key: node for key, node in nodes(session, node_ids, readable).items() if not node.locked}

    return items_of
