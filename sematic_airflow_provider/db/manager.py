"""The DB manager: ``airflow db migrate`` runs it for our tables as it does for Airflow's, also where they have a database of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from airflow.utils.db_manager import BaseDBManager
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import metadata
from sematic_airflow_provider.db.sessions import lineage_engine, lineage_url, separate

_HERE = Path(__file__).parent


class SematicDBManager(BaseDBManager):
    """Manages the ``sematic_`` tables."""

    metadata = metadata
    version_table_name = "alembic_version_sematic"
    migration_dir = (_HERE / "migrations").as_posix()
    alembic_file = (_HERE / "alembic.ini").as_posix()
    supports_table_dropping = True
    revision_heads_map: ClassVar[dict[str, str]] = {"0.1.0": "5e1f00000003"}

    def __init__(self, session: Session) -> None:
        self._separate = separate()
        super().__init__(Session(lineage_engine()) if self._separate else session)

    def get_alembic_config(self) -> Any:
        """Alembic's configuration, with the URL of the database that our tables are in."""
        config = super().get_alembic_config()
        if self._separate:
            url = lineage_url().render_as_string(hide_password=False)
            config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        return config

    def get_current_revision(self) -> str | None:
        """The revision that our tables have; None where there are none."""
        found: str | None = super().get_current_revision()
        if self._separate:  # nobody else ends what was begun with this session, and migrations would wait for it
            self.session.rollback()
        return found

    def drop_tables(self, connection: Any) -> None:
        """Drop our tables, and the version; ``connection`` is to Airflow's database."""
        if not self._separate:
            super().drop_tables(connection)
            return
        with lineage_engine().begin() as own:
            super().drop_tables(own)
        self.session.rollback()

    def downgrade(self, to_revision: str, from_revision: str | None = None, show_sql_only: bool = False) -> None:
        """Back to an earlier revision; ``base`` removes all our tables."""
        from alembic import command

        revisions = f"{from_revision or self.get_current_revision()}:{to_revision}" if show_sql_only else to_revision
        command.downgrade(self.get_alembic_config(), revision=revisions, sql=show_sql_only)

    def reset_to_2_x(self) -> None:
        """Airflow 2 never had our tables."""
