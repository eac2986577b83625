"""Previews over HTTP."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from tests.events import ref, task_event
from tests.server.conftest import PNG

API = "/sematic/api/v1"
MODEL = ref("x", "train").digest
Bearer = Callable[[str], dict[str, str]]
Show = Callable[[Any], Any]


@pytest.fixture
def repository(migrated_home: str) -> Repository:
    return Repository(LocalStore(str(Path(migrated_home, "sematic")), create=True), allow_pickle=True)


@pytest.fixture
def show(client: TestClient, worker: dict[str, str], bearer: Bearer, repository: Repository) -> Show:
    """Save a value, tell of it in an event, and ask for its preview."""

    def show(value: Any) -> Any:
        saved = value if isinstance(value, ArtifactRef) else repository.save(value, "shown.step.return_value")
        told = task_event("COMPLETE", "step", dag_id="shown", dag_run_id=saved.digest, writes={"return_value": saved})
        facet = told["outputs"][0]["facets"]["sematic_artifact"]
        facet.update({"value": saved.value} if saved.has_value else {})
        assert client.post(f"{API}/lineage", json=told, headers=worker).status_code == 201
        return client.get(f"{API}/artifacts/{saved.digest}/preview", headers=bearer("viewer"))

    return show


def test_a_preview_of_the_worker_is_passed_on(client: TestClient, bearer: Bearer, stored: Any) -> None:
    answer = client.get(f"{API}/artifacts/{MODEL}/preview", headers=bearer("viewer"))
    assert (answer.status_code, answer.json()["head"]) == (200, "0.1 + 0.2")
    assert answer.headers["content-type"] == "application/json"


def test_a_picture_is_passed_on_as_a_picture_and_nothing_else(client: TestClient, bearer: Bearer, stored: Any) -> None:
    answer = client.get(f"{API}/artifacts/{MODEL}/preview.png", headers=bearer("viewer"))
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"].startswith("private")


def test_a_table_is_shown_with_every_digit(show: Show) -> None:
    found = show(pd.DataFrame({"x": [0.1 + 0.2, math.pi]})).json()
    assert (found["kind"], found["head"]) == ("table", [[0.1 + 0.2], [math.pi]])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": ["x" * 300] * 10}, "json"),
        ("text " * 1000, "text"),
        (b"\x00\x01" * 1000, "bytes"),
        ([np.arange(3)], "tree"),
        (7, "json"),
    ],
)
def test_plain_data_is_shown_from_the_store(show: Show, value: Any, kind: str) -> None:
    answer = show(value)
    assert (answer.status_code, answer.json()["kind"]) == (200, kind)


def test_a_small_value_is_shown_even_where_the_store_does_not_hold_it(show: Show, repository: Repository) -> None:
    described = repository.describe({"never": "stored"}, "shown.step.return_value")
    assert repository.store.stat(described.digest) is None
    assert json.loads(show(described).json()["text"]) == {"never": "stored"}


def test_a_folder_is_listed(show: Show, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a.txt").write_text("hello")
    assert [entry["path"] for entry in show(tmp_path / "made").json()["entries"]] == ["a.txt"]


class Anything:
    """Only pickle takes it."""


def test_a_pickle_that_nothing_shows_is_not_found_with_a_reason(
    show: Show, client: TestClient, bearer: Bearer, repository: Repository
) -> None:
    saved = repository.save(Anything(), "shown.step.return_value")
    answer = show(saved)
    assert (answer.status_code, answer.json()["detail"][:12]) == (404, "no preview: ")
    assert "nothing knows how to show its type" in answer.json()["detail"]
    details = client.get(f"{API}/artifacts/{saved.digest}", headers=bearer("viewer")).json()
    assert (details["pickle"], details["deterministic"]) == (True, False)
    assert client.get(f"{API}/artifacts/{saved.digest}/preview.png", headers=bearer("viewer")).status_code == 404


def test_an_artifact_that_is_gone_says_so(show: Show) -> None:
    gone = ref("gone.step.return_value", "never stored", codec="json/1")
    assert "does not hold this artifact any more" in show(gone).json()["detail"]


def test_where_previews_are_off_the_answer_says_so(
    show: Show, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__PREVIEWS", "False")
    saved = Repository(repository.store, previews=False).save(np.arange(17), "shown.step.return_value")
    assert "[sematic] previews is off" in show(saved).json()["detail"]


@pytest.mark.parametrize(
    "document", [b"", b"{", b'{"kind": "text"}', b'{"kind": "table", "rows": 1e400}', b"[" * 70_000]
)
def test_a_malformed_preview_in_the_store_is_none(show: Show, repository: Repository, document: bytes) -> None:
    saved = repository.save(np.arange(len(document) + 100), "shown.step.return_value")
    repository.store.write_document(f"previews/{saved.digest[:2]}/{saved.digest}.json", document)
    assert show(saved).status_code == 404


def test_numbers_that_json_has_not_do_no_harm(show: Show, repository: Repository) -> None:
    saved = repository.save(np.arange(7777), "shown.step.return_value")
    forged = b'{"kind": "array", "shape": [1], "dtype": "f8", "nbytes": 8, "exact": true, "sample_size": 1, "first": [1e999, NaN], "min": -1e999}'
    repository.store.write_document(f"previews/{saved.digest[:2]}/{saved.digest}.json", forged)
    answer = show(saved)
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        json.loads(answer.text, parse_constant=lambda text: pytest.fail(text))


@pytest.fixture
def unreadable(migrated_home: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = Path(migrated_home, "away")
    folder.mkdir()
    monkeypatch.setenv("AIRFLOW__SEMATIC__STORE", str(folder / "mount"))
    yield
    shutil.rmtree(folder)


def test_a_store_that_is_away_is_said_so(client: TestClient, bearer: Bearer, stored: Any, unreadable: None) -> None:
    answer = client.get(f"{API}/artifacts/{MODEL}/preview", headers=bearer("viewer"))
    assert (answer.status_code, "is not there" in answer.json()["detail"]) == (503, True)


@pytest.mark.parametrize("digest", ["x", "A" * 64, "0" * 63, "..%2f..%2fetc%2fpasswd"])
def test_what_is_no_digest_is_refused(client: TestClient, bearer: Bearer, digest: str) -> None:
    for what in ("preview", "preview.png"):
        assert client.get(f"{API}/artifacts/{digest}/{what}", headers=bearer("viewer")).status_code in (404, 422)
