"""Lists, what was affected, what changed, and the OpenAPI document, over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.events import pipeline, ref, run_id, task_event

API = "/sematic/api/v1"
DIGEST = ref("x", "train").digest
Bearer = Callable[[str], dict[str, str]]
Get = Callable[..., Any]


@pytest.fixture
def get(client: TestClient, bearer: Bearer, stored: Any) -> Get:
    """An answer, as a viewer gets it."""

    def asked(path: str, status: int = 200, **query: Any) -> Any:
        answer = client.get(API + path, params=query, headers=bearer("viewer"))
        assert answer.status_code == status, answer.text
        return answer.json()

    return asked


def test_runs_are_paged_to_the_end(get: Get) -> None:
    found: list[str] = []
    cursor = None
    while True:
        page = get("/runs", dag_id="flow", task_id="train", limit=1, **({"cursor": cursor} if cursor else {}))
        found += [run["run_id"] for run in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert run_id("flow", "run1", "train", -1, 1) in found
    assert len(found) == len(set(found))


def test_lists_find_by_name_digest_and_time(get: Get) -> None:
    (job,) = get("/jobs", name="FLOW.train")["items"]
    assert (job["namespace"], job["name"], job["latest"]["task_id"]) == ("default", "flow.train", "train")
    (artifact,) = get("/artifacts", digest=DIGEST[:10])["items"]
    assert artifact["digest"] == DIGEST
    assert [d["names"] for d in get("/datasets", name="flow.train.return")["items"]] == [["flow.train.return_value"]]
    (table,) = get("/datasets", name="warehouse.sums")["items"]
    assert (table["kind"], table["namespace"]) == ("dataset", "postgres://db:5432")
    assert get("/runs", dag_id="flow", until="2025-01-01T00:00:00")["items"] == []
    assert get("/runs", name="100%")["items"] == []


def test_a_data_set_is_asked_for_by_its_name(get: Get) -> None:
    named = {"namespace": "default", "name": "flow.train.return_value"}
    assert get("/datasets/graph", **named, depth=0)["focus"] == [f"artifact:{DIGEST}"]
    assert get("/datasets/graph", **named, version=DIGEST, depth=0)["focus"] == [f"artifact:{DIGEST}"]
    assert "no lineage of version" in get("/datasets/graph", 404, **named, version="other")["detail"]
    assert [v["digest"] for v in get("/datasets/versions", **named)["items"]] == [DIGEST]


def test_what_used_an_artifact_is_paged_by_kind(get: Get) -> None:
    flights = ref("x", "flights").digest
    found = get(f"/artifacts/{flights}/affected", limit=1)
    assert found["counts"] == {"runs": 3, "inferences": 0, "models": 0, "predictions": 0, "outputs": 3, "dags": 1}
    assert found["dags"]["items"][0]["dag_id"] == "flow"
    labels = [run["label"] for run in found["runs"]["items"]]
    cursor = found["runs"]["next"]
    while cursor is not None:
        page = get(f"/artifacts/{flights}/affected", limit=1, kind="runs", cursor=cursor)
        assert page["outputs"]["items"] == []
        labels += [run["label"] for run in page["runs"]["items"]]
        cursor = page["runs"]["next"]
    assert labels == ["predict", "train", "join"]


def test_what_changed_between_two_runs(client: TestClient, get: Get, worker: dict[str, str]) -> None:
    events = [*pipeline("changing", "r1", "c"), *pipeline("changing", "r2", "c")]
    for one in events:
        if one["eventType"] == "COMPLETE" and one["run"]["runId"] == run_id("changing", "r2", "train", -1, 1):
            one["run"]["facets"]["sematic_metrics"] = {"metrics": {"auc": 0.9}}
            one["job"]["facets"] = {"sourceCode": {"language": "python", "sourceCode": "def train(): ..."}}
    assert client.post(f"{API}/lineage/batch", json=events, headers=worker).status_code == 204
    runs = [run_id("changing", name, "train", -1, 1) for name in ("r1", "r2")]
    expected = [
        {"what": "code", "name": "train", "before": None, "after": "def train(): ...", "task": None},
        {"what": "metric", "name": "auc", "before": None, "after": 0.9, "task": None},
    ]
    found = get(f"/runs/{runs[0]}/difference/{runs[1]}")
    assert found["changes"] == expected
    assert [run["dag_run_id"] for run in found["before"] + found["after"]] == ["r1", "r2"]
    by_task = get("/dags/changing/runs/r1/difference/r2")
    assert by_task["changes"] == [{**change, "task": "train"} for change in expected]
    assert get("/dags/changing/runs/r1/difference/r1")["changes"] == []


def test_a_graph_may_be_collapsed(client: TestClient, get: Get, worker: dict[str, str]) -> None:
    part = ref("wide.make.return_value")
    events = [task_event("COMPLETE", "make", dag_id="wide", writes={"return_value": part})]
    events += [task_event("COMPLETE", "use", dag_id="wide", map_index=n, reads={"it": part}) for n in range(4)]
    assert client.post(f"{API}/lineage/batch", json=events, headers=worker).status_code == 204
    assert len(get("/dags/wide/graph")["nodes"]) == 6
    found = get("/dags/wide/graph", collapse="mapped")
    (group,) = [node for node in found["nodes"] if node["kind"] == "group"]
    assert (group["count"], group["states"], group["label"]) == (4, {"success": 4}, "use [4]")
    assert get("/dags/wide/graph", 422, collapse="all")


def _cursor(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize("path", ["/runs", "/jobs", "/artifacts", "/datasets", f"/artifacts/{DIGEST}/affected"])
@pytest.mark.parametrize(
    "cursor",
    ["x", "é", "W10", _cursor([1, 2]), _cursor(["2026-01-01", "no id"]), _cursor(["later", "run:1"]), _cursor({}), _cursor([-1]), _cursor([True])],
)  # fmt: skip
def test_a_cursor_that_is_none_is_refused_with_what_to_do(get: Get, path: str, cursor: str) -> None:
    assert "give `next` of the page before" in get(path, 422, cursor=cursor)["detail"]


def test_a_cursor_of_the_end_of_time_is_a_page_like_any(get: Get) -> None:
    for moment in ("9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+23:59"):
        cursor = _cursor([moment, run_id("x")])
        assert get("/runs", 200 if moment[0] == "9" else 422, cursor=cursor)


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/runs/no-uuid", {}, 422),
        ("/runs/no-uuid/graph", {}, 422),
        (f"/runs/{run_id('none')}/graph", {}, 404),
        (f"/runs/{run_id('none')}/difference/{run_id('none')}", {}, 404),
        ("/artifacts/abc/affected", {}, 422),
        (f"/artifacts/{'0' * 64}/affected", {}, 404),
        ("/nodes/run:1/graph", {}, 422),
        (f"/nodes/dataset:{'0' * 64}/graph", {}, 404),
        ("/datasets/graph", {"namespace": "n"}, 422),
        ("/datasets/graph", {"namespace": "n", "name": "none"}, 404),
        ("/datasets/graph", {"namespace": "n\0", "name": "a\0b"}, 422),
        ("/dags/a%00b/graph", {}, 422),
        ("/runs", {"dag_id": "a\0b"}, 422),
        ("/columns/graph", {"namespace": "n", "name": "none", "field": "f"}, 404),
        ("/runs", {"limit": 0}, 422),
        ("/runs", {"limit": 201}, 422),
        ("/runs", {"state": "happy"}, 422),
        ("/runs", {"since": "yesterday"}, 422),
        ("/artifacts", {"digest": "XYZ"}, 422),
        ("/dags/flow/runs/none/difference/run1", {}, 404),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(get: Get, path: str, query: dict[str, Any], status: int) -> None:
    assert get(path, status, **query)["detail"]


def test_who_sends_too_much_is_told_to_come_again(
    client: TestClient, bearer: Bearer, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_RATE_LIMIT", "1")
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="eager", role="admin"))
    batch = [task_event("START", f"t{n}", dag_id="eager") for n in range(10)]
    eager = {"Authorization": f"Bearer {token}"}
    assert client.post(f"{API}/lineage/batch", json=batch, headers=eager).status_code == 204
    refused = client.post(f"{API}/lineage", json=batch[0], headers=eager)
    assert (refused.status_code, int(refused.headers["Retry-After"]) >= 1) == (503, True)
    assert client.post(f"{API}/lineage", json=batch[0], headers=bearer("admin")).status_code in (200, 201)


def test_the_openapi_document_is_complete(get: Get) -> None:
    """Every operation and parameter is described, every answer has a schema, every error a reason."""
    document = get("/openapi.json")
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            where = f"{method} {path}"
            assert told.get("description"), where
            assert {"401", "403", "404", "422", "503"} <= set(told["responses"]), where
            for status, answer in told["responses"].items():
                assert answer["description"], where
                for content in answer.get("content", {}).values():
                    assert content or "image" in str(answer) or "/export" in path or "/report" in path, (where, status)
                if status == "200" and not path.endswith(("preview.png", "export", "report")):
                    assert answer["content"]["application/json"]["schema"], where
                if status.startswith(("4", "5")):
                    assert answer["content"]["application/json"]["schema"], (where, status)
            for parameter in told.get("parameters", []):
                assert parameter["schema"], where
            if method == "post":
                assert told["requestBody"]["content"]["application/json"]["schema"], where
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Answer"):
            assert schema.get("description"), name
