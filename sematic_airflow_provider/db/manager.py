"""The DB manager: ``airflow db migrate`` runs it for our tables as it does for Airflow's."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from airflow.utils.db_manager import BaseDBManager

from sematic_airflow_provider.db.models import metadata

_HERE = Path(__file__).parent


class SematicDBManager(BaseDBManager):
    """Manages the ``sematic_`` tables."""

    metadata = metadata
    version_table_name = "alembic_version_sematic"
    migration_dir = (_HERE / "migrations").as_posix()
    alembic_file = (_HERE / "alembic.ini").as_posix()
    supports_table_dropping = True
    revision_heads_map: ClassVar[dict[str, str]] = {"0.1.0": "5e1f00000003"}

    def downgrade(self, to_revision: str, from_revision: str | None = None, show_sql_only: bool = False) -> None:
        """Back to an earlier revision; ``base`` removes all our tables."""
        from alembic import command

        revisions = f"{from_revision or self.get_current_revision()}:{to_revision}" if show_sql_only else to_revision
        command.downgrade(self.get_alembic_config(), revision=revisions, sql=show_sql_only)

    def reset_to_2_x(self) -> None:
        """Airflow 2 never had our tables."""
