"""The work of the process that delivers, and when it ends: it stays behind nowhere."""

from __future__ import annotations

import time

import pytest

from sematic_airflow_provider.delivery import __main__ as deliverer
from sematic_airflow_provider.delivery import breaker
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.server import Server
from tests.delivery.api import Api, event_bytes


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "_LINGER", 0.3)
    monkeypatch.setattr(breaker, "_FIRST_PAUSE", 0.01)


def _run(folder: SpoolFolder, url: str, timeout: float = 5) -> None:
    deliverer._Deliverer(folder, Server(url, "k", timeout)).run()


def test_it_ends_when_all_is_delivered_and_nothing_comes(api: Api, folder: SpoolFolder) -> None:
    folder.put(event_bytes("a"))
    _run(folder, api.url)
    assert api.tasks() == ["flow.a"]
    assert not folder.is_held()


def test_it_gives_up_on_a_server_that_has_not_answered_for_long(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "_PATIENCE", 0.2)
    folder.put(event_bytes("a"))
    started = time.monotonic()
    _run(folder, "http://127.0.0.1:9")
    assert 0.2 < time.monotonic() - started < 5
    assert folder.has_waiting()


def test_where_another_delivers_it_ends_at_once(api: Api, folder: SpoolFolder) -> None:
    folder.put(event_bytes("a"))
    with folder.held() as ours:
        assert ours
        _run(folder, api.url)
    assert api.asked == []


def test_fewer_are_posted_at_once_where_storing_as_many_takes_the_server_too_long(
    api: Api, folder: SpoolFolder
) -> None:
    for number in range(100):
        folder.put(event_bytes(f"t{number:02}"))
    api.judge = lambda event: time.sleep(0.01)
    _run(folder, api.url, timeout=0.6)
    counts = [count for _, _, count in api.asked]
    assert counts[:2] == [100, 25]
    assert set(api.tasks()) == {f"flow.t{number:02}" for number in range(100)}
    assert not folder.has_waiting()
