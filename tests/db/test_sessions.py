"""Lineage tables in a database of their own, beside Airflow's. integration/test_audit.py does the same on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from sematic_airflow_provider.db import sessions
from sematic_airflow_provider.db.models import metadata
from sematic_airflow_provider.db.sessions import lineage_engine, lineage_place, lineage_session
from sematic_airflow_provider.errors import ConfigurationError
from sematic_airflow_provider.settings import given, load_settings
from tests.airflow_home import run_airflow

ROOT = Path(__file__).parents[2]


@contextmanager
def _with(url: str) -> Iterator[None]:
    with given(load_settings()._replace(database=url)):
        yield


def _tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _broken_off() -> None:
    with lineage_session() as session:
        session.execute(text("INSERT INTO sematic_unsealed VALUES (2)"))
        raise KeyboardInterrupt


WALK = """
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.utils.session import create_session
from sematic_airflow_provider.db.manager import SematicDBManager
from sematic_airflow_provider.server.sealing import Sealer
from tests.events import pipeline
with TestClient(create_app(apps="core"), base_url="http://testserver") as client:
    posted = client.post("/sematic/api/v1/lineage/batch", json=pipeline(), headers={"Authorization": "Bearer key"})
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))
    answer = client.get("/sematic/api/v1/dags/flow/graph", headers={"Authorization": f"Bearer {token}"})
    print("ANSWER", posted.status_code, answer.status_code, len(answer.json()["nodes"]))
Sealer().round()  # leaves an anchor, as the server does: that may have ended before its own next look
with create_session() as session:
    manager = SematicDBManager(session)
    print("BEFORE", manager.check_migration())
    manager.downgrade("5e1f00000002")
    print("DOWN", manager.get_current_revision(), manager.check_migration())
    manager.upgradedb()
    print("UP", manager.check_migration())
"""


@pytest.mark.thorough
def test_airflow_and_lineage_in_two_files(tmp_path: Path) -> None:
    """Migrated, served, downgraded and upgraded with its events, named by doctor, and dropped with ``airflow db reset``."""
    own = tmp_path / "lineage.db"
    home = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__SEMATIC__DATABASE": f"sqlite:///{own}",
        "AIRFLOW__SEMATIC__LINEAGE_API_KEY": "key",
    }
    run_airflow("db", "migrate", **home)
    assert set(metadata.tables) <= _tables(own)
    assert not {name for name in _tables(tmp_path / "airflow.db") if "sematic" in name}
    done = subprocess.run(
        [sys.executable, "-c", WALK], env={**os.environ, **home}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.split(" ")[0] in ("ANSWER", "BEFORE", "DOWN", "UP")]
    assert lines == ["ANSWER 204 200 10", "BEFORE True", "DOWN 5e1f00000002 False", "UP True"], done.stderr[-3000:]
    with sqlite3.connect(own) as connection:
        assert connection.execute("SELECT count(*) FROM sematic_run").fetchone() == (5,)
    doctor = run_airflow("sematic", "doctor", "--output", "json", check=False, **home)
    assert f"migrated, in sqlite:///{own}" in doctor.stdout
    again = run_airflow("sematic", "audit", "verify", "--without-store", "--output", "json", **home)
    assert '"whole": true' in again.stdout
    kept = run_airflow("sematic", "audit", "verify", "--output", "json", check=False, **home)
    assert "it, or one before it, was made anew" in kept.stdout  # the way down has dropped the seals
    run_airflow("db", "reset", "-y", "--skip-init", **home)
    assert not {name for name in _tables(own) if "sematic" in name}


def test_what_is_raised_in_a_session_is_rolled_back(tmp_path: Path) -> None:
    with _with(f"sqlite:///{tmp_path}/own.db"):
        metadata.create_all(lineage_engine())
        with lineage_session() as session:
            session.execute(text("INSERT INTO sematic_unsealed VALUES (1)"))
        with pytest.raises(KeyboardInterrupt):
            _broken_off()
        with lineage_session() as session:
            assert list(session.scalars(text("SELECT event_id FROM sematic_unsealed"))) == [1]


def test_a_file_of_sqlite_lets_readers_read_while_somebody_writes(tmp_path: Path) -> None:
    with _with(f"sqlite:///{tmp_path}/own.db"), lineage_session() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA busy_timeout")) == 30_000
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_mysql_reads_what_is_committed_and_pools_are_as_airflows() -> None:
    pytest.importorskip("pymysql")
    with _with("mysql+pymysql://u:p@db.example.com/lineage"):
        engine = lineage_engine()
        assert engine.dialect._on_connect_isolation_level == "READ COMMITTED"  # type: ignore[attr-defined]
        assert engine.pool.size() == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "postgresql+psycopg2://lineage:secret@db.example.com:5433/lineage?sslpassword=secret",
            "postgresql+psycopg2://db.example.com:5433/lineage",
        ),
        ("postgresql://u:secret@[::1]/x", "postgresql://[::1]/x"),
        ("sqlite:////var/lib/lineage.db", "sqlite:////var/lib/lineage.db"),
    ],
)
def test_the_place_names_no_user_and_no_secret(url: str, place: str) -> None:
    with _with(url):
        assert lineage_place() == place


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("no url with secret", "must be a URL such as"),
        ("oracle://u:secret@db/x", "PostgreSQL, MySQL or SQLite, not oracle"),
        ("sqlite:///secret.db", "needs its whole path"),
        ("postgresql+nodriver://u:secret@db/x", "knows no postgresql\\+nodriver"),
    ],
)
def test_what_is_no_database_is_refused_without_its_secrets(url: str, said: str) -> None:
    with _with(url), pytest.raises(ConfigurationError, match=said) as caught:
        lineage_engine()
    assert "secret" not in str(caught.value)
    assert caught.value.option == "database"


def test_without_the_option_the_tables_are_airflows(migrated_home: str) -> None:
    from airflow import settings

    with _with(""):
        assert not sessions.separate()
        assert lineage_engine() is settings.engine
        with lineage_session() as session:
            assert session.get_bind() is settings.engine
