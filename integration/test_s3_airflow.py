"""Airflow's processes with all artifacts in S3, reached by an Airflow connection, and no way to the API server for lineage but the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from integration.conftest import ROOT
from integration.postgresql import PostgreSQL
from integration.test_demo_end_to_end import API, _eventually
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port
from tests.artifacts.s3_servers import S3Server, moto_server

DAG = "data_of_all_kinds"
STEPS = {"readings", "split", "mean_temperature", "export", "count_lines"}
SECRET = "the-secret-key-of-the-store"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    made = moto_server()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def bucket(server: S3Server) -> str:
    return server.bucket()


@pytest.fixture(scope="module")
def airflow_on_s3(
    postgresql: PostgreSQL, server: S3Server, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    connection = {
        "conn_type": "aws",
        "login": "testing",
        "password": SECRET,
        "extra": {"endpoint_url": server.endpoint, "region_name": "us-east-1"},
    }
    made = LocalAirflow(
        tmp_path_factory.mktemp("on-s3"),
        ROOT / "dags_examples",
        free_port(18280),
        database=postgresql.create("on_s3"),
        extra={
            "AIRFLOW__SEMATIC__STORE": f"s3://{bucket}/team",
            "AIRFLOW__SEMATIC__STORE_CONN_ID": "artifacts",
            "AIRFLOW__SEMATIC__LINEAGE_API_KEY": "",
            "AIRFLOW__SEMATIC__DRAIN_INTERVAL": "1",
        },
    )
    made.migrate()
    made.command("connections", "add", "artifacts", "--conn-json", json.dumps(connection))
    try:
        made.start()
        made.wait_until_healthy()
        made.wait_for_dag(DAG)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def run_id(airflow_on_s3: LocalAirflow) -> str:
    made = airflow_on_s3.trigger(DAG)
    assert dict(airflow_on_s3.follow(DAG, made)) == {"": "success", **dict.fromkeys(STEPS, "success")}
    return made


def _objects(server: S3Server, bucket: str, folder: str) -> set[str]:
    pages = server.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"team/{folder}/")
    return {item["Key"] for page in pages for item in page.get("Contents", ())}


def test_lineage_that_went_through_the_bucket_is_complete(
    airflow_on_s3: LocalAirflow, run_id: str, server: S3Server, bucket: str
) -> None:
    def complete() -> bool:
        graph = airflow_on_s3.get(f"{API}/dags/{DAG}/runs/{quote(run_id, safe='')}/graph")
        states = {node["task_id"]: node["state"] for node in graph["nodes"] if node["kind"] == "run"}
        artifacts = {node["label"] for node in graph["nodes"] if node["kind"] == "artifact"}
        return states == dict.fromkeys(STEPS, "success") and artifacts >= STEPS

    assert _eventually(complete, 90)
    assert _eventually(lambda: not _objects(server, bucket, "spool"), 30)


def test_a_second_run_stores_no_new_artifacts(
    airflow_on_s3: LocalAirflow, run_id: str, server: S3Server, bucket: str
) -> None:
    before = _objects(server, bucket, "blobs")
    assert len(before) > 10
    assert dict(airflow_on_s3.follow(DAG, airflow_on_s3.trigger(DAG)))[""] == "success"
    assert _objects(server, bucket, "blobs") == before


def test_previews_are_shown_from_the_bucket(airflow_on_s3: LocalAirflow, run_id: str) -> None:
    (value,) = (
        entry["value"]
        for entry in [
            airflow_on_s3.get(
                f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id, safe='')}/taskInstances/export/xcomEntries/return_value"
            )
        ]
    )
    record = json.loads(value) if isinstance(value, str) else value
    preview = airflow_on_s3.get(f"{API}/artifacts/{record['digest']}/preview")
    assert {entry["path"] for entry in preview["entries"]} >= {"train.csv", "test.csv", "README.txt"}


def test_the_commands_reach_the_bucket_and_everything_in_it_is_whole(airflow_on_s3: LocalAirflow, run_id: str) -> None:
    assert airflow_on_s3.command("sematic", "doctor").returncode == 0
    done = airflow_on_s3.command("sematic", "artifacts", "verify", "--all", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    done = airflow_on_s3.command("sematic", "reproduce", run_id, "--dag-id", DAG, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("identical") == len(STEPS)


def test_the_secret_stands_nowhere(airflow_on_s3: LocalAirflow, run_id: str, server: S3Server, bucket: str) -> None:
    logs = [path.read_text(errors="replace") for path in (airflow_on_s3.home / "logs").rglob("*.log")]
    assert logs
    assert not any(SECRET in log for log in logs)
    client = server.client()
    for key in _objects(server, bucket, "blobs"):
        assert SECRET.encode() not in client.get_object(Bucket=bucket, Key=key)["Body"].read()
