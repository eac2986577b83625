"""Exports and reports over HTTP, in Airflow's own application."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prov.model import ProvDocument

from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.server.access import readable_dags
from tests.events import ref, run_id
from tests.lineage.exports.parts import two_dags

API = "/sematic/api/v1"
MODEL = ref("x", "train").digest
RUN = run_id("flow", "run1", "train", -1, 1)
Bearer = Callable[[str], dict[str, str]]


@pytest.fixture
def only_the_shop(app: FastAPI) -> Iterator[None]:
    """Whoever asks may read one Dag, and no other."""
    app.dependency_overrides[readable_dags] = lambda: lambda dag_id: dag_id == "open_shop"
    yield
    del app.dependency_overrides[readable_dags]


def test_events_of_a_dag_run_are_lines_that_are_the_events_that_were_posted(
    client: TestClient, bearer: Bearer, stored: list[Any]
) -> None:
    answer = client.get(f"{API}/dags/flow/runs/run1/export?format=openlineage&depth=0", headers=bearer("viewer"))
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["sematic-events"] == str(len(stored))
    assert sorted(answer.text.splitlines()) == sorted(parse_event(event).text for event in stored)


def test_prov_of_an_artifact_has_what_the_graph_has(client: TestClient, bearer: Bearer, stored: Any) -> None:
    graph = client.get(f"{API}/artifacts/{MODEL}/graph", headers=bearer("viewer")).json()
    answer = client.get(f"{API}/nodes/artifact:{MODEL}/export?format=prov-json", headers=bearer("viewer"))
    document = ProvDocument.deserialize(content=answer.text, format="json")
    assert len(document.get_records()) > len(graph["nodes"]) + len(graph["edges"])
    assert set(answer.json()["activity"]) == {node["id"] for node in graph["nodes"] if node["kind"] == "run"}
    assert answer.headers["content-disposition"] == 'attachment; filename="lineage.prov.json"'


def test_a_crate_has_the_pictures_of_its_artifacts_when_asked(client: TestClient, bearer: Bearer, stored: Any) -> None:
    path = f"{API}/dags/flow/runs/run1/export?format=ro-crate"
    bare = zipfile.ZipFile(io.BytesIO(client.get(path, headers=bearer("viewer")).content))
    full = zipfile.ZipFile(io.BytesIO(client.get(f"{path}&with_previews=true", headers=bearer("viewer")).content))
    pictures = {f"previews/{MODEL}.json", f"previews/{MODEL}.png"}
    assert set(full.namelist()) - set(bare.namelist()) == pictures
    assert full.testzip() is None
    told = {entity["@id"] for entity in json.loads(full.read("ro-crate-metadata.json"))["@graph"]}
    assert pictures <= told


def test_a_report_is_one_page_that_runs_nothing(client: TestClient, bearer: Bearer, stored: Any) -> None:
    answer = client.get(f"{API}/nodes/artifact:{MODEL}/report", headers=bearer("viewer"))
    assert answer.headers["content-type"].startswith("text/html")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert MODEL in answer.text
    assert "<script" not in answer.text
    assert client.get(f"{API}/dags/flow/runs/run1/report", headers=bearer("viewer")).status_code == 200
    assert client.get(f"{API}/nodes/run:{RUN}/report", headers=bearer("viewer")).status_code == 200


@pytest.mark.parametrize("form", ["openlineage", "prov-json", "ro-crate", "svg"])
def test_what_a_user_may_not_read_does_not_go_out(
    client: TestClient, bearer: Bearer, worker: dict[str, str], only_the_shop: None, form: str
) -> None:
    assert client.post(f"{API}/lineage/batch", json=two_dags(), headers=worker).status_code == 204
    model = ref("x", "secret weights").digest
    answer = client.get(f"{API}/nodes/artifact:{model}/export?format={form}", headers=bearer("viewer"))
    assert answer.status_code == 200
    data = answer.content
    if form == "ro-crate":
        packed = zipfile.ZipFile(io.BytesIO(data))
        data = b"".join(packed.read(name) for name in packed.namelist())
    assert b"secret" not in data.replace(b"secret_factory.train.return_value", b"")


def test_around_what_a_user_may_not_read_nothing_is_exported(
    client: TestClient, bearer: Bearer, worker: dict[str, str], only_the_shop: None
) -> None:
    assert client.post(f"{API}/lineage/batch", json=two_dags(), headers=worker).status_code == 204
    table, run = ref("x", "secret rows").digest, run_id("secret_factory", "secret_run", "train", -1, 1)
    for path in (
        f"artifact:{table}/export?format=prov-json",
        f"artifact:{table}/report",
        f"run:{run}/export?format=svg",
    ):
        answer = client.get(f"{API}/nodes/{path}", headers=bearer("viewer"))
        assert (answer.status_code, "may not read" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/nodes/artifact:{'0' * 64}/export?format=svg", 404),
        (f"/nodes/run:{run_id('none')}/report", 404),
        ("/dags/flow/runs/none/export?format=svg", 404),
        (f"/nodes/artifact:{MODEL}/export", 422),
        (f"/nodes/artifact:{MODEL}/export?format=exe", 422),
        (f"/nodes/artifact:{MODEL}/export?format=svg&max_nodes=2001", 422),
        ("/nodes/nonsense/report", 422),
    ],
)
def test_what_is_not_there_or_cannot_be_asked_is_refused(
    client: TestClient, bearer: Bearer, stored: Any, path: str, status: int
) -> None:
    assert client.get(API + path, headers=bearer("viewer")).status_code == status


def test_an_export_of_too_many_events_is_refused_before_it_begins(
    client: TestClient, bearer: Bearer, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sematic_airflow_provider.db import exporting

    monkeypatch.setattr(exporting, "MOST_EVENTS", 3)
    answer = client.get(f"{API}/dags/flow/runs/run1/export?format=openlineage", headers=bearer("viewer"))
    assert answer.status_code == 413
    assert "the most is 3" in answer.json()["detail"]
    monkeypatch.setattr(exporting, "_MOST_CHARACTERS", 100)
    answer = client.get(f"{API}/dags/flow/runs/run1/export?format=prov-json", headers=bearer("viewer"))
    assert (answer.status_code, "smaller depth" in answer.json()["detail"]) == (413, True)
