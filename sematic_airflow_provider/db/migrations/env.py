"""How Alembic reaches our tables, run by the DB manager."""

from __future__ import annotations

from alembic import context

from sematic_airflow_provider.db.manager import SematicDBManager
from sematic_airflow_provider.db.sessions import lineage_engine, lineage_url

target_metadata = SematicDBManager.metadata
version_table = SematicDBManager.version_table_name


def include_object(_object: object, name: str | None, type_: str, _reflected: bool, _compare_to: object) -> bool:
    """Only our own tables: the database has Airflow's too."""
    return type_ != "table" or name in target_metadata.tables


def run_offline() -> None:
    """Print SQL instead of running it."""
    context.configure(
        url=lineage_url().render_as_string(hide_password=False),
        target_metadata=target_metadata,
        literal_binds=True,
        compare_type=True,
        render_as_batch=True,
        version_table=version_table,
        include_object=include_object,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run on the engine of the lineage tables."""
    with lineage_engine().connect() as connection:
        context.configure(
            connection=connection,
            transaction_per_migration=True,
            target_metadata=target_metadata,
            compare_type=True,
            render_as_batch=True,
            version_table=version_table,
            include_object=include_object,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
