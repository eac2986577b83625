"""The log packed, with parts that repeat stored once and a hash chain; the projection with names, flows and times of edges.

The log goes over, event by event, in both directions; the projection is made anew from it.
"""

from __future__ import annotations

import datetime as dt
import importlib

import sqlalchemy as sa
from alembic import op
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

_OLD = sa.table(
    "sematic_event_before", sa.column("id"), sa.column("received_at", UtcTime), sa.column("payload", sa.Text())
)
_PACKED = sa.table(
    "sematic_event_packed",
    sa.column("id"),
    sa.column("digest", HexBytes(32)),
    sa.column("received_at", UtcTime),
    sa.column("event_time", UtcTime),
    sa.column("kind"),
    sa.column("run_id", RunId),
    sa.column("payload", Packed),
)
_FIRST = sa.table(
    "sematic_event",
    sa.column("digest", sa.String(64)),
    sa.column("received_at", UtcTime),
    sa.column("event_time", UtcTime),
    sa.column("kind", sa.String(10)),
    sa.column("run_id", sa.String(36)),
    sa.column("payload", JsonText),
)
_AT_ONCE = 200


def upgrade() -> None:
    """Set the old log aside, make the new tables, and take the old log in."""
    for table in ("sematic_io", "sematic_data", "sematic_run"):
        op.drop_table(table)
    _set_aside(["ix_sematic_event_run_id"], "sematic_event_before")
    _new_tables()
    if not op.get_context().as_sql:  # as SQL alone, the log cannot be told: post it again
        _take_over()
    op.drop_table("sematic_event_before")


def downgrade() -> None:
    """Back to the first tables, with all events that still have their text."""
    for table in _TABLES:
        op.drop_table(table)
    indexes = ("run_id", "received_at", "subject_key_event_time")
    _set_aside([f"ix_sematic_event_{name}" for name in indexes], "sematic_event_packed")
    _old_tables()
    if not op.get_context().as_sql:
        _hand_back()
    op.drop_table("sematic_event_packed")
    op.drop_table("sematic_part")


def _set_aside(indexes: list[str], name: str) -> None:
    """Rename the log, so that another table can have its name, and the names of its indexes."""
    for index in indexes:
        op.drop_index(index, "sematic_event")
    op.rename_table("sematic_event", name)
    if op.get_context().dialect.name == "postgresql":  # where names of indexes are for all tables
        for key in ("pk_sematic_event", "uq_sematic_event_digest"):
            op.execute(f"ALTER INDEX IF EXISTS {key} RENAME TO {key}_before")


_TABLES = (
    "sematic_flow",
    "sematic_io",
    "sematic_data",
    "sematic_run",
    "sematic_dataset",
    "sematic_job",
    "sematic_seal",
    "sematic_unsealed",
)


def _take_over() -> None:
    from sematic_airflow_provider.db.event_store import append_and_project
    from sematic_airflow_provider.errors import EventRejectedError
    from sematic_airflow_provider.lineage.events import event_of_text

    last = 0
    with Session(bind=op.get_bind()) as session:
        while True:
            rows = session.execute(sa.select(_OLD).where(_OLD.c.id > last).order_by(_OLD.c.id).limit(_AT_ONCE)).all()
            if not rows:
                return
            last = rows[-1].id
            events = []
            received: dict[str, dt.datetime] = {}
            for row in rows:
                try:
                    event = event_of_text(row.payload)
                except EventRejectedError:  # of an earlier version that was less strict
                    continue
                events.append(event)
                received[event.digest] = row.received_at
            append_and_project(session, events, received)
            session.flush()


def _hand_back() -> None:
    from sematic_airflow_provider.db.packed import texts

    last = 0
    with Session(bind=op.get_bind()) as session:
        while True:
            query = sa.select(_PACKED).where(_PACKED.c.id > last, _PACKED.c.payload.is_not(None))
            rows = session.execute(query.order_by(_PACKED.c.id).limit(_AT_ONCE)).all()
            if not rows:
                return
            last = rows[-1].id
            told = texts(session, [row.payload for row in rows])
            op.bulk_insert(
                _FIRST,
                [
                    {
                        "digest": row.digest,
                        "received_at": row.received_at,
                        "event_time": row.event_time,
                        "kind": row.kind,
                        "run_id": row.run_id,
                        "payload": text.decode(),
                    }
                    for row, text in zip(rows, told, strict=True)
                    if row.kind in ("run", "job", "dataset")
                ],
            )


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
