"""The event store on PostgreSQL, with several processes taking in the same runs at once."""

from __future__ import annotations

import multiprocessing
import os
import random
from typing import Any

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from integration.postgresql import PostgreSQL
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow, metadata
from sematic_airflow_provider.lineage.events import parse_event
from tests.events import pipeline


def _events() -> list[dict[str, Any]]:
    return [event for n in range(6) for event in pipeline(dag_run_id=f"run{n}", seed=str(n % 2))]


def _ingest_shuffled(url: str, seed: int) -> None:
    events = _events() * 2
    random.Random(seed).shuffle(events)
    with Session(create_engine(url)) as session:
        for start in range(0, len(events), 5):
            ingest(session, [parse_event(event) for event in events[start : start + 5]])


def _projection(url: str) -> tuple[set[Any], set[Any], list[Any]]:
    with Session(create_engine(url)) as session:
        runs = {
            (r.run_id, r.state, r.task_id, r.facets, r.event_count, r.started_at)
            for r in session.scalars(select(RunRow))
        }
        data = {(d.node_id, d.codec, d.size) for d in session.scalars(select(DataRow))}
        io = sorted((i.run_id, i.node_id, i.direction, i.label) for i in session.scalars(select(IoRow)))
    return runs, data, io


def test_concurrent_disordered_duplicated_ingest_gives_the_projection_of_one_ordered_pass(
    postgresql: PostgreSQL,
) -> None:
    ordered, racing = postgresql.create("ordered"), postgresql.create("racing")
    for url in (ordered, racing):
        metadata.create_all(create_engine(url))
    with Session(create_engine(ordered)) as session:
        for event in _events():
            ingest(session, [parse_event(event)])
    context = multiprocessing.get_context("spawn")
    os.environ.setdefault("PYTHONHASHSEED", "0")
    servers = [context.Process(target=_ingest_shuffled, args=(racing, seed)) for seed in range(4)]
    for server in servers:
        server.start()
    for server in servers:
        server.join()
    assert [server.exitcode for server in servers] == [0] * 4
    assert _projection(racing) == _projection(ordered)
