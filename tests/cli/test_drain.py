"""``airflow sematic drain``, and what the doctor says of events that wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic_airflow_provider.delivery.breaker import Breaker
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.spool import StoreSpool
from tests.cli.deployment import Deployment
from tests.delivery.api import Api, event_bytes

DAG = "drained_by_hand"


@pytest.fixture
def folder(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpoolFolder:
    monkeypatch.setenv("AIRFLOW__SEMATIC__SPOOL", str(tmp_path / "spool"))
    return SpoolFolder(tmp_path / "spool")


def _wait(folder: SpoolFolder, deployment: Deployment) -> None:
    folder.put(event_bytes("a", dag_id=DAG))
    folder.put(event_bytes("b", dag_id=DAG))
    StoreSpool(deployment.store).put(event_bytes("c", dag_id=DAG))


def _runs(deployment: Deployment) -> int:
    from sqlalchemy import func, select

    from sematic_airflow_provider.db.models import RunRow

    with deployment.session() as session:
        return session.scalar(select(func.count()).where(RunRow.dag_id == DAG)) or 0


def test_what_waits_on_this_machine_and_in_the_store_is_taken_in(folder: SpoolFolder, deployment: Deployment) -> None:
    _wait(folder, deployment)
    done = deployment.sematic("drain")
    assert done.status == 0
    assert done.text.splitlines() == [f"{folder.where}: 2 events delivered", "store: 1 event delivered"]
    assert _runs(deployment) == 3


def test_it_tells_how_many_wait_where_and_since_when(folder: SpoolFolder, deployment: Deployment) -> None:
    _wait(folder, deployment)
    folder.reject(folder.put(b"{"), b"{", "no JSON")
    Breaker(folder.path).failed("connection refused")
    on_disk, in_store = deployment.sematic("drain", "--show", "-o", "json").rows
    since = on_disk.pop("since")
    assert since.startswith("20")
    assert on_disk == {"place": folder.where, "waiting": 2, "rejected": 1, "server": "connection refused"}
    assert (in_store["place"], in_store["waiting"]) == (f"{deployment.store.url}/spool", 1)
    assert _runs(deployment) == 0


def test_the_doctor_tells_too(folder: SpoolFolder, deployment: Deployment) -> None:
    _wait(folder, deployment)
    folder.reject(folder.put(b"{"), b"{", "no JSON")
    Breaker(folder.path).failed("connection refused")
    found = [
        row
        for row in deployment.sematic("doctor", "-o", "json").rows
        if row["check"] in ("waiting events", "rejected events")
    ]
    assert [(row["check"], row["state"]) for row in found] == [
        ("waiting events", "warning"),
        ("rejected events", "warning"),
        ("waiting events", "warning"),
    ]
    assert found[0]["found"].startswith(f"2 in {folder.where} since 20")
    assert found[0]["found"].endswith("the API server is not asked now: connection refused")
    assert found[1]["found"] == f"1 in {folder.where}/rejected"
    assert found[2]["found"].startswith(f"1 in {deployment.store.url}/spool since 20")


def test_what_was_rejected_is_tried_again_when_it_is_asked_for(folder: SpoolFolder, deployment: Deployment) -> None:
    data = event_bytes("a", dag_id=DAG)
    folder.reject(folder.put(data), data, "an older version did not know this")
    assert "0 events delivered" in deployment.sematic("drain").text
    assert f"{folder.where}: 1 event delivered" in deployment.sematic("drain", "--rejected").text
    assert folder.rejected() == []


class TestPosting:
    @pytest.fixture
    def api(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
        served = Api()
        monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_URL", served.url)
        monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_API_KEY", "the-key")
        yield served
        served.close()

    def test_a_machine_without_a_database_posts(self, api: Api, folder: SpoolFolder, deployment: Deployment) -> None:
        _wait(folder, deployment)
        done = deployment.sematic("drain", "--post")
        assert done.status == 0
        assert done.text.splitlines() == [f"{folder.where}: 2 events delivered", "store: 1 event delivered"]
        assert api.tasks() == [f"{DAG}.{task}" for task in "abc"]
        assert _runs(deployment) == 0

    def test_a_server_that_does_not_take_them_is_told(
        self, api: Api, folder: SpoolFolder, deployment: Deployment
    ) -> None:
        _wait(folder, deployment)
        api.status = 503
        done = deployment.sematic("drain", "--post")
        assert done.status == 1
        assert f"0 events delivered, then: {api.url}/sematic/api/v1/lineage/batch answered 503" in done.text
        assert len(list(folder.waiting())) == 2

    def test_without_a_key_it_is_said_what_is_missing(
        self, folder: SpoolFolder, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_API_KEY", "")
        _wait(folder, deployment)
        done = deployment.sematic("drain", "--post")
        assert done.status == 1
        assert "events cannot be posted without [sematic] lineage_api_key" in done.text


def test_a_store_that_is_gone_does_not_keep_this_machines_events(folder: SpoolFolder, deployment: Deployment) -> None:
    _wait(folder, deployment)
    Path(deployment.store.url).rename(f"{deployment.store.url}-away")
    done = deployment.sematic("drain")
    assert done.status == 1
    first, second = done.text.splitlines()
    assert first == f"{folder.where}: 2 events delivered"
    assert "is not there" in second


def test_what_is_printed_as_json_is_json(folder: SpoolFolder, deployment: Deployment) -> None:
    assert json.loads(deployment.sematic("drain", "--show", "-o", "json").out)[0]["waiting"] == 0
