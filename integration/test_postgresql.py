"""The event store on PostgreSQL, with several processes taking in the same runs at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from integration.postgresql import PostgreSQL
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import DataRow, IoRow, RunRow, metadata
from sematic_airflow_provider.db.queries import Extent, dag_run_seeds, graph, latest_dag_run
from sematic_airflow_provider.lineage.events import parse_event
from tests.airflow_home import run_airflow
from tests.db.test_migrations import CHECK
from tests.events import pipeline


def _events() -> list[dict[str, Any]]:
    return [event for n in range(6) for event in pipeline(dag_run_id=f"run{n}", seed=str(n % 2))]


def _ingest_shuffled(url: str, seed: int) -> None:
    events = _events() * 2
    random.Random(seed).shuffle(events)
    with Session(create_engine(url)) as session:
        for start in range(0, len(events), 5):
            ingest(session, [parse_event(event) for event in events[start : start + 5]])


def _projection(url: str) -> list[Any]:
    """Every row of the projection, every column but the numbers of the edges."""
    with Session(create_engine(url)) as session:
        return [
            sorted(
                tuple(
                    (column.key, str(getattr(row, column.key)))
                    for column in table.__table__.columns
                    if column.key != "id"
                )
                for row in session.scalars(select(table))
            )
            for table in (RunRow, DataRow, IoRow)
        ]


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


def test_migrations_go_up_and_down_and_agree_with_the_models(postgresql: PostgreSQL, tmp_path: Path) -> None:
    home = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgresql.create("migrated")}
    run_airflow("db", "migrate", **home)
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env={**os.environ, **home}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith(("True", "False", "["))]
    tables = str(sorted(metadata.tables))
    assert lines == [f"True {tables}", "False []", f"True {tables}", "[]"]


def test_the_walk_and_the_nodes_are_the_same_as_on_sqlite(postgresql: PostgreSQL) -> None:
    found = []
    for url in (postgresql.create("walked"), "sqlite://"):
        engine = create_engine(url)
        metadata.create_all(engine)
        with Session(engine) as session:
            ingest(session, [parse_event(event) for event in _events()])
            found.append(graph(session, dag_run_seeds(session, "flow", latest_dag_run(session, "flow")), Extent(20)))
    assert found[0] == found[1]
    assert found[0].more_upstream
