"""Beside other OpenLineage backends, with the real client: what one of them does is nothing to the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.delivery.folder import SpoolFolder
from tests.delivery.api import Api, eventually, run_event

OURS = {"type": "sematic_airflow_provider.worker.transport.SematicTransport"}


@pytest.fixture
def marquez() -> Iterator[Api]:
    """Another backend: one event a request."""
    served = Api()
    served.status = 201
    yield served
    served.close()


def _emit(transports: Any, **options: Any) -> None:
    from openlineage.client import OpenLineageClient

    client = OpenLineageClient(config={"transport": {"type": "composite", "transports": transports, **options}})
    client.emit(run_event())


def _http(api: Api) -> dict[str, Any]:
    return {"type": "http", "url": api.url, "endpoint": "api/v1/lineage", "retry": {"total": 0}, "timeout": 1}


def _file(place: Path) -> dict[str, Any]:
    return {"type": "file", "log_file_path": str(place / "events.jsonl"), "append": True}


def _written(place: Path) -> list[Any]:
    return [json.loads(line)["job"]["name"] for line in (place / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("named", [True, False])
def test_every_backend_gets_the_event(
    api: Api, marquez: Api, place: Path, named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    transports = {"sematic": OURS, "marquez": _http(marquez), "file": _file(place), "console": {"type": "console"}}
    _emit(transports if named else list(transports.values()))
    assert eventually(lambda: api.tasks() == ["flow.t"])
    assert len(marquez.asked) == 1
    assert _written(place) == ["flow.t"]
    assert "has no options" not in caplog.text


@pytest.mark.parametrize("first", [True, False])
def test_a_backend_that_fails_stops_not_ours(api: Api, marquez: Api, place: Path, first: bool) -> None:
    marquez.status = 500
    transports = {"marquez": _http(marquez), "sematic": OURS} if first else {"sematic": OURS, "marquez": _http(marquez)}
    _emit(transports)
    assert eventually(lambda: api.tasks() == ["flow.t"])


def test_ours_failing_stops_no_other_and_the_event_is_kept(api: Api, marquez: Api, place: Path) -> None:
    api.status = 500
    _emit({"sematic": OURS, "marquez": _http(marquez), "file": _file(place)})
    assert len(marquez.asked) == 1
    assert _written(place) == ["flow.t"]
    assert SpoolFolder(place / "spool").has_waiting()


def test_where_no_place_takes_ours_the_others_have_it_and_the_failure_is_told(
    place: Path, marquez: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_URL", "http://127.0.0.1:9")
    (place / "spool").rmdir()
    (place / "spool").write_text("no folder")
    (place / "store").rmdir()
    _emit({"sematic": OURS, "marquez": _http(marquez)})
    assert len(marquez.asked) == 1
    assert "is kept nowhere" in caplog.text


def test_ours_can_be_the_one_that_others_fall_back_to(api: Api, marquez: Api, place: Path) -> None:
    transports = {"marquez": _http(marquez) | {"priority": 2}, "sematic": OURS | {"priority": 1}}
    _emit(transports, continue_on_success=False, sort_transports=True)
    assert list((place / "spool").iterdir()) == []
    marquez.status = 503
    _emit(transports, continue_on_success=False, sort_transports=True)
    assert eventually(lambda: api.tasks() == ["flow.t"])
    assert LocalStore(place / "store").list_documents("spool") == []
