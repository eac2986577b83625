"""``airflow db migrate`` and the tables."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sematic_airflow_provider.db.models import metadata
from tests.airflow_home import run_airflow
from tests.db.carrying import check_carrying

CHECK = """
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from airflow.utils.session import create_session
from sematic_airflow_provider.db.manager import SematicDBManager
from sqlalchemy import inspect

def ours(connection):
    return sorted(n for n in inspect(connection).get_table_names() if n.startswith("sematic_"))

with create_session() as session:
    manager = SematicDBManager(session)
    print(manager.check_migration(), ours(session.connection()))
    session.commit()
    manager.downgrade("base")
    print(manager.check_migration(), ours(session.connection()))
    session.commit()
    manager.upgradedb(use_migration_files=True)
    print(manager.check_migration(), ours(session.connection()))
    context = MigrationContext.configure(
        session.connection(),
        opts={"include_object": lambda o, name, kind, *_: kind != "table" or name in manager.metadata.tables, "compare_type": True},
    )
    print([str(d) for d in compare_metadata(context, manager.metadata)])
"""


def test_migrations_go_up_and_down_and_agree_with_the_models(tmp_path: object) -> None:
    import os

    home = {"AIRFLOW_HOME": str(tmp_path)}
    run_airflow("db", "migrate", **home)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHECK)],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith(("True", "False", "["))]
    tables = str(sorted(metadata.tables))
    assert lines == [f"True {tables}", "False []", f"True {tables}", "[]"]


@pytest.mark.thorough
def test_the_log_is_carried_over_up_and_down(tmp_path: Path) -> None:
    check_carrying(f"sqlite:///{tmp_path}/carried.db", f"sqlite:///{tmp_path}/other.db")
