"""The log is carried over by a migration, up and down: what each database is asked to do."""

from __future__ import annotations

import datetime as dt
import importlib
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import EventRow, metadata
from sematic_airflow_provider.lineage.events import parse_event
from tests.db.tables import made, projection
from tests.events import pipeline, ref, task_event
from tests.producers import dataset_event, dbt_event, job_event, spark_event

VERSIONS = "sematic_airflow_provider.db.migrations.versions"
RECEIVED = dt.datetime(2026, 2, 3, 4, 5, 6, 789, dt.timezone.utc)
EVENTS = [
    *(event for number in range(30) for event in pipeline(dag_run_id=f"run{number}", seed=str(number % 3))),
    spark_event("START"),
    spark_event(second=9),
    dbt_event(),
    job_event(),
    dataset_event(),
    task_event("COMPLETE", "x'); DROP TABLE sematic_event; --\U0001f600", writes={"return_value": ref("é<b>")}),
    task_event("START", "big", facets={"sourceCode": {"code": "def f():\n" * 200, "of": "x" * 400}}),
]


def _migration(name: str) -> ModuleType:
    return importlib.import_module(f"{VERSIONS}.{name}")


def _run(engine: Engine, step: Any) -> None:
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})  # which names constraints
        with Operations.context(context):
            step()


def _old_log(engine: Engine) -> list[tuple[Any, ...]]:
    table = sa.table(
        "sematic_event",
        *(sa.column(name) for name in ("digest", "received_at", "event_time", "kind", "run_id", "payload")),
    )
    with engine.connect() as connection:
        return sorted((row[0], str(row[1]), str(row[2]), *row[3:]) for row in connection.execute(sa.select(table)))


def _fill_old(engine: Engine) -> None:
    third = _migration("0003_0_1_0_shared_parts")
    rows = []
    for event in map(parse_event, EVENTS):
        rows.append(
            {
                "digest": event.digest,
                "received_at": RECEIVED,
                "event_time": event.time,
                "kind": event.kind,
                "run_id": event.run_id,
                "payload": event.text,
            }
        )
    rows.append({**rows[0], "digest": "0" * 64, "payload": '{"an earlier": "version"}'})
    with engine.begin() as connection:
        connection.execute(third._FIRST.insert(), rows)


def check_carrying(url: str, other_url: str) -> None:
    """Up with a log, down, and up again: always the same events, and the projection that they have when they are taken in.

    Args:
        url: of an empty database.
        other_url: of another, to compare with.
    """
    engine, third = create_engine(url), _migration("0003_0_1_0_shared_parts")
    _run(engine, _migration("0001_0_1_0_lineage").upgrade)
    _run(engine, _migration("0002_0_1_0_cache").upgrade)
    _fill_old(engine)
    before = _old_log(engine)
    assert len(before) == len(EVENTS) + 1
    with Session(made(other_url)) as session:
        ingest(session, [parse_event(event) for event in EVENTS])
        expected = projection(session)
    for _ in range(2):
        _run(engine, third.upgrade)
        with Session(engine) as session:
            assert set(session.scalars(select(EventRow.received_at))) == {RECEIVED}
            assert projection(session) == expected
        _run(engine, third.downgrade)
        assert _old_log(engine) == [row for row in before if row[0] != "0" * 64]  # what is no event was left behind
    names = set(sa.inspect(engine).get_table_names())
    assert names == {"sematic_event", "sematic_run", "sematic_data", "sematic_io"}
    _run(engine, third.upgrade)
    with Session(engine) as session:
        assert projection(session) == expected
    engine.dispose()
