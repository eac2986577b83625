"""What folded runs become in the tables: their rows, names, data, and reads and writes.

Rows are written where they differ from what is there, and in the order of their keys, so that transactions wait for each other in one order.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import digest_bytes, digest_record
from sematic_airflow_provider.db.lookups import chunks, one_of
from sematic_airflow_provider.db.memory import Memory
from sematic_airflow_provider.db.models import DataRow, DatasetRow, FlowRow, IoRow, JobRow, RunRow, dag_run_key
from sematic_airflow_provider.db.packed import compressed, store_parts
from sematic_airflow_provider.db.upserts import insert_missing, insert_or_lower, insert_or_replace, insert_rows
from sematic_airflow_provider.lineage.canonical import canonical_facets, encode
from sematic_airflow_provider.lineage.dataset_names import Name
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.flows import Flow, flow_key, flows_of, tells_flows
from sematic_airflow_provider.lineage.fold import DataRecord, RunRecord
from sematic_airflow_provider.lineage.naming import dataset_key, job_key
from sematic_airflow_provider.lineage.told import Told

_RUN_COLUMNS: Final = [column.name for column in RunRow.__table__.columns]
IO_COLUMNS: Final = [column.name for column in IoRow.__table__.columns if column.name != "id"]


def project_runs(
    session: Session,
    records: Sequence[RunRecord],
    told: Iterable[Told],
    known: Collection[str],
    texts: Mapping[int, str],
    memory: Memory,
    *,
    parts: Mapping[str, str] | None = None,
    mending: bool = False,
) -> None:
    """Write these runs, their data and edges, in place of what there is of them.

    Args:
        session: its transaction holds the rows of the runs.
        records: the runs.
        told: of data, by the runs' events.
        known: those that have rows.
        texts: of facets, by ``id``, as far as they are known.
        memory: of the database.
        parts: more of them, to be stored with those of the runs.
        mending: write also what seems to be there, since it may have been altered.
    """
    found = dict(parts or {})
    rows = [run_row(record, _packed(record.facets, texts, found, memory)) for record in records]
    node_ids = {id(data): data.node_id for record in records for data in record.data}
    edges = [
        io_row(record, data, node_ids[id(data)], _packed(data.facets, {}, found, memory))
        for record in records
        for data in record.data
    ]
    store_parts(session, found)
    # A run that two transactions make at once is refused to one of them, which then tries again with the other's events.
    insert_rows(session, RunRow, [row for row in rows if row["run_id"] not in known])
    insert_or_replace(session, RunRow, [row for row in rows if row["run_id"] in known])
    _tell_of_data(session, told, mending=mending)
    _write_edges(session, edges, sorted({record.run_id for record in records if record.run_id in known}))


def project_names(
    session: Session, jobs: Collection[Name], datasets: Collection[Name], *, mending: bool = False
) -> None:
    """Keep the names of jobs and data sets that are new."""
    for model, column, keys in (
        (JobRow, "job_key", {job_key(*name): name for name in jobs}),
        (DatasetRow, "dataset_key", {dataset_key(*name): name for name in datasets}),
    ):
        there: set[str] = set()
        for chunk in chunks(sorted(keys)) if not mending else ():
            there.update(
                session.scalars(select(getattr(model, column)).where(one_of(session, getattr(model, column), chunk)))
            )
        new = [{column: key, "namespace": keys[key][0], "name": keys[key][1]} for key in sorted(keys.keys() - there)]
        (insert_or_replace if mending else insert_missing)(session, model, new)


def project_flows(
    session: Session, events: Iterable[Event], memory: Memory, *, mending: bool = False
) -> dict[str, str]:
    """Keep the flows that these events tell; gives what to remember of them when they are committed.

    A run's events tell the same again and again, so what was stored lately is not made into rows again.
    """
    told = {key: event for event in events if tells_flows(event) for key in [_flow_source(event)]}
    if not told:
        return {}
    stored = memory.flows_stored(session, told)
    found: dict[str, Flow] = {}
    remembered: dict[str, str] = {}
    for source, event in told.items():
        if source in stored:
            continue
        flows = {flow_key(flow): flow for flow in flows_of(event)}
        found |= flows
        if flows:
            remembered[source] = min(flows)
    names = {name for flow in found.values() for name in (flow.target, flow.source)}
    project_names(session, (), names, mending=mending)
    there: set[str] = set()
    for chunk in chunks(sorted(found)) if not mending else ():
        there.update(session.scalars(select(FlowRow.flow_key).where(one_of(session, FlowRow.flow_key, chunk))))
    new = sorted(found.keys() - there)
    write = insert_or_replace if mending else insert_missing
    write(session, FlowRow, [_flow_row(key, found[key]) for key in new])
    return remembered


def _flow_source(event: Event) -> str:
    """A digest of all in an event that its flows depend on."""
    payload = event.payload
    texts = {id(member.value): event.text[member.start : member.end] for member in event.members}
    told: list[str] = [event.kind]
    datasets = [*(payload.get("inputs") or ()), None, *(payload.get("outputs") or ()), payload.get("dataset")]
    for holder in (payload.get("job"), *datasets):
        if not isinstance(holder, Mapping):
            told.append("")
            continue
        if holder is not payload.get("job"):  # flows are the same whatever the job is called
            told += (holder["namespace"], holder["name"])
        facets = holder.get("facets") or {}
        for name in ("columnLineage", "lineage", "symlinks"):
            if name in facets:
                told += (name, texts.get(id(facets[name])) or encode(facets[name]))
    return digest_bytes("\0".join(told).encode())


def _flow_row(key: str, flow: Flow) -> dict[str, str]:
    return {
        "flow_key": key,
        "out_key": dataset_key(*flow.target),
        "out_field": flow.target_field,
        "in_key": dataset_key(*flow.source),
        "in_field": flow.source_field,
        "kind": flow.kind,
    }


def _packed(facets: Mapping[str, Any], texts: Mapping[int, str], parts: dict[str, str], memory: Memory) -> bytes:
    text, members = canonical_facets(facets, texts)
    skeleton, found = memory.cutter.cut(text, members)
    parts.update(found)
    return compressed(skeleton.encode())


def run_row(record: RunRecord, facets: bytes) -> dict[str, Any]:
    """The row of a run."""
    row = {name: getattr(record, name, None) for name in _RUN_COLUMNS}
    row["job_key"], row["facets"] = job_key(record.namespace, record.name), facets
    return row


def io_row(record: RunRecord, data: DataRecord, node_id: str, facets: bytes) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "node_id": node_id,
        "dataset_key": dataset_key(data.namespace, data.name),
        "direction": data.direction,
        "at": data.seen_at,
        "dag_run_key": dag_run_key(record.dag_id, record.dag_run_id),
        "label": data.label,
        "name": data.name,
        "dataset_type": data.dataset_type,
        "facets": facets,
    }


def _write_edges(session: Session, edges: Sequence[dict[str, Any]], known: Sequence[str]) -> None:
    """Insert and delete what makes the difference between these edges and those that the known runs have."""
    there: dict[tuple[Any, ...], list[int]] = {}
    columns = [getattr(IoRow, name) for name in IO_COLUMNS]
    for chunk in chunks(known):
        for edge_id, *edge in session.execute(select(IoRow.id, *columns).where(one_of(session, IoRow.run_id, chunk))):
            there.setdefault((*edge[:-1], bytes(edge[-1])), []).append(edge_id)
    new = []
    for row in edges:
        same = there.get(tuple(row[name] for name in IO_COLUMNS))
        if same:
            same.pop()
        else:
            new.append(row)
    gone = sorted(edge_id for ids in there.values() for edge_id in ids)
    for some in chunks(gone):
        session.execute(delete(IoRow).where(one_of(session, IoRow.id, some)))
    insert_rows(session, IoRow, new)


def _tell_of_data(session: Session, told: Iterable[Told], *, mending: bool) -> None:
    """Make the rows of data that are new, and give those that were told of later than now the first facts.

    The rank is compared again where the row is written. What is known better already is left alone, so that no writer waits for a row that all have.
    """
    best: dict[str, tuple[str, Told]] = {}
    for data in told:
        rank = _rank(data)
        if data.node_id not in best or rank < best[data.node_id][0]:
            best[data.node_id] = (rank, data)
    known: dict[str, str] = {}
    for chunk in chunks(sorted(best)):
        query = select(DataRow.node_id, DataRow.rank).where(one_of(session, DataRow.node_id, chunk))
        known.update((node_id, rank) for node_id, rank in session.execute(query))
    rows = [
        _data_row(rank, data)
        for node_id, (rank, data) in sorted(best.items(), key=lambda item: item[0])
        if node_id not in known or rank < known[node_id] or (mending and rank == known[node_id])
    ]
    insert_or_lower(session, DataRow, rows, rank="rank", or_equal=mending)


def _rank(data: Told) -> str:
    """Orders what several runs tell of the same data: the earliest first, then by content. Always 91 characters."""
    ref = data.ref
    fields = {"namespace": data.namespace, "name": data.name, "ref": ref.to_json() if ref else None}
    return data.seen_at.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "|" + digest_record("data", fields)


def _data_row(rank: str, data: Told) -> dict[str, Any]:
    ref = data.ref
    return {
        "node_id": data.node_id,
        "dataset_key": dataset_key(data.namespace, data.name),
        "digest": ref.digest if ref else None,
        "codec": ref.codec[:250] if ref else None,
        "type": ref.type if ref else None,
        "size": ref.size if ref else None,
        "value": json.dumps(ref.value) if ref and ref.has_value else None,
        "namespace": data.namespace,
        "name": data.name,
        "version": data.version,
        "first_seen": data.seen_at,
        "rank": rank,
    }
