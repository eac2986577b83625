"""The API server's drain: this machine's disk and the store, whatever state they are in."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.db.spool import Drained
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.spool import StoreSpool, name_of
from sematic_airflow_provider.server import draining
from sematic_airflow_provider.server.draining import drain_all, keep_draining
from sematic_airflow_provider.settings import Settings, load_settings
from tests.events import task_event


@pytest.fixture
def place(tmp_path: Path, migrated_home: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "store").mkdir()
    (tmp_path / "spool").mkdir()
    monkeypatch.setenv("AIRFLOW__SEMATIC__STORE", str(tmp_path / "store"))
    monkeypatch.setenv("AIRFLOW__SEMATIC__SPOOL", str(tmp_path / "spool"))
    return tmp_path


def _wait_there(place: Path, *, seconds: float = 60) -> None:
    """An event on the disk for so long, and one in the store."""
    on_disk = json.dumps(task_event("START", "a", dag_id=place.name)).encode()
    since = dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=seconds)
    (place / "spool" / name_of(on_disk, since)).write_bytes(on_disk)
    StoreSpool(LocalStore(place / "store")).put(json.dumps(task_event("START", "b", dag_id=place.name)).encode())


def _settings() -> Settings:
    return load_settings()


def test_what_waits_on_the_disk_and_in_the_store_is_taken_in(place: Path) -> None:
    _wait_there(place)
    assert drain_all(_settings()) == Drained(2, 0)
    assert drain_all(_settings()) == Drained()


def test_what_came_just_now_is_left_to_the_process_that_posts_it(place: Path) -> None:
    _wait_there(place, seconds=1)
    assert drain_all(_settings()) == Drained(1, 0)
    assert SpoolFolder(place / "spool").has_waiting()


def test_a_store_that_is_gone_does_not_keep_the_disk_from_being_drained(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _wait_there(place)
    (place / "store").rename(place / "away")
    assert drain_all(_settings()) == Drained(1, 0)
    assert "wait in the store cannot be fetched now" in caplog.text


def test_a_disk_that_cannot_be_used_does_not_keep_the_store_from_being_drained(place: Path) -> None:
    _wait_there(place)
    (place / "spool").rename(place / "away")
    (place / "spool").write_text("no folder")
    assert drain_all(_settings()) == Drained(1, 0)


def test_of_the_processes_of_one_server_one_drains(place: Path) -> None:
    _wait_there(place)
    with SpoolFolder(place / "spool" / "draining").held() as ours:
        assert ours
        assert drain_all(_settings()) == Drained()
    assert drain_all(_settings()) == Drained(2, 0)


def test_nothing_that_goes_wrong_ends_the_drain_and_an_interval_of_0_does(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__DRAIN_INTERVAL", "many")
    monkeypatch.setattr(draining, "_AFTER_TROUBLE", 0)
    monkeypatch.setattr(draining, "drain_all", lambda settings: 1 / 0)

    async def watched() -> None:
        running = asyncio.create_task(keep_draining())
        for interval, told in (("many", "must be a whole number"), ("1", "division by zero")):
            monkeypatch.setenv("AIRFLOW__SEMATIC__DRAIN_INTERVAL", interval)
            while told not in caplog.text:
                await asyncio.sleep(0.01)
        monkeypatch.setenv("AIRFLOW__SEMATIC__DRAIN_INTERVAL", "0")
        await running

    asyncio.run(asyncio.wait_for(watched(), 10))
