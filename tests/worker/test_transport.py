"""Delivery of events: durable at once, delivered by a process of its own, whatever disk, server and store do. Real sockets, files and processes."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.delivery.breaker import Breaker
from sematic_airflow_provider.delivery.folder import LOG, SpoolFolder
from sematic_airflow_provider.errors import StoreError
from sematic_airflow_provider.worker import deliverer, transport
from sematic_airflow_provider.worker.transport import SematicConfig, SematicTransport
from tests.delivery.api import Api, event_bytes, eventually, run_event


@pytest.fixture
def nobody(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is down."""
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_URL", "http://127.0.0.1:9")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task posts for itself: its disk goes away."""
    monkeypatch.setenv("AIRFLOW__SEMATIC__SPOOL", "store")
    monkeypatch.setenv("AIRFLOW__SEMATIC__DELIVERY_TIMEOUT", "1")


def _emit(second: float = 0) -> float:
    """Seconds that it took."""
    started = time.perf_counter()
    SematicTransport(SematicConfig()).emit(run_event(second))
    return time.perf_counter() - started


def _in_store(place: Path) -> list[Any]:
    store = LocalStore(place / "store")
    return [json.loads(store.read_document(path) or b"") for path in store.list_documents("spool")]


def _on_disk(place: Path, folder: str = "spool") -> list[Any]:
    spool = SpoolFolder(place / folder)
    return [json.loads(data) for _, data in spool.read(list(spool.waiting()))]


class TestByWayOfTheDisk:
    def test_an_event_is_delivered_by_a_process_of_its_own(self, api: Api, place: Path) -> None:
        _emit()
        assert eventually(lambda: len(api.stored) == 1)
        assert api.asked == [("/prefix/sematic/api/v1/lineage/batch", "Bearer the-key", 1)]
        assert eventually(lambda: _on_disk(place) == [])
        assert _in_store(place) == []

    def test_one_process_delivers_for_all_that_follow(self, api: Api, place: Path) -> None:
        _emit(0)
        assert eventually(lambda: len(api.stored) == 1)
        for second in range(1, 30):
            _emit(second)
        assert eventually(lambda: len(api.stored) == 30)
        assert [event["eventTime"] for event in api.stored] == sorted(event["eventTime"] for event in api.stored)
        assert len(deliverer._started) == 1
        assert "1 event delivered to" in (place / "spool" / LOG).read_text()

    def test_nobody_but_its_user_sees_the_key_or_the_events(self, api: Api, place: Path) -> None:
        api.delay = 0.5
        _emit()
        (process,) = deliverer._started
        for seen in ("cmdline", "environ"):
            assert b"the-key" not in Path(f"/proc/{process.pid}/{seen}").read_bytes()
        assert eventually(lambda: len(api.stored) == 1)
        assert "the-key" not in (place / "spool" / LOG).read_text()
        assert {path.stat().st_mode & 0o077 for path in (place / "spool").iterdir()} == {0}

    def test_a_task_waits_for_no_server(self, api: Api, place: Path) -> None:
        _emit()
        api.delay = 30
        assert min(_emit(second) for second in range(1, 6)) < 0.1

    def test_events_wait_while_no_server_is_there_and_are_delivered_when_it_comes_back(
        self, api: Api, place: Path
    ) -> None:
        api.status = 503
        _emit(0)
        assert eventually(lambda: Breaker(place / "spool").refusal() is not None)
        _emit(1)
        assert len(_on_disk(place)) == 2
        api.status = 0
        assert eventually(lambda: len(api.stored) == 2)
        assert Breaker(place / "spool").refusal() is None

    def test_a_wrong_key_is_not_tried_again_by_the_same_process(
        self, api: Api, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        api.status = 403
        _emit(0)
        (process,) = deliverer._started
        assert process.wait(10) == 0
        _emit(1)
        assert deliverer._started == [process]  # the server is not asked again so soon
        api.status = 0
        Breaker(place / "spool").failed("over", wait=0)
        monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_API_KEY", "another")
        _emit(2)
        assert eventually(lambda: len(api.stored) == 3)
        assert {key for _, key, _ in api.asked} == {"Bearer the-key", "Bearer another"}

    def test_a_deliverer_that_is_killed_loses_nothing(self, api: Api, place: Path) -> None:
        api.delay = 1
        _emit(0)
        (process,) = deliverer._started
        assert eventually(lambda: SpoolFolder(place / "spool").is_held())
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(_on_disk(place)) == 1
        api.delay = 0
        _emit(1)
        assert eventually(lambda: len({event["eventTime"] for event in api.stored}) == 2)
        assert eventually(lambda: _on_disk(place) == [])

    @pytest.mark.thorough
    def test_a_deliverer_ends_when_its_folder_is_gone(self, nobody: None, place: Path) -> None:
        _emit()
        (process,) = deliverer._started
        assert eventually(lambda: Breaker(place / "spool").refusal() is not None)
        os.rename(place / "spool", place / "elsewhere")
        assert process.wait(10) == 0

    def test_an_event_that_cannot_be_written_there_is_posted(
        self, api: Api, place: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (place / "spool").rmdir()
        (place / "spool").write_text("no folder")
        _emit()
        assert len(api.stored) == 1
        assert "took another way: to disk and on: [Errno 20] Not a directory" in caplog.text

    def test_a_full_disk_and_no_server_leave_the_store(self, nobody: None, place: Path) -> None:
        (place / "spool").rmdir()
        (place / "spool").write_text("no folder")
        _emit()
        assert len(_in_store(place)) == 1

    def test_where_no_process_can_be_started_the_task_delivers(
        self, api: Api, place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        _emit()
        assert len(api.stored) == 1
        assert _on_disk(place) == []
        assert "delivered by the task itself" in caplog.text

    def test_a_log_that_has_grown_large_becomes_the_old_one(self, api: Api, place: Path) -> None:
        (place / "spool" / LOG).write_bytes(b"x" * (2 << 20))
        _emit()
        assert eventually(lambda: len(api.stored) == 1)
        assert (place / "spool" / f"{LOG}.1").stat().st_size == 2 << 20
        assert (place / "spool" / LOG).stat().st_size < 1000


class TestWithoutADiskThatStays:
    def test_an_event_is_posted_at_once(self, api: Api, place: Path, alone: None) -> None:
        _emit()
        assert len(api.stored) == 1
        assert _on_disk(place) == _in_store(place) == []
        assert deliverer._started == []

    def test_pods_of_the_kubernetes_executor_have_none(
        self, api: Api, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__SEMATIC__SPOOL", "")
        monkeypatch.setenv("AIRFLOW_IS_K8S_EXECUTOR_POD", "True")
        _emit()
        assert len(api.stored) == 1
        assert not (place / "home" / "sematic-spool").exists()

    @pytest.mark.parametrize("status", [200, 401, 403, 404, 413, 422, 429, 500, 503])
    def test_an_event_that_the_server_does_not_take_waits_in_the_store(
        self, api: Api, place: Path, alone: None, status: int
    ) -> None:
        api.status, api.body = status, b'{"detail": "no"}'
        _emit()
        (waiting,) = _in_store(place)
        assert waiting["job"]["name"] == "flow.t"

    def test_a_dead_server_is_asked_once_in_a_while_only(self, api: Api, place: Path, alone: None) -> None:
        api.delay = 5
        first = _emit(0)
        assert 1 <= first < 2.5
        later = [_emit(second) for second in range(1, 6)]
        assert sum(later) < 1
        assert len(_in_store(place)) == 6

    def test_what_neither_server_nor_store_takes_waits_on_the_disk_and_goes_along_with_the_next(
        self, api: Api, place: Path, alone: None
    ) -> None:
        os.rename(place / "store", place / "away")
        api.status = 503
        _emit(0)
        assert len(_on_disk(place, "home/sematic-spool")) == 1
        api.status = 0
        Breaker(place / "home" / "sematic-spool").failed("over", wait=0)
        _emit(1)
        assert len(api.stored) == 2
        assert _on_disk(place, "home/sematic-spool") == []

    def test_only_a_few_go_along_with_one_event(self, api: Api, place: Path, alone: None) -> None:
        spool = SpoolFolder(place / "home" / "sematic-spool")
        for number in range(50):
            spool.put(event_bytes(f"t{number}"))
        _emit()
        assert len(api.stored) == 21
        assert len(list(spool.waiting())) == 30

    def test_none_go_along_where_a_process_delivers_them(self, api: Api, place: Path, alone: None) -> None:
        spool = SpoolFolder(place / "home" / "sematic-spool")
        spool.put(event_bytes("a"))
        with spool.held() as ours:
            assert ours
            _emit()
        assert api.tasks() == ["flow.t"]

    def test_a_store_that_hangs_costs_seconds_and_the_event_waits_on_the_disk(
        self, nobody: None, place: Path, alone: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os.mkfifo(place / "fifo")
        monkeypatch.setattr(transport, "_STORE_SECONDS", 0.5)
        monkeypatch.setattr(LocalStore, "write_document", lambda self, path, data: (place / "fifo").read_bytes())
        started = time.monotonic()
        _emit()
        assert time.monotonic() - started < 3
        assert len(_on_disk(place, "home/sematic-spool")) == 1
        (place / "fifo").write_bytes(b"")


class TestWithoutAKey:
    @pytest.fixture(autouse=True)
    def _no_key(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_API_KEY", "")

    def test_events_go_through_the_store(self, api: Api, place: Path) -> None:
        _emit()
        assert api.asked == []
        assert len(_in_store(place)) == 1

    def test_those_that_had_to_wait_on_the_disk_follow(self, api: Api, place: Path) -> None:
        os.rename(place / "store", place / "away")
        _emit(0)
        assert len(_on_disk(place)) == 1
        os.rename(place / "away", place / "store")
        _emit(1)
        assert len(_in_store(place)) == 2
        assert _on_disk(place) == []


def test_an_address_that_is_no_url_is_not_opened(
    api: Api, place: Path, alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_URL", "file:///etc")
    _emit()
    assert len(_in_store(place)) == 1


def test_wrong_settings_lose_no_event(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__INLINE_LIMIT", "many")
    _emit()
    assert len(_on_disk(place, "home/sematic-spool")) == 1
    assert "inline_limit must be a whole number" in caplog.text


def test_an_event_that_no_place_takes_is_in_the_log_and_the_failure_is_told(
    nobody: None, place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with (
            caplog.at_level(logging.ERROR),
            pytest.raises(StoreError, match=r"START of default/flow\.t .* is kept nowhere"),
        ):
            _emit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    identity, _, event = record.getMessage().partition(" The event: ")
    assert "to disk and on: [Errno 27] File too large" in identity
    assert "to server" in identity
    assert "to store" in identity
    assert json.loads(event)["job"] == {"name": "flow.t", "namespace": "default", "facets": {}}


_TASK = """
import os, sys
from tests.worker.test_transport import _emit
if os.fork() == 0:
    _emit()
    os._exit(0)
os.wait()
"""


@pytest.mark.thorough
def test_the_end_of_a_task_ends_no_delivery_and_waits_for_none(api: Api, place: Path) -> None:
    """As the OpenLineage provider does: a child for each event. The task's own end must not wait for ours of its output to be closed."""
    api.delay = 2
    done = subprocess.run(
        [sys.executable, "-c", _TASK], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    assert api.stored == []
    assert eventually(lambda: len(api.stored) == 1)
    os.rename(place / "spool", place / "elsewhere")  # which ends the process that we have not started ourselves
