"""What the step cache had for a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5e1f00000002"
down_revision = "5e1f00000001"
branch_labels = None
depends_on = None
sematic_version = "0.1.0"


def upgrade() -> None:
    """Add the column; runs that were told before have none."""
    with op.batch_alter_table("sematic_run") as table:
        table.add_column(sa.Column("cache", sa.String(20)))


def downgrade() -> None:
    """Drop it; the event log still has what it held."""
    with op.batch_alter_table("sematic_run") as table:
        table.drop_column("cache")
