"""The lineage API, in Airflow's own application with real tokens."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.events import ref, run_id, task_event

API = "/sematic/api/v1"
DIGEST = ref("x", "train").digest
RUN = run_id("flow", "run1", "train", -1, 1)
OUTPUT = "namespace=default&name=flow.train.return_value"
TABLE = "namespace=postgres%3A%2F%2Fdb%3A5432&name=warehouse.sums"
READS = [
    "/dags/flow/graph",
    "/dags/flow/runs/run1/graph",
    "/dags/flow/tasks/train/graph",
    "/dags/flow/runs/run1/tasks/train/graph",
    f"/artifacts/{DIGEST}/graph",
    f"/artifacts/{DIGEST}",
    f"/artifacts/{DIGEST}/preview",
    f"/artifacts/{DIGEST}/preview.png",
    f"/runs/{RUN}",
    f"/nodes/run:{RUN}/export?format=openlineage",
    f"/nodes/artifact:{DIGEST}/report",
    "/dags/flow/runs/run1/export?format=prov-json",
    "/dags/flow/runs/run1/report",
    f"/runs/{RUN}/graph",
    f"/nodes/artifact:{DIGEST}/graph",
    f"/nodes/run:{RUN}/affected",
    f"/artifacts/{DIGEST}/affected",
    f"/datasets/graph?{OUTPUT}",
    f"/datasets/affected?{OUTPUT}",
    f"/datasets/versions?{OUTPUT}",
    f"/columns/graph?{TABLE}&field=total",
    f"/datasets/export?{OUTPUT}&format=svg",
    f"/runs/{RUN}/difference/{run_id('flow', 'run1', 'predict', -1, 1)}",
    "/dags/flow/runs/run1/difference/run1",
    "/runs",
    "/jobs",
    "/artifacts",
    "/datasets",
    "/openapi.json",
]
Bearer = Callable[[str], dict[str, str]]


def test_every_route_is_among_those_tested_for_access(client: TestClient, bearer: Bearer) -> None:
    """So whoever adds a route has to add it here, where it fails unless it asks who reads."""
    paths = client.get(f"{API}/openapi.json", headers=bearer("viewer")).json()["paths"]
    reads = {path.removeprefix("/api/v1") for path, methods in paths.items() if "get" in methods}
    writes = {path.removeprefix("/api/v1") for path, methods in paths.items() if set(methods) - {"get"}}
    tested = [path.partition("?")[0] for path in READS]
    assert {shape for shape in reads if not any(_is_of(path, shape) for path in tested)} == set()
    assert writes == {"/lineage", "/lineage/batch"}


def _is_of(path: str, shape: str) -> bool:
    parts, named = path.split("/"), shape.split("/")
    return len(parts) == len(named) and all(n.startswith("{") or n == p for p, n in zip(parts, named, strict=True))


@pytest.fixture
def reads_no_dag(client: TestClient) -> Iterator[None]:
    """Whoever asks may read no Dag, though Airflow lets them in."""
    from sematic_airflow_provider.server.access import readable_dags

    (ours,) = [route.app for route in client.app.routes if getattr(route, "path", "") == "/sematic"]  # type: ignore[attr-defined]
    ours.dependency_overrides[readable_dags] = lambda: lambda dag_id: False
    yield
    del ours.dependency_overrides[readable_dags]


@pytest.mark.parametrize("path", [path for path in READS if path != "/openapi.json"])
def test_who_may_read_no_dag_learns_nothing(
    client: TestClient, bearer: Bearer, stored: Any, reads_no_dag: None, path: str
) -> None:
    answer = client.get(API + path, headers=bearer("viewer"))
    assert answer.status_code in (200, 403)
    if answer.status_code == 403:
        return
    asked = set(re.findall(r"[a-z_]+", path))
    for secret in ("train", "predict", "return_value", "warehouse", "amount", "pyarrow", "pandas.DataFrame"):
        assert secret in asked or secret not in answer.text, secret


@pytest.mark.parametrize("path", READS)
def test_reading_needs_a_user(client: TestClient, bearer: Bearer, stored: Any, path: str) -> None:
    assert client.get(API + path).status_code == 401
    assert client.get(API + path, headers={"Authorization": "Bearer nonsense"}).status_code == 403
    assert client.get(API + path, headers=bearer("viewer")).status_code == 200


@pytest.mark.parametrize("path", READS)
def test_the_workers_key_reads_nothing(client: TestClient, worker: dict[str, str], stored: Any, path: str) -> None:
    assert client.get(API + path, headers=worker).status_code == 403


def test_the_session_cookie_reads(client: TestClient, bearer: Bearer, stored: Any) -> None:
    token = bearer("viewer")["Authorization"].removeprefix("Bearer ")
    assert client.get(f"{API}/dags/flow/graph", headers={"Cookie": f"_token={token}"}).status_code == 200


@pytest.mark.parametrize("path", ["/lineage", "/lineage/batch"])
def test_posting_takes_the_key_or_a_user_who_may_edit_and_never_a_cookie(
    client: TestClient, bearer: Bearer, path: str
) -> None:
    event: Any = task_event("START", "posted", dag_id="posting")
    body = [event] if path.endswith("batch") else event
    token = bearer("admin")["Authorization"].removeprefix("Bearer ")
    assert client.post(API + path, json=body).status_code == 401
    assert client.post(API + path, json=body, headers={"Cookie": f"_token={token}"}).status_code == 401
    assert client.post(API + path, json=body, headers={"Authorization": "Bearer "}).status_code == 401
    assert client.post(API + path, json=body, headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert client.post(API + path, json=body, headers=bearer("viewer")).status_code == 403
    assert client.post(API + path, json=body, headers=bearer("user")).status_code in (201, 204)


def test_nothing_of_ours_is_open_but_the_bundle(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/docs"):
        assert client.get(f"/sematic{path}").status_code in (401, 404)


def test_the_graph_is_as_documented(client: TestClient, bearer: Bearer, stored: Any) -> None:
    graph = client.get(f"{API}/dags/flow/runs/run1/graph", headers=bearer("viewer")).json()
    assert set(graph) == {"focus", "nodes", "edges", "truncated", "more"}
    train = next(node for node in graph["nodes"] if node["label"] == "train" and node["kind"] == "run")
    assert (train["state"], train["task_id"], train["try_number"], train["duration_s"]) == ("success", "train", 1, 5.0)
    artifact = next(node for node in graph["nodes"] if node.get("digest") == DIGEST)
    assert artifact["names"] == ["flow.train.return_value"]
    assert {"source": artifact["id"], "kind": "read", "label": "model"}.items() <= next(
        edge for edge in graph["edges"] if edge["source"] == artifact["id"]
    ).items()


def test_depth_and_direction_are_honoured(client: TestClient, bearer: Bearer, stored: Any) -> None:
    path = f"{API}/artifacts/{DIGEST}/graph"
    alone = client.get(path, params={"depth": 0}, headers=bearer("viewer")).json()
    assert (len(alone["nodes"]), alone["more"]["upstream"]) == (1, [f"artifact:{DIGEST}"])
    down = client.get(path, params={"direction": "downstream"}, headers=bearer("viewer")).json()
    assert {node["label"] for node in down["nodes"]} == {"train", "predict"}
    assert client.get(path, params={"depth": 51}, headers=bearer("viewer")).status_code == 422


def test_run_details_tell_inputs_outputs_and_tries(client: TestClient, bearer: Bearer, stored: Any) -> None:
    details = client.get(f"{API}/runs/{RUN}", headers=bearer("viewer")).json()
    assert [port["label"] for port in details["inputs"]] == ["table"]
    assert [port["label"] for port in details["outputs"]] == ["return_value"]
    assert details["step"]["function"] == "flow.train"
    assert [found["try_number"] for found in details["tries"]] == [1]
    assert details["event_count"] == 2


CACHED = {
    "status": "hit",
    "key": "c" * 64,
    "reason": "computed in run r of other",
    "changed": [],
    "computedBy": {"dagId": "other", "runId": "r", "taskId": "t", "mapIndex": -1, "at": "2026-01-01T00:00:00Z"},
}


def test_run_details_and_graphs_tell_what_the_cache_had(
    client: TestClient, bearer: Bearer, worker: dict[str, str], stored: Any
) -> None:
    event = task_event("COMPLETE", "fit", dag_id="cached", dag_run_id="r", facets={"sematic_cache": CACHED})
    assert client.post(f"{API}/lineage", json=event, headers=worker).status_code in (200, 201)
    run = event["run"]["runId"]
    assert client.get(f"{API}/runs/{run}", headers=bearer("viewer")).json()["cache"] == CACHED
    graph = client.get(f"{API}/dags/cached/runs/r/graph", headers=bearer("viewer")).json()
    assert [node["cache"] for node in graph["nodes"]] == ["hit"]


def test_whose_outputs_were_used_is_told_to_those_who_may_read_that_dag(
    client: TestClient, app: FastAPI, bearer: Bearer, worker: dict[str, str]
) -> None:
    from sematic_airflow_provider.server.access import readable_dags

    event = task_event("COMPLETE", "fit", dag_id="using", dag_run_id="r", facets={"sematic_cache": CACHED})
    assert client.post(f"{API}/lineage", json=event, headers=worker).status_code in (200, 201)

    def cache(*dags: str) -> Any:
        app.dependency_overrides[readable_dags] = lambda: lambda dag_id: dag_id in dags
        try:
            return client.get(f"{API}/runs/{event['run']['runId']}", headers=bearer("viewer")).json()["cache"]
        finally:
            del app.dependency_overrides[readable_dags]

    assert cache("using", "other") == CACHED
    hidden = cache("using")
    assert hidden is not None
    assert hidden["status"] == "hit"
    assert "other" not in str(hidden)


def test_artifact_details_tell_who_made_and_used_it(client: TestClient, bearer: Bearer, stored: Any) -> None:
    details = client.get(f"{API}/artifacts/{DIGEST}", headers=bearer("viewer")).json()
    assert [run["label"] for run in details["producers"]] == ["train"]
    assert [run["label"] for run in details["consumers"]] == ["predict"]
    assert (details["deterministic"], details["pickle"]) == (True, False)
    assert details["depends_on"] == ["pyarrow", "pandas"]


@pytest.mark.parametrize(
    "path",
    [
        "/dags/none/graph",
        "/dags/flow/runs/none/graph",
        f"/artifacts/{'0' * 64}",
        f"/artifacts/{'0' * 64}/preview",
        f"/runs/{run_id('none')}",
    ],
)
def test_what_has_no_lineage_is_not_found_with_a_reason(
    client: TestClient, bearer: Bearer, stored: Any, path: str
) -> None:
    answer = client.get(API + path, headers=bearer("viewer"))
    assert answer.status_code == 404
    assert "no lineage" in answer.json()["detail"]


def test_an_event_may_come_again_and_is_not_new(client: TestClient, worker: dict[str, str]) -> None:
    event = task_event("START", "again", dag_id="posting")
    assert [client.post(f"{API}/lineage", json=event, headers=worker).json()["new"] for _ in range(2)] == [True, False]


def test_a_gzipped_event_is_taken(client: TestClient, worker: dict[str, str]) -> None:
    body = gzip.compress(json.dumps(task_event("START", "zipped", dag_id="posting")).encode())
    answer = client.post(f"{API}/lineage", content=body, headers={**worker, "Content-Encoding": "gzip"})
    assert answer.json() == {"new": True}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 422, "no JSON"),
        (b"[1]", 422, "must be a JSON object"),
        (json.dumps({"eventTime": "2026-01-01T00:00:00Z"}).encode(), 422, "must have a run"),
        (b'"' + b"x" * (5 << 20) + b'"', 413, "bytes"),
    ],
)
def test_a_bad_event_is_refused_with_a_reason(
    client: TestClient, worker: dict[str, str], body: bytes, status: int, reason: str
) -> None:
    answer = client.post(f"{API}/lineage", content=body, headers=worker)
    assert (answer.status_code, reason in answer.json()["detail"]) == (status, True)


def test_a_decompression_bomb_is_refused(client: TestClient, worker: dict[str, str]) -> None:
    bomb = gzip.compress(b"0" * (200 << 20))
    answer = client.post(f"{API}/lineage", content=bomb, headers={**worker, "Content-Encoding": "gzip"})
    assert answer.status_code == 413


def test_a_batch_keeps_the_good_and_names_the_bad(client: TestClient, worker: dict[str, str], bearer: Bearer) -> None:
    answer = client.post(
        f"{API}/lineage/batch", json=[task_event("START", "good", dag_id="batch"), {"bad": 1}], headers=worker
    )
    assert answer.status_code == 200
    assert answer.json()["summary"] == {"received": 2, "successful": 1, "failed": 1, "retriable": 0, "non_retriable": 1}
    assert answer.json()["failed_events"][0]["index"] == 1
    assert client.get(f"{API}/dags/batch/graph", headers=bearer("viewer")).status_code == 200
