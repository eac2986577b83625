"""What the commands of ``airflow sematic cache`` find and do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import parse_digest, short
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.db.models import RunRow
from sematic_airflow_provider.db.queries import run_facets
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.steps.keeping import entries
from sematic_airflow_provider.steps.records import Change, Entry, read_entry, read_last, write_entry


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries; ``before`` is a time in seconds since 1970. None: any."""

    dag_id: str | None = None
    task_id: str | None = None
    namespace: str | None = None
    before: float | None = None

    def __contains__(self, entry: Entry) -> bool:
        return (
            self.dag_id in (None, entry.by.dag_id)
            and self.task_id in (None, entry.by.task_id)
            and self.namespace in (None, entry.namespace)
            and (self.before is None or entry.by.at < self.before)
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the cache had for one task instance."""

    instance: str
    status: str
    reason: str
    key: str | None = None
    computed_by: str | None = None
    changed: list[Change] = field(default_factory=list)
    parts: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[tuple[str, str]]:
        """For people."""
        found = [("task", self.instance), ("status", self.status), ("reason", self.reason)]
        found += [("computed by", self.computed_by)] if self.computed_by else []
        found += [("key", self.key)] if self.key else []
        return found + [("changed", str(change)) for change in self.changed]

    def record(self, *, parts: bool) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = {
            "task": self.instance,
            "status": self.status,
            "reason": self.reason,
            "key": self.key,
            "computed_by": self.computed_by,
            "changed": [{"part": one.part, "was": one.was, "now": one.now} for one in self.changed],
        }
        return found | {"parts": dict(self.parts)} if parts else found


def listed(store: Store, wanted: Selection) -> list[Entry]:
    """Entries, the latest first.

    Raises:
        StoreError: the store cannot be read.
    """
    return sorted((entry for entry in entries(store) if entry in wanted), key=lambda entry: -entry.by.at)


def expire_now(store: Store, entry: Entry) -> Entry:
    """Let an entry expire.

    Raises:
        StoreError: the store cannot be written.
    """
    expired = replace(entry, expires=time.time())
    write_entry(store, expired)
    return expired


def row_of(entry: Entry, *, short_digests: bool) -> dict[str, Any]:
    """What is printed of an entry."""
    by = entry.by
    index = f"[{by.map_index}]" if by.map_index >= 0 else ""
    expires = None if entry.expires is None else replace(by, at=entry.expires).moment
    return {
        "key": short(entry.key) if short_digests else entry.key,
        "task": f"{by.dag_id}/{by.task_id}{index}",
        "run": by.run_id,
        "computed": f"{by.moment:%Y-%m-%d %H:%M:%S}" if short_digests else by.moment.isoformat(),
        "expires": "" if expires is None else f"{expires:%Y-%m-%d %H:%M:%S}" if short_digests else expires.isoformat(),
        "namespace": entry.namespace,
        "outputs": ", ".join(f"{name} {short(ref.digest)}" for name, ref in entry.outputs.items())
        if short_digests
        else {name: ref.digest for name, ref in entry.outputs.items()},
    }


def explanation(
    session: Session, store: Store, dag_id: str, task_id: str, dag_run_id: str | None, map_index: int | None
) -> Explanation:
    """What the cache had for the latest run of a task, or that of a Dag run.

    Raises:
        NodeNotFoundError: neither lineage nor the store know of such a run of the task.
        StoreError, SQLAlchemyError: the store or the database fails.
    """
    row = _run(session, dag_id, task_id, dag_run_id, map_index)
    if row is None:
        return _by_store(store, dag_id, task_id, dag_run_id, map_index)
    index = f"[{row.map_index}]" if row.map_index >= 0 else ""
    instance = f"{dag_id}/{row.dag_run_id}/{task_id}{index}, try {row.try_number}"
    told = run_facets(session, row).get("sematic_cache")
    if not isinstance(told, dict):
        return Explanation(instance, "off", "this run did not ask for the cache: cache=True, or [sematic] cache")
    by = told.get("computedBy")
    key = told.get("key")
    entry = read_entry(store, parse_digest(key)) if key is not None else None
    last = read_last(store, dag_id, task_id, row.map_index)
    parts = entry.parts if entry is not None else last.parts if last is not None and last.key == key else {}
    return Explanation(
        instance,
        str(told.get("status")),
        str(told.get("reason")),
        key,
        f"{by['dagId']}/{by['runId']}/{by['taskId']} at {by['at']}" if isinstance(by, dict) else None,
        [Change(one["part"], one.get("was"), one.get("now")) for one in told.get("changed") or ()],
        parts,
    )


def _run(session: Session, dag_id: str, task_id: str, dag_run_id: str | None, map_index: int | None) -> RunRow | None:
    query = select(RunRow).where(RunRow.dag_id == dag_id, RunRow.task_id == task_id)
    if dag_run_id is not None:
        query = query.where(RunRow.dag_run_id == dag_run_id)
    if map_index is not None:
        query = query.where(RunRow.map_index == map_index)
    return session.scalars(query.order_by(RunRow.started_at.desc(), RunRow.map_index).limit(1)).first()


def _by_store(store: Store, dag_id: str, task_id: str, dag_run_id: str | None, map_index: int | None) -> Explanation:
    last = read_last(store, dag_id, task_id, -1 if map_index is None else map_index)
    if last is None or dag_run_id not in (None, last.by.run_id):
        where = f" in run {dag_run_id}" if dag_run_id is not None else ""
        raise NodeNotFoundError(
            f"nothing is known of task {task_id} of Dag {dag_id}{where}: it has not run, its events have not arrived "
            "(airflow sematic drain), or it is mapped (--map-index)"
        )
    entry = read_entry(store, last.key)
    if entry is None:
        return Explanation(
            str(last.by), "miss", "it is running, failed, or its result was purged", last.key, None, [], last.parts
        )
    status = "hit" if entry.by.run_id != last.by.run_id else "miss"
    return Explanation(
        str(last.by), status, "by the store: lineage does not tell of this run", last.key, str(entry.by), [], last.parts
    )
