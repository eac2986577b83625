"""What exports need from the tables: a part of the graph with what its runs told, and the events themselves. What the asker may not read is never fetched."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import EventRow, IoRow, RunRow
from sematic_airflow_provider.db.nodes import Readable, everything, run_nodes, run_rows
from sematic_airflow_provider.db.packed import facets, texts
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.db.seals import head
from sematic_airflow_provider.errors import ExportTooLargeError
from sematic_airflow_provider.lineage import rollup
from sematic_airflow_provider.lineage.events import Event, event_of_text
from sematic_airflow_provider.lineage.exports.facts import RunFacts, facts_of
from sematic_airflow_provider.lineage.exports.openlineage import line_of, runs_named_by
from sematic_airflow_provider.lineage.exports.subgraph import DataFacts, Seal, Subgraph
from sematic_airflow_provider.lineage.graph import LineageGraph
from sematic_airflow_provider.lineage.shapes import mapping

_AT_ONCE: Final = 50  # runs or events whose texts are in memory together
_MOST_FIELDS: Final = 2000
_MOST_CHARACTERS: Final = 256 << 20  # of all that the runs of one export told
MOST_EVENTS: Final = 100_000
_NARROWER: Final = "ask for less, by a smaller depth or fewer nodes"


def subgraph(
    session: Session,
    seeds: Sequence[str],
    extent: Extent,
    readable: Readable = everything,
    *,
    dag_run: tuple[str, str] | None = None,
) -> Subgraph:
    """A part of the lineage, ready for export.

    Args:
        session: of the lineage tables.
        seeds: node ids to start from, which the asker may read.
        extent: how far it goes.
        readable: which Dags the asker may read.
        dag_run: Dag and run, where the seeds are those of a Dag run.

    Raises:
        ExportTooLargeError: its runs told more than fits into memory.
    """
    graph = queries.graph(session, seeds, extent, readable)
    last = head(session)
    return Subgraph(
        title=f"{dag_run[0]}, {dag_run[1]}" if dag_run else _title(graph),
        graph=graph,
        runs=_run_facts(session, graph, readable),
        data=_data_facts(session, graph),
        made_at=dt.datetime.now(dt.timezone.utc),
        seal=Seal(last.number, last.sealed_at, last.hash) if last else None,
        dag_run=dag_run,
    )


def exported_runs(session: Session, graph: LineageGraph, readable: Readable = everything) -> list[str]:
    """The ids of the runs whose events are exported: those in the graph, and the runs that they are part of, which tell how they ended."""
    ids = _open_runs(graph)
    parents: set[str] = set()
    for chunk in chunks(ids):
        query = select(RunRow.parent_run_id).where(RunRow.run_id.in_(chunk), RunRow.parent_run_id.is_not(None))
        parents.update(found for found in session.scalars(query) if found)
    wanted = sorted(parents - set(ids))
    return [*ids, *(run_id for run_id, hidden in _hidden(session, wanted, readable).items() if not hidden)]


def count_events(session: Session, run_ids: Sequence[str]) -> tuple[int, int]:
    """How many events the log has of these runs, and of how many of those only the main facts are left, because they were too old to be kept.

    Raises:
        ExportTooLargeError: there are more than are exported at once.
    """
    total = gone = 0
    for chunk in chunks(run_ids):
        query = select(func.count(), func.count(EventRow.payload)).where(
            EventRow.run_id.in_(chunk), EventRow.kind == "run"
        )
        found, kept = session.execute(query).one()
        total, gone = total + found, gone + found - kept
    if total > MOST_EVENTS:
        raise ExportTooLargeError(
            f"there are {total} events in this part of the lineage, the most is {MOST_EVENTS}: {_NARROWER}"
        )
    return total, gone


def event_lines(session: Session, run_ids: Sequence[str], readable: Readable = everything) -> Iterator[bytes]:
    """The events of these runs as JSON lines, a few in memory at a time, in the order in which they came in.

    Of those that were too old to be kept, what is left: the events that count, with their main facts.
    """
    ids: list[int] = []
    for chunk in chunks(run_ids):
        kinds = EventRow.kind.in_(("run", rollup.KIND))
        with_text = (EventRow.run_id.in_(chunk), kinds, EventRow.payload.is_not(None))
        ids += session.scalars(select(EventRow.id).where(*with_text))
    ids.sort()
    known: dict[str, bool] = {}

    def hidden(run_id: str, job: str) -> bool:
        # A run that no event was of has no Dag in the tables; that of a Dag run is called as the Dag.
        return known[run_id] if run_id in known else not readable(job)

    for some in chunks(ids, _AT_ONCE):
        events = _events(session, some)
        named = {run_id for event in events for run_id in runs_named_by(event)}
        known.update(_hidden(session, sorted(named - known.keys()), readable))
        for event in events:
            yield line_of(event, readable, hidden)


def _events(session: Session, ids: Sequence[int]) -> list[Event]:
    query = select(EventRow.kind, EventRow.payload).where(EventRow.id.in_(ids)).order_by(EventRow.id)
    rows = [(kind, payload) for kind, payload in session.execute(query) if payload is not None]
    found: list[Event] = []
    for (kind, _), text in zip(rows, texts(session, [payload for _, payload in rows]), strict=True):
        found += rollup.events_in(text)[0] if kind == rollup.KIND else [event_of_text(text)]
    return found


def _title(graph: LineageGraph) -> str:
    names = [node.label for node in graph.nodes if node.id in graph.focus]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _open_runs(graph: LineageGraph) -> list[str]:
    return [node.id.removeprefix("run:") for node in graph.nodes if node.kind == "run" and not node.locked]


def _hidden(session: Session, run_ids: Sequence[str], readable: Readable) -> dict[str, bool]:
    """Of those runs that the tables know, whether the asker may not read them."""
    rows = run_rows(session, run_ids)
    return {row.run_id: node.locked for row, node in zip(rows, run_nodes(session, rows, readable), strict=True)}


def _run_facts(session: Session, graph: LineageGraph, readable: Readable) -> dict[str, RunFacts]:
    found: dict[str, RunFacts] = {}
    sources: dict[str | None, str | None] = {}  # runs of one job have one source, which is kept once
    size = 0
    for ids in chunks(_open_runs(graph), _AT_ONCE):
        rows = session.execute(select(RunRow.run_id, RunRow.facets).where(RunRow.run_id.in_(ids))).all()
        told = texts(session, [packed for _, packed in rows])
        size += sum(map(len, told))
        if size > _MOST_CHARACTERS:
            raise ExportTooLargeError(
                f"the runs of this part of the lineage told more than {_MOST_CHARACTERS >> 20} MiB: {_NARROWER}"
            )
        for (run_id, _), text in zip(rows, told, strict=True):
            facts = facts_of(json.loads(text), readable)
            found[f"run:{run_id}"] = replace(facts, source=sources.setdefault(facts.source, facts.source))
    return found


def _data_facts(session: Session, graph: LineageGraph) -> dict[str, DataFacts]:
    """As those runs told that the asker may read: as the latest write has it, and what that does not say as the latest read has it."""
    wanted = {node.id for node in graph.nodes if node.kind != "run" and not node.locked}
    latest: dict[tuple[str, str], tuple[dt.datetime, int]] = {}
    first: dict[str, dt.datetime] = {}
    for ids in chunks(_open_runs(graph)):
        query = select(IoRow.id, IoRow.node_id, IoRow.direction, IoRow.at).where(IoRow.run_id.in_(ids))
        for io_id, node_id, direction, at in session.execute(query):
            if node_id in wanted:
                key = (node_id, direction)
                latest[key] = max(latest.get(key, (at, io_id)), (at, io_id))
                first[node_id] = min(first.get(node_id, at), at)
    told: dict[int, Mapping[str, Any]] = {}
    for numbers in chunks([io_id for _, io_id in latest.values()], _AT_ONCE):
        rows = session.execute(select(IoRow.id, IoRow.facets).where(IoRow.id.in_(numbers))).all()
        told.update(zip([io_id for io_id, _ in rows], facets(session, [packed for _, packed in rows]), strict=True))

    def as_told(node_id: str, direction: str) -> Mapping[str, Any]:
        return told.get(latest.get((node_id, direction), (None, -1))[1], {})

    return {
        node_id: DataFacts(
            _fields(as_told(node_id, "write")) or _fields(as_told(node_id, "read")),
            _statistics(as_told(node_id, "write")) or _statistics(as_told(node_id, "read")),
            at,
        )
        for node_id, at in first.items()
    }


def _fields(one: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    fields = mapping(one.get("schema")).get("fields")
    if not isinstance(fields, list):
        return ()
    return tuple(
        (str(field["name"])[:250], str(field.get("type") or "")[:250])
        for field in fields[:_MOST_FIELDS]
        if isinstance(field, Mapping) and "name" in field
    )


def _statistics(one: Mapping[str, Any]) -> dict[str, Any]:
    found = mapping(one.get("outputStatistics")) or mapping(one.get("inputStatistics"))
    return {key: value for key, value in found.items() if isinstance(value, int) and not isinstance(value, bool)}
