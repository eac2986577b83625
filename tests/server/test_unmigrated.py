"""The API before ``airflow db migrate`` has made our tables."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.airflow_home import run_airflow

CHECK = """
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
with TestClient(create_app(apps="core"), base_url="http://testserver") as client:
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))
    answer = client.get("/sematic/api/v1/dags/flow/graph", headers={"Authorization": f"Bearer {token}"})
    print("ANSWER", answer.status_code, answer.json())
"""


def test_missing_tables_are_told_with_the_command_that_makes_them(tmp_path: Path) -> None:
    home = {"AIRFLOW_HOME": str(tmp_path)}
    run_airflow("db", "migrate", **home)
    with sqlite3.connect(tmp_path / "airflow.db") as connection:
        for table in ("sematic_io", "sematic_data", "sematic_run", "sematic_event"):
            connection.execute(f"drop table {table}")
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env={**os.environ, **home}, capture_output=True, text=True, check=False
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("ANSWER")), done.stderr[-2000:])
    assert line == "ANSWER 503 {'detail': 'the lineage tables are missing: run airflow db migrate'}"
