"""Migrations and graphs on PostgreSQL; test_databases.py is about taking events in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from integration.postgresql import PostgreSQL
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.lookups import one_of
from sematic_airflow_provider.db.models import RunRow, metadata
from sematic_airflow_provider.db.queries import (
    Extent,
    dag_run_seeds,
    dags_of_runs,
    graph,
    latest_dag_run,
    run_row,
    steps_of_dag_run,
)
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.events import parse_event
from tests.airflow_home import run_airflow
from tests.db.test_migrations import CHECK
from tests.events import pipeline


def _events() -> list[dict[str, Any]]:
    return [event for n in range(6) for event in pipeline(dag_run_id=f"run{n}", seed=str(n % 2))]


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


def test_what_is_no_run_id_is_that_of_no_run(postgresql: PostgreSQL) -> None:
    engine = create_engine(postgresql.create("ids"))
    metadata.create_all(engine)
    with Session(engine) as session:
        ingest(session, [parse_event(event) for event in _events()])
        one = session.scalars(select(RunRow.run_id)).first()
        assert one is not None
        assert run_row(session, one.upper()).run_id == one
        with pytest.raises(NodeNotFoundError, match="no lineage of a run manual__2026"):
            run_row(session, "manual__2026")
        assert dags_of_runs(session, ["manual__2026", one]) == {one: "flow"}
        assert session.scalars(select(RunRow).where(one_of(session, RunRow.run_id, ["manual__2026"]))).all() == []
        assert {row.dag_run_id for row in steps_of_dag_run(session, "run3", "flow")} == {"run3"}
