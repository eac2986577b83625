"""Delivery of events: posted over a real socket, or kept in the store."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.worker import stores
from sematic_airflow_provider.worker.transport import SematicConfig, SematicTransport
from tests.events import task_event


class Api:
    """An API server that answers as it is told, and remembers."""

    def __init__(self) -> None:
        self.status, self.delay = 201, 0.0
        self.taken: list[tuple[str, str | None, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(api.delay)
                api.taken.append((self.path, self.headers["Authorization"], json.loads(body)))
                self.send_response(api.status)
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Api]:
    served = Api()
    monkeypatch.setenv("AIRFLOW__SEMATIC__STORE", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_URL", served.url + "/prefix/")
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_API_KEY", "the-key")
    stores._open.cache_clear()
    yield served
    served.server.shutdown()
    served.server.server_close()
    stores._open.cache_clear()


def _emit(second: float = 0) -> None:
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    raw = task_event("START", "t", second=second)
    SematicTransport(SematicConfig()).emit(
        RunEvent(
            eventType=RunState.START,
            eventTime=raw["eventTime"],
            run=Run(runId=raw["run"]["runId"]),
            job=Job(namespace="default", name="flow.t"),
            producer=raw["producer"],
        )
    )


def _waiting(folder: Path) -> list[Any]:
    store = LocalStore(folder)
    return [json.loads(store.read_document(path) or b"") for path in store.list_documents("spool")]


def test_an_event_is_posted_with_the_key_below_the_prefix(api: Api, tmp_path: Path) -> None:
    _emit()
    ((path, authorization, body),) = api.taken
    assert (path, authorization) == ("/prefix/sematic/api/v1/lineage", "Bearer the-key")
    assert body["job"]["name"] == "flow.t"
    assert _waiting(tmp_path) == []


@pytest.mark.parametrize("status", [401, 403, 404, 422, 429, 500, 503])
def test_an_event_that_is_refused_waits_in_the_store(api: Api, tmp_path: Path, status: int) -> None:
    api.status = status
    _emit()
    (waiting,) = _waiting(tmp_path)
    assert waiting["job"]["name"] == "flow.t"


def test_events_wait_while_no_server_is_there(api: Api, tmp_path: Path) -> None:
    api.server.shutdown()
    api.server.server_close()
    started = time.monotonic()
    _emit(0)
    _emit(1)
    assert len(_waiting(tmp_path)) == 2
    assert time.monotonic() - started < 5


def test_a_server_that_hangs_delays_a_task_by_seconds_only(api: Api, tmp_path: Path) -> None:
    api.delay = 30
    started = time.monotonic()
    _emit()
    assert time.monotonic() - started < 8
    assert len(_waiting(tmp_path)) == 1


def test_without_a_key_events_go_through_the_store(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_API_KEY", "")
    _emit()
    assert api.taken == []
    assert len(_waiting(tmp_path)) == 1


def test_an_address_that_is_no_url_is_not_opened(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_URL", "file:///etc")
    _emit()
    assert len(_waiting(tmp_path)) == 1
