"""Roots: what documents, Airflow's tables and the lineage tables name, less what only expired Dag runs name.

Documents are read before the database: an event that waits in the store is taken into the database, and never goes the other way. XComs and lineage come
last, so that what moves on while we read is met at its new place.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts import pointers
from sematic_airflow_provider.artifacts.digest import Digest, parse_digest
from sematic_airflow_provider.artifacts.references import Reference, named_in
from sematic_airflow_provider.artifacts.retention import document_roots
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.db.kept_runs import DagRunKey
from sematic_airflow_provider.db.mentions import mentions
from sematic_airflow_provider.db.models import DataRow, EventRow, IoRow, RunRow
from sematic_airflow_provider.db.neighbours import StoredNeighbours
from sematic_airflow_provider.db.packed import texts
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.delivery.spool import SPOOL
from sematic_airflow_provider.errors import CollectionRefusedError
from sematic_airflow_provider.lineage.graph import walk
from sematic_airflow_provider.steps.keeping import kept_by_cache, named_by_cache

_AT_ONCE = 1000
_WRITERS = 50
_MOST = 500_000

Named = tuple[Reference, str]
"""A reference, and where it stands, for people."""


def roots(store: Store, expired: Collection[DagRunKey] = frozenset()) -> Iterator[Reference]:
    """Everything that is named, each once. Rows are let go of before anything else is done with them: no transaction stays open.

    Raises:
        CollectionRefusedError: something that may name artifacts cannot be read.
        StoreError, SQLAlchemyError: the store or the database fails.
    """
    seen: set[tuple[bytes, str | None]] = set()

    def fresh(found: Iterable[Reference]) -> list[Reference]:
        new: list[Reference] = []
        for reference in found:
            key = (bytes.fromhex(reference.digest), reference.codec)
            if key not in seen:
                seen.add(key)
                new.append(reference)
        return new

    yield from fresh(document_roots(store))
    yield from fresh(kept_by_cache(store))
    for source in (_of_airflow, _of_lineage):
        yield from fresh(reference for reference, _ in source(store, expired))


def named(store: Store, expired: Collection[DagRunKey] = frozenset()) -> Iterator[Named]:
    """Everything that is named, as often as it is, with where it stands; previews and hashes of the log name nothing."""
    for path in store.documents():
        if not path.startswith(("previews/", "steps/", "audit/")):
            for reference in named_in(store.read_document(path) or b""):
                yield reference, f"document {path}"
    yield from named_by_cache(store)
    yield from _of_airflow(store, expired)
    yield from _of_lineage(store, expired)


def recorded_since(store: Store, moment: float) -> Iterator[Reference]:
    """What was named lately: by pointers, waiting events, XComs, asset events and events; it may be old all the same.

    Asked again and again while a collection deletes, so it reads little.
    """
    for path in [*store.list_documents(pointers.FOLDER), *store.list_documents(SPOOL)]:
        yield from named_in(store.read_document(path) or b"")
    since = dt.datetime.fromtimestamp(moment, dt.timezone.utc) - dt.timedelta(hours=1)
    for mention in mentions(since=since):
        yield from named_in(mention.text)
    for _, text in _texts(select(EventRow.payload).where(EventRow.received_at >= since)):
        yield from named_in(text)


def _of_airflow(store: Store, expired: Collection[DagRunKey]) -> Iterator[Named]:
    with create_session(scoped=False) as session:
        needed_events = _needed_events(session, expired) if expired else set()
    for mention in mentions():
        if (
            mention.dag_id
            and mention.run_id
            and (mention.dag_id, mention.run_id) in expired
            and mention.row_id not in needed_events
        ):
            continue
        for reference in named_in(mention.text):
            yield reference, mention.where


def _needed_events(session: Session, expired: Collection[DagRunKey]) -> set[int]:
    """Asset events that may yet be handed to a step, whatever run they are of: the last of each asset, those of Dag runs that are kept, and those that
    wait for a Dag run to be made.
    """
    from airflow.models import asset
    from airflow.models.dagrun import DagRun
    from sqlalchemy import func

    events = asset.AssetEvent
    found = set(session.scalars(select(func.max(events.id)).group_by(events.asset_id)))
    links = asset.association_table.c
    for event_id, dag_id, run_id in session.execute(
        select(links.event_id, DagRun.dag_id, DagRun.run_id).join(DagRun, DagRun.id == links.dag_run_id)
    ):
        if (dag_id, run_id) not in expired:
            found.add(event_id)
    queued = select(asset.AssetDagRunQueue.asset_id)
    found.update(session.scalars(select(events.id).where(events.asset_id.in_(queued))))
    if hasattr(asset, "PartitionedAssetKeyLog"):  # Airflow 3.2 and later
        log, waiting = asset.PartitionedAssetKeyLog, asset.AssetPartitionDagRun
        found.update(
            session.scalars(
                select(log.asset_event_id)
                .join(waiting, waiting.id == log.asset_partition_dag_run_id)
                .where(waiting.created_dag_run_id.is_(None))
            )
        )
    return found


def _of_lineage(store: Store, expired: Collection[DagRunKey]) -> Iterator[Named]:
    """What runs read and wrote, their code and packages; and the events that are of no run."""
    pinned = behind_pointers(store) if expired else frozenset()

    def goes(row: Any) -> bool:
        return (row.dag_id, row.dag_run_id) in expired and row.run_id not in pinned

    told = (RunRow.run_id, RunRow.dag_id, RunRow.dag_run_id, RunRow.name)
    ios = (
        select(*told, IoRow.direction, DataRow.digest, DataRow.codec)
        .join(RunRow, RunRow.run_id == IoRow.run_id)
        .join(DataRow, DataRow.node_id == IoRow.node_id)
        .where(DataRow.digest.is_not(None))
    )
    for row in _rows(ios):
        if not goes(row):
            verb = "written by" if row.direction == "write" else "read by"
            yield Reference(Digest(row.digest), row.codec), f"{verb} {row.name} in {row.dag_run_id or row.run_id}"
    for row, text in _texts(select(RunRow.facets, *told)):
        if not goes(row):
            for reference in named_in(text):
                yield reference, f"facets of {row.name} in {row.dag_run_id or row.run_id}"
    for row, text in _texts(select(EventRow.payload, EventRow.id).where(EventRow.run_id.is_(None))):
        for reference in named_in(text):
            yield reference, f"lineage event {row.id}"


def _rows(query: Any) -> Iterator[Any]:
    with lineage_session() as session:
        yield from session.execute(query.execution_options(yield_per=_AT_ONCE))


def _texts(query: Any) -> Iterator[tuple[Any, bytes]]:
    """The rows of a query whose first column is packed, each with its text; rows that have none are left out."""
    with lineage_session() as session, lineage_session() as other:  # one reads on meanwhile
        for some in session.execute(query.execution_options(yield_per=_AT_ONCE)).partitions():
            packed = [row for row in some if row[0] is not None]
            yield from zip(packed, texts(other, [row[0] for row in packed]), strict=True)


def behind_pointers(store: Store) -> frozenset[str]:
    """The runs by which what pointers name came to be, back to where their data came from.

    Raises:
        CollectionRefusedError: they are too many to tell.
    """
    seeds = [f"artifact:{parse_digest(pointer.ref.digest)}" for pointer in pointers.pointers(store)]
    with lineage_session() as session:
        known = [seed for seed in seeds if session.get(DataRow, seed) is not None]
        found = walk(
            known, StoredNeighbours(session, known, _WRITERS), depth=_MOST, direction="upstream", max_nodes=_MOST
        )
    if found.truncated:
        raise CollectionRefusedError(
            f"the pointers name artifacts with more than {_MOST} runs and artifacts behind them: nothing can be let go of by its age"
        )
    return frozenset(node_id.removeprefix("run:") for node_id in found.ids if node_id.startswith("run:"))
