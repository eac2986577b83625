"""``artifacts gc``: what nothing needs is told, and deleted where that is asked for."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts import retention
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.cli.printing import Progress, note, sized
from sematic_airflow_provider.db import owners
from sematic_airflow_provider.db.kept_runs import (
    DagRunKey,
    Policy,
    Unfinished,
    began_again,
    earliest_unfinished,
    expired_runs,
)
from sematic_airflow_provider.db.manager import SematicDBManager
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow
from sematic_airflow_provider.db.roots import recorded_since, roots
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import CollectionRefusedError
from sematic_airflow_provider.steps import keeping

GROUPS: Final = ("codec", "dag", "type")
_UNTOLD: Final = "(parts of others, and what no lineage tells of)"


@dataclass(frozen=True, slots=True)
class Options:
    """``grace_hours``: since a blob was written or found by a put. ``opaque``: further codecs that refer to no other artifacts."""

    policy: Policy = field(default_factory=Policy)
    grace_hours: float = 48.0
    opaque: tuple[str, ...] = ()
    delete: bool = False
    by: str = "codec"


def collect(store: Store, options: Options, progress: Progress) -> list[dict[str, Any]]:
    """Find what nothing needs, and delete it where ``delete`` says so; rows that tell of it.

    Raises:
        ValueError: the grace time is too short to be safe.
        CollectionRefusedError: what must be kept cannot be told, another collection runs, or another Airflow uses the store.
        StoreError, SQLAlchemyError: the store or the database fails.
    """
    owners.register(store)
    _check_owner(store, strict=options.delete)
    unfinished, expired = _state(options)
    found = retention.plan(
        store,
        lambda: roots(store, expired),
        grace=options.grace_hours * 3600,
        not_after=unfinished.since.timestamp() if unfinished is not None else None,
        opaque=options.opaque,
        progress=progress,
    )
    progress.close()
    _tell(found, unfinished, expired, options)
    rows = _planned(found, options.by)
    if options.delete:
        swept = retention.sweep(
            store,
            found,
            named_since=lambda moment: recorded_since(store, moment),
            opaque=options.opaque,
            before_each=lambda: _check_still_expired(expired),
            progress=progress,
        )
        progress.close()
        if swept_entries := keeping.sweep(store):
            note(
                f"{swept_entries} records of the step cache are removed that have expired, whose outputs are gone, or that killed tasks have left"
            )
        rows += [
            _row("deleted", "all", swept.blobs, swept.bytes),
            _row("spared at the last moment", "all", swept.spared, None),
        ]
        if swept.leftovers:
            note(f"{swept.leftovers} leftovers of writers that were killed are removed")
    elif found.doomed:
        note("nothing was deleted: this was a dry run. Give --delete to delete what is told as to be deleted")
    return rows


def _check_owner(store: Store, *, strict: bool) -> None:
    try:
        owners.check_sole_owner(store)
    except CollectionRefusedError as error:
        if strict:
            raise
        note(f"warning: --delete would be refused: {error}")


def _state(options: Options) -> tuple[Unfinished | None, set[DagRunKey]]:
    now = dt.datetime.now(dt.timezone.utc)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every look at a version
    with create_session(scoped=False) as session:
        if not SematicDBManager(session).check_migration():
            raise CollectionRefusedError("the lineage tables are missing or of another version: run airflow db migrate")
    with create_session(scoped=False) as airflow, lineage_session() as lineage:
        ended_since = now - dt.timedelta(hours=options.grace_hours / 2)
        return earliest_unfinished(airflow, ended_since), expired_runs(airflow, lineage, options.policy, now)


def _check_still_expired(expired: set[DagRunKey]) -> None:
    with create_session(scoped=False) as session:
        again = began_again(session, expired) if expired else None
    if again is not None:
        raise CollectionRefusedError(
            f"run {again[1]} of {again[0]} was to be let go of, and has been cleared meanwhile: nothing more is deleted. Collect again"
        )


def _tell(found: retention.Plan, unfinished: Unfinished | None, expired: set[DagRunKey], options: Options) -> None:
    if options.policy.limited:
        note(f"{len(expired)} Dag runs are let go of")
    if unfinished is not None and found.cutoff < found.started - options.grace_hours * 3600:
        moment = dt.datetime.fromtimestamp(found.cutoff, dt.timezone.utc)
        note(
            f"what was written or found after {moment:%Y-%m-%d %H:%M} UTC stays, because of {unfinished.what}, which began at "
            f"{unfinished.since:%Y-%m-%d %H:%M} and has not ended, or not long ago"
        )
    if found.missing:
        note(f"{len(found.missing)} manifests that are named were deleted by earlier collections")


def _planned(found: retention.Plan, by: str) -> list[dict[str, Any]]:
    rows = [
        _row("needed", "all", found.kept, found.kept_bytes),
        _row("too recent", "all", found.young, found.young_bytes),
    ]
    groups: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    with lineage_session() as session:
        known = dict(_groups(session, found, by))
    for raw, size in found.doomed.items():
        group = groups[known.get(raw, _UNTOLD)]
        group[0], group[1] = group[0] + 1, group[1] + size
    doomed = sorted(groups.items(), key=lambda item: -item[1][1])
    rows += [_row("to be deleted", name, count, size) for name, (count, size) in doomed]
    rows.append(_row("to be deleted", "all", len(found.doomed), found.doomed_bytes))
    return rows


def _groups(session: Session, found: retention.Plan, by: str) -> Iterator[tuple[bytes, str]]:
    """The group of each doomed blob that lineage tells of; by Dag, of what several have written the last one."""
    query: Any
    if by == "dag":
        query = (
            select(DataRow.digest, RunRow.dag_id)
            .join(IoRow, IoRow.node_id == DataRow.node_id)
            .join(RunRow, RunRow.run_id == IoRow.run_id)
            .where(IoRow.direction == "write", DataRow.digest.is_not(None), RunRow.dag_id.is_not(None))
        )
    else:
        query = select(DataRow.digest, DataRow.codec if by == "codec" else DataRow.type).where(
            DataRow.digest.is_not(None)
        )
    for digest, group in session.execute(query.execution_options(yield_per=1000)):
        if (raw := bytes.fromhex(digest)) in found.doomed:
            yield raw, str(group)


def _row(what: str, group: str, blobs: int, size: int | None) -> dict[str, Any]:
    return {"what": what, "group": group, "blobs": blobs, "bytes": size, "size": "" if size is None else sized(size)}
