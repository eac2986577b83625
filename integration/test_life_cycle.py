"""The life cycle of artifacts beside real Airflow processes on PostgreSQL: tasks that write while a collection deletes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.cli.processes import LocalAirflow

DAG = "mixed_with_plain_tasks"
DAY = 24 * 3600


def _blobs(airflow: LocalAirflow) -> dict[str, Path]:
    return {path.name: path for path in (airflow.home / "sematic" / "blobs").glob("??/*")}


def _age(airflow: LocalAirflow, days: float) -> None:
    """Make everything that is stored this old: what a put would renew, and a collector may delete."""
    for path in _blobs(airflow).values():
        moment = path.stat().st_mtime - days * DAY
        os.utime(path, (moment, moment))


def _command(airflow: LocalAirflow, *arguments: str, check: bool = True) -> Any:
    done = airflow.command("sematic", "artifacts", *arguments, "-o", "json", check=check)
    return json.loads(done.stdout)


def _row(rows: list[dict[str, Any]], what: str) -> dict[str, Any]:
    return next(row for row in rows if row["what"] == what and row["group"] == "all")


def _outputs(airflow: LocalAirflow, run_id: str) -> dict[str, dict[str, Any]]:
    """The refs in the XComs of a run."""
    path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id, safe='')}/taskInstances"
    found = {}
    for entry in airflow.get(f"{path}/~/xcomEntries?limit=100")["xcom_entries"]:
        task, key = entry["task_id"], entry["key"]
        value = airflow.get(f"{path}/{task}/xcomEntries/{key}")["value"]
        record = json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        if isinstance(record, dict) and "digest" in record:
            found[f"{task}:{key}"] = record
    return found


def _delete_xcoms(airflow: LocalAirflow, run_id: str) -> int:
    path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id, safe='')}/taskInstances"
    entries = airflow.get(f"{path}/~/xcomEntries?limit=100")["xcom_entries"]
    for entry in entries:
        airflow._call("DELETE", f"{path}/{entry['task_id']}/xcomEntries/{entry['key']}", None)
    return len(entries)


@pytest.fixture(scope="module")
def first_run(airflow: LocalAirflow) -> str:
    airflow.wait_for_dag(DAG)
    run_id = airflow.trigger(DAG)
    assert dict(airflow.follow(DAG, run_id))[""] == "success"
    return run_id


def test_tasks_that_write_while_a_collection_deletes_lose_nothing(
    airflow: LocalAirflow, first_run: str, tmp_path: Path
) -> None:
    outputs = _outputs(airflow, first_run)
    assert {record["codec"] for record in outputs.values()} > {"json/1"}
    garbage = tmp_path / "garbage.bin"
    garbage.write_bytes(os.urandom(3_000_000))
    _command(airflow, "put", str(garbage), "--as", "bytes")
    _age(airflow, 10)
    needed = {record["digest"] for record in outputs.values()}

    # A person clears a task, and deletes the XComs of the run: not one byte goes.
    before = set(_blobs(airflow))
    assert _delete_xcoms(airflow, first_run) > 0
    body = {"dry_run": False, "only_failed": False, "dag_run_id": first_run, "task_ids": ["airports"]}
    assert (
        airflow.post(f"/api/v2/dags/{DAG}/clearTaskInstances", body | {"include_downstream": True})["total_entries"] > 0
    )
    assert set(_blobs(airflow)) >= before

    # It all runs again, and another run beside it, while one collection after the other deletes what is 10 days old and not needed.
    second = airflow.trigger(DAG)
    collector = _start_collection(airflow)
    for run_id in (first_run, second):
        for task, state in airflow.follow(DAG, run_id, timeout=180):
            assert state == "success", task
            if collector.poll() is not None:
                assert collector.returncode == 0, collector.communicate()[1]
                collector = _start_collection(airflow)
    collector.communicate(timeout=120)
    assert collector.returncode == 0
    rows = _command(airflow, "gc", "--delete")

    assert digest_bytes(garbage.read_bytes()) not in _blobs(airflow)
    assert needed <= set(_blobs(airflow))
    assert _row(rows, "to be deleted")["blobs"] == 0
    assert _outputs(airflow, first_run) == outputs
    assert {record["digest"] for record in _outputs(airflow, second).values()} == needed
    done = airflow.command("sematic", "artifacts", "verify", "--all", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _start_collection(airflow: LocalAirflow) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airflow", "sematic", "artifacts", "gc", "--delete", "-o", "json"],
        env=airflow.environment,
        cwd=airflow.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_stored_can_be_looked_at_and_fetched(airflow: LocalAirflow, first_run: str, tmp_path: Path) -> None:
    listed = _command(airflow, "ls", "--dag-id", DAG, "--type", "parquet")
    address = f"{DAG}/{first_run}/airports"
    (shown,) = _command(airflow, "show", address, "--why")
    assert shown["digest"] in {row["digest"] for row in listed}
    assert f"xcom.value of {DAG}/{first_run}/airports/return_value" in shown["needed by"]
    assert any(address == name for name in shown["written by"])
    target = tmp_path / "airports.parquet"
    airflow.command("sematic", "artifacts", "get", address, "-o", str(target))
    assert digest_bytes(target.read_bytes()) == shown["digest"]
    usage = {row["group"]: row for row in _command(airflow, "du")}
    assert usage[DAG]["writes"] >= usage[DAG]["artifacts"] > 0
    assert usage["(the store)"]["stored"] >= usage["(all of these)"]["stored"] >= usage[DAG]["stored"] > 10_000


def test_a_policy_is_told_without_anything_being_deleted(airflow: LocalAirflow, first_run: str) -> None:
    before = set(_blobs(airflow))
    _command(airflow, "point", "data/airports@now", f"{DAG}/{first_run}/airports")
    done = airflow.command(
        "sematic", "artifacts", "gc", "--keep-days", "0", "--keep-last", "0", "--by", "dag", "-o", "json"
    )
    assert "Dag runs are let go of" in done.stderr
    assert not done.stderr.startswith("0 ")
    rows = json.loads(done.stdout)
    assert sum(row["blobs"] for row in rows if row["group"] == "all") == len(before)
    assert set(_blobs(airflow)) == before
