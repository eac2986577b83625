"""The benchmarks run, at a scale where their figures say nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import artifacts, environments, growth, runs


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs keep what they have."""
    for module in (artifacts, environments, runs):
        monkeypatch.setattr(module, "PLACE", tmp_path / "bench")
    return tmp_path / "bench"


def test_a_hand_off_is_measured_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--scale", "0.001", "--ways", "ours", "limit", "--repeats", "1", "--no-keep", "--kinds", "array", "json"]
    code = artifacts.main(options)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines if line.startswith(("array", "json "))] == [
        [kind, way, "1"] for kind in ("array", "json") for way in ("limit", "ours")
    ]
    assert any(line.startswith("met    second save of array: 1 looks") for line in lines)
    assert lines[-1].startswith("missed: " if code else "met")


def test_an_interrupted_run_goes_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--scale", "0.001", "--ways", "limit", "--no-keep", "--kinds", "array", "--resume"]
    artifacts.main([*options, "--repeats", "1"])
    kept = place / "artifacts-scale-0.001.json"
    first = json.loads(kept.read_text())["runs"]["array"]["limit"]
    artifacts.main([*options, "--repeats", "2"])
    assert json.loads(kept.read_text())["runs"]["array"]["limit"][:-1] == first
    assert "array, limit, repeat 2" in capsys.readouterr().err


def test_what_grows_is_stored_by_its_growth(tmp_path: Path) -> None:
    found = {(one.value, one.way): one for one in growth.measure(0.03, tmp_path)}
    log = "a log with 1% more lines"
    assert found[log, "DVC (files)"].new_bytes > found[log, "DVC (files)"].first_bytes
    assert found[log, "ours"].new_bytes < found[log, "ours"].first_bytes / 4


def test_every_peer_says_what_was_found_about_it() -> None:
    peers = environments.known_peers()
    assert len(peers) == 12
    for peer in peers.values():
        assert peer.values
        assert {peer.verifies, peer.syncs} <= {"yes", "no"}
        assert len(peer.note) > 10
        assert (Path(runs.__file__).parent / "peers" / f"{peer.name}.py").exists()
