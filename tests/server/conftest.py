"""Airflow's own API server application, with our plugin in it, on the session's database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.events import pipeline, ref, task_event

KEY = "key-of-the-workers"
TEXT = b'{"kind": "text", "head": "0.1 + 0.2", "characters": 9, "lines": 1, "type": "builtins.str"}'
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big") + b"rest"


@pytest.fixture(scope="session")
def client(migrated_home: str) -> Iterator[TestClient]:
    os.environ["AIRFLOW__SEMATIC__LINEAGE_API_KEY"] = KEY
    os.environ["AIRFLOW__SEMATIC__DRAIN_INTERVAL"] = "0"
    from airflow.api_fastapi.app import create_app

    with TestClient(create_app(apps="core"), base_url="http://testserver") as opened:
        yield opened
    os.environ["AIRFLOW__SEMATIC__LINEAGE_API_KEY"] = ""
    del os.environ["AIRFLOW__SEMATIC__DRAIN_INTERVAL"]


@pytest.fixture
def app(client: TestClient) -> FastAPI:
    """Our application, inside Airflow's."""
    mounts = [route for route in client.app.routes if getattr(route, "path", "") == "/sematic"]  # type: ignore[attr-defined]
    found: FastAPI = mounts[0].app
    return found


@pytest.fixture(scope="session")
def bearer(client: TestClient) -> Callable[[str], dict[str, str]]:
    """The header of a user of this role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def header(role: str) -> dict[str, str]:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role, role=role))
        return {"Authorization": f"Bearer {token}"}

    return header


@pytest.fixture(scope="session")
def worker() -> dict[str, str]:
    """The header of a worker."""
    return {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="session")
def stored(client: TestClient, worker: dict[str, str]) -> list[dict[str, Any]]:
    """A pipeline's events, posted; its model has a preview with a picture in the store."""
    from sematic_airflow_provider.configured_store import configured_store

    events = pipeline()
    model = ref("x", "train").digest
    store = configured_store()
    for suffix, data in (("json", TEXT), ("png", PNG)):
        store.write_document(f"previews/{model[:2]}/{model}.{suffix}", data)
    told = [*events, summing()]
    assert client.post("/sematic/api/v1/lineage/batch", json=told, headers=worker).status_code == 204
    return events


def summing() -> dict[str, Any]:
    """A task of another Dag that sums a column of a table into one of another."""
    sales, sums = (
        {"namespace": "postgres://db:5432", "name": f"warehouse.{name}", "facets": {}} for name in ("sales", "sums")
    )
    source = {"namespace": sales["namespace"], "name": sales["name"], "field": "amount"}
    kinds = [{"type": "DIRECT", "subtype": "AGGREGATION"}]
    fields = {"total": {"inputFields": [{**source, "transformations": kinds}]}}
    event = task_event("COMPLETE", "sum", dag_id="sql")
    return {**event, "inputs": [sales], "outputs": [{**sums, "facets": {"columnLineage": {"fields": fields}}}]}
