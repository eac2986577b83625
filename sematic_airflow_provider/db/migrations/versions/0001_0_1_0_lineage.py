"""Event log, runs, data, reads and writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sematic_airflow_provider.db.models import Identifier, JsonText, Number, UtcTime

revision = "5e1f00000001"
down_revision = None
branch_labels = None
depends_on = None
sematic_version = "0.1.0"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sematic_event",
        sa.Column("id", Number, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("event_time", UtcTime, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("run_id", sa.String(36)),
        sa.Column("payload", JsonText, nullable=False),
        sa.UniqueConstraint("digest", name="uq_sematic_event_digest"),
    )
    op.create_index("ix_sematic_event_run_id", "sematic_event", ["run_id"])
    op.create_table(
        "sematic_run",
        sa.Column("run_id", sa.String(36), primary_key=True),
        sa.Column("namespace", JsonText, nullable=False),
        sa.Column("name", JsonText, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("ended_at", UtcTime),
        sa.Column("parent_run_id", sa.String(36)),
        sa.Column("dag_id", Identifier),
        sa.Column("dag_run_id", Identifier),
        sa.Column("task_id", Identifier),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("facets", JsonText, nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
    )
    op.create_index("ix_sematic_run_dag_run_id", "sematic_run", ["dag_run_id"])
    op.create_index("ix_sematic_run_dag_id_dag_run_id", "sematic_run", ["dag_id", "dag_run_id"])
    op.create_index("ix_sematic_run_dag_id_started_at", "sematic_run", ["dag_id", "started_at"])
    op.create_index("ix_sematic_run_dag_id_task_id_started_at", "sematic_run", ["dag_id", "task_id", "started_at"])
    op.create_table(
        "sematic_data",
        sa.Column("node_id", sa.String(80), primary_key=True),
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
    op.create_index("ix_sematic_data_digest", "sematic_data", ["digest"])
    op.create_table(
        "sematic_io",
        sa.Column("id", Number, primary_key=True, autoincrement=True),
        sa.Column(
            "run_id",
            sa.String(36),
            sa.ForeignKey("sematic_run.run_id", ondelete="CASCADE", name="fk_sematic_io_run_id"),
            nullable=False,
        ),
        sa.Column("node_id", sa.String(80), nullable=False),
        sa.Column("direction", sa.String(5), nullable=False),
        sa.Column("dag_run_key", sa.String(64), nullable=False),
        sa.Column("label", JsonText, nullable=False),
        sa.Column("name", JsonText, nullable=False),
        sa.Column("version", sa.String(250)),
        sa.Column("facets", JsonText, nullable=False),
    )
    op.create_index("ix_sematic_io_run_id", "sematic_io", ["run_id"])
    op.create_index(
        "ix_sematic_io_node_id_direction_dag_run_key", "sematic_io", ["node_id", "direction", "dag_run_key"]
    )


def downgrade() -> None:
    """Drop them, lineage and all."""
    for table in ("sematic_io", "sematic_data", "sematic_run", "sematic_event"):
        op.drop_table(table)
