"""What processes tell each other of a server that does not answer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sematic_airflow_provider.delivery.breaker import Breaker


def test_a_server_that_failed_is_not_asked_for_a_while_that_doubles(tmp_path: Path) -> None:
    assert Breaker(tmp_path / "new").refusal() is None
    pauses = []
    for _ in range(7):
        Breaker(tmp_path / "new").failed("connection refused")
        pauses.append(round(Breaker(tmp_path / "new").pause()))
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert Breaker(tmp_path / "new").refusal() == "connection refused"
    Breaker(tmp_path / "new").succeeded()
    assert Breaker(tmp_path / "new").refusal() is None
    Breaker(tmp_path / "new").failed("again")
    assert round(Breaker(tmp_path / "new").pause()) == 2


def test_the_server_may_ask_for_a_pause_but_not_for_a_long_one(tmp_path: Path) -> None:
    Breaker(tmp_path).failed("busy", wait=7)
    assert round(Breaker(tmp_path).pause()) == 7
    Breaker(tmp_path).failed("busy", wait=86400)
    assert round(Breaker(tmp_path).pause()) == 60


def test_the_pause_ends(tmp_path: Path) -> None:
    Breaker(tmp_path).failed("busy", wait=0.05)
    time.sleep(0.06)
    assert Breaker(tmp_path).refusal() is None


def test_a_clock_that_was_set_back_does_not_close_the_way_for_long(tmp_path: Path) -> None:
    (tmp_path / ".server").write_text(json.dumps({"failures": 1, "until": time.time() + 1e6, "reason": "x"}))
    assert Breaker(tmp_path).refusal() is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"until": "x"}', '{"failures": 1, "until": 1e999, "reason": 1}']
)
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".server").write_text(text)
    assert Breaker(tmp_path).refusal() is None
    Breaker(tmp_path).failed("busy")
    assert Breaker(tmp_path).refusal() == "busy"


def test_where_nothing_can_be_remembered_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    breaker = Breaker(tmp_path / "file")
    breaker.failed("busy")
    breaker.succeeded()
    assert breaker.refusal() is None
