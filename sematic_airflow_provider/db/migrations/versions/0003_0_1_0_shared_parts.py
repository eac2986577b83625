"""The log packed, with parts that repeat stored once and a hash chain; the projection with names, flows and times of edges.

The log goes over, event by event, in both directions; the projection is made anew from it.
"""

from __future__ import annotations

import importlib
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import (
    HexBytes,
    Identifier,
    JsonText,
    Key,
    NodeId,
    Number,
    Packed,
    RunId,
    UtcTime,
)

revision = "5e1f00000003"
down_revision = "5e1f00000002"
branch_labels = None
depends_on = None
sematic_version = "0.1.0"

_OLD = sa.table("sematic_event_before", sa.column("id"), sa.column("payload", sa.Text()))
_AT_ONCE = 200


def upgrade() -> None:
    """Set the old log aside, make the new tables, and take the old log in."""
    for table in ("sematic_io", "sematic_data", "sematic_run"):
        op.drop_table(table)
    op.drop_index("ix_sematic_event_run_id", "sematic_event")
    op.rename_table("sematic_event", "sematic_event_before")
    if op.get_context().dialect.name == "postgresql":  # where names of indexes are for all tables
        for name in ("pk_sematic_event", "uq_sematic_event_digest"):
            op.execute(f"ALTER INDEX {name} RENAME TO {name}_before")
    _new_tables()
    if not context.is_offline_mode():  # as SQL alone, the log cannot be told: post it again
        _take_over()
    op.drop_table("sematic_event_before")


def downgrade() -> None:
    """Back to the first tables, with all events that still have their text."""
    texts = [] if context.is_offline_mode() else _texts()
    for table in _TABLES:
        op.drop_table(table)
    _old_tables()
    if texts:
        _fill_old(texts)


_TABLES = (
    "sematic_flow",
    "sematic_io",
    "sematic_data",
    "sematic_run",
    "sematic_dataset",
    "sematic_job",
    "sematic_seal",
    "sematic_unsealed",
    "sematic_part",
    "sematic_event",
)


def _take_over() -> None:
    from sematic_airflow_provider.db.event_store import append_and_project
    from sematic_airflow_provider.errors import EventRejectedError
    from sematic_airflow_provider.lineage.events import event_of_text

    last = 0
    with Session(bind=op.get_bind()) as session:
        while True:
            query = sa.select(_OLD.c.id, _OLD.c.payload).where(_OLD.c.id > last).order_by(_OLD.c.id).limit(_AT_ONCE)
            rows = session.execute(query).all()
            if not rows:
                return
            last = rows[-1][0]
            events = []
            for _, text in rows:
                try:
                    events.append(event_of_text(text))
                except EventRejectedError:  # of an earlier version that was less strict
                    continue
            append_and_project(session, events)
            session.flush()


def _texts() -> list[dict[str, Any]]:
    from sematic_airflow_provider.db.models import EventRow
    from sematic_airflow_provider.db.packed import texts

    with Session(bind=op.get_bind()) as session:
        rows = session.scalars(sa.select(EventRow).where(EventRow.payload.is_not(None)).order_by(EventRow.id)).all()
        told = texts(session, [row.payload for row in rows if row.payload is not None])
        return [
            {
                "digest": row.digest,
                "received_at": row.received_at,
                "event_time": row.event_time,
                "kind": row.kind,
                "run_id": row.run_id,
                "payload": text.decode(),
            }
            for row, text in zip(rows, told, strict=True)
        ]


def _new_tables() -> None:
    op.create_table(
        "sematic_event",
        sa.Column("id", Number, primary_key=True, autoincrement=True),
        sa.Column("digest", HexBytes(32), nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("event_time", UtcTime, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("run_id", RunId),
        sa.Column("subject_key", Key),
        sa.Column("payload", Packed),
        sa.UniqueConstraint("digest", name="uq_sematic_event_digest"),
    )
    op.create_index("ix_sematic_event_run_id", "sematic_event", ["run_id"])
    op.create_index("ix_sematic_event_received_at", "sematic_event", ["received_at"])
    op.create_index("ix_sematic_event_subject_key_event_time", "sematic_event", ["subject_key", "event_time"])
    op.create_table(
        "sematic_part",
        sa.Column("key", Key, primary_key=True),
        sa.Column("content", Packed, nullable=False),
        sa.Column("seen_on", sa.Date(), nullable=False),
    )
    op.create_table("sematic_unsealed", sa.Column("event_id", Number, primary_key=True, autoincrement=False))
    op.create_table(
        "sematic_seal",
        sa.Column("number", Number, primary_key=True, autoincrement=False),
        sa.Column("sealed_at", UtcTime, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("entries", Packed, nullable=False),
        sa.Column("previous", HexBytes(32), nullable=False),
        sa.Column("hash", HexBytes(32), nullable=False),
    )
    for name in ("job", "dataset"):
        op.create_table(
            f"sematic_{name}",
            sa.Column(f"{name}_key", Key, primary_key=True),
            sa.Column("namespace", JsonText, nullable=False),
            sa.Column("name", JsonText, nullable=False),
        )
    _new_runs()
    _new_data()


def _new_runs() -> None:
    op.create_table(
        "sematic_run",
        sa.Column("run_id", RunId, primary_key=True),
        sa.Column("job_key", Key, nullable=False),
        sa.Column("namespace", JsonText, nullable=False),
        sa.Column("name", JsonText, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("first_at", UtcTime, nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("ended_at", UtcTime),
        sa.Column("parent_run_id", RunId),
        sa.Column("root_run_id", RunId),
        sa.Column("dag_id", Identifier),
        sa.Column("dag_run_id", Identifier),
        sa.Column("task_id", Identifier),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("cache", sa.String(20)),
        sa.Column("integration", sa.String(40)),
        sa.Column("facets", Packed, nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
    )
    for columns in (
        ["first_at"],
        ["parent_run_id"],
        ["dag_run_id"],
        ["dag_id", "dag_run_id"],
        ["dag_id", "first_at"],
        ["root_run_id"],
        ["dag_id", "task_id", "started_at"],
        ["job_key", "first_at"],
        ["state", "first_at"],
        ["integration", "first_at"],
    ):
        op.create_index(f"ix_sematic_run_{'_'.join(columns)}", "sematic_run", columns)


def _new_data() -> None:
    op.create_table(
        "sematic_data",
        sa.Column("node_id", NodeId, primary_key=True),
        sa.Column("dataset_key", Key, nullable=False),
        sa.Column("digest", sa.String(64)),
        sa.Column("codec", sa.String(250)),
        sa.Column("type", JsonText),
        sa.Column("size", sa.BigInteger()),
        sa.Column("value", JsonText),
        sa.Column("namespace", JsonText, nullable=False),
        sa.Column("name", JsonText, nullable=False),
        sa.Column("version", sa.String(250)),
        sa.Column("first_seen", UtcTime, nullable=False),
        sa.Column("rank", sa.String(100), nullable=False),
    )
    for columns in (["digest"], ["dataset_key", "first_seen"], ["first_seen"]):
        op.create_index(f"ix_sematic_data_{'_'.join(columns)}", "sematic_data", columns)
    op.create_table(
        "sematic_io",
        sa.Column("id", Number, primary_key=True, autoincrement=True),
        sa.Column(
            "run_id",
            RunId,
            sa.ForeignKey("sematic_run.run_id", ondelete="CASCADE", name="fk_sematic_io_run_id"),
            nullable=False,
        ),
        sa.Column("node_id", NodeId, nullable=False),
        sa.Column("dataset_key", Key, nullable=False),
        sa.Column("direction", sa.String(5), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("dag_run_key", Key, nullable=False),
        sa.Column("label", JsonText, nullable=False),
        sa.Column("name", JsonText, nullable=False),
        sa.Column("dataset_type", sa.String(40)),
        sa.Column("facets", Packed, nullable=False),
    )
    for columns in (
        ["run_id"],
        ["node_id", "direction", "dag_run_key"],
        ["node_id", "direction", "at", "id"],
        ["dataset_key", "direction", "at"],
    ):
        op.create_index(f"ix_sematic_io_{'_'.join(columns)}", "sematic_io", columns)
    op.create_table(
        "sematic_flow",
        sa.Column("flow_key", Key, primary_key=True),
        sa.Column("out_key", Key, nullable=False),
        sa.Column("out_field", JsonText, nullable=False),
        sa.Column("in_key", Key, nullable=False),
        sa.Column("in_field", JsonText, nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
    )
    for column in ("out_key", "in_key"):
        op.create_index(f"ix_sematic_flow_{column}", "sematic_flow", [column])


def _old_tables() -> None:
    first = importlib.import_module("sematic_airflow_provider.db.migrations.versions.0001_0_1_0_lineage")
    second = importlib.import_module("sematic_airflow_provider.db.migrations.versions.0002_0_1_0_cache")
    first.upgrade()
    second.upgrade()


def _fill_old(rows: list[dict[str, Any]]) -> None:
    table = sa.table(
        "sematic_event",
        sa.column("digest", sa.String(64)),
        sa.column("received_at", UtcTime),
        sa.column("event_time", UtcTime),
        sa.column("kind", sa.String(10)),
        sa.column("run_id", sa.String(36)),
        sa.column("payload", JsonText),
    )
    op.bulk_insert(table, rows)
