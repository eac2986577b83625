"""The benchmarks run, at a scale where their figures say nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import artifacts, environments, growth, runs, steps
from benchmarks.cache.cases import HIT, MISS, Case, all_cases
from benchmarks.cache.project import Project
from benchmarks.cache.trial import RIGHT, STALE, WRONG, judge
from benchmarks.cache.ways import Way, all_ways
from benchmarks.steps import residence, runners


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs keep what they have."""
    for module in (artifacts, environments, runners, runs):
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


def _here(**changes: str) -> Way:
    """joblib in this environment, or what the changes make of it."""
    here = environments.Peer("here", (), (), "", "", "", environment=environments.HERE)
    return replace(all_ways()["joblib"], peer=here, **changes)


EDITED = [case for case in all_cases().values() if case.kind in (HIT, MISS)]


@pytest.mark.parametrize("case", EDITED, ids=lambda case: case.name)
def test_the_program_of_each_case_gives_the_numbers_that_it_promises_where_nothing_is_cached(
    case: Case, tmp_path: Path
) -> None:
    project = Project(_here(imports="", decorator=""), case, tmp_path / "case")
    assert [project.run(after=after).number for after in (False, True)] == list(case.expected)
    assert len(project.executions) == 2
    assert (case.expected[0] == case.expected[1]) == (case.kind == HIT)


@pytest.mark.parametrize(
    ("name", "verdict"), [("function body", RIGHT), ("module constant", STALE), ("stored bytes flipped", WRONG)]
)
def test_a_cache_is_judged_by_what_comes_out(name: str, verdict: str, tmp_path: Path) -> None:
    assert judge(all_cases()[name], _here(), tmp_path / "case").verdict == verdict


def test_two_at_once_are_counted(tmp_path: Path) -> None:
    assert judge(all_cases()["the same step twice at once"], _here(), tmp_path / "case").executions == 2


def test_the_runner_for_tests_is_measured_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    code = steps.main(["--cases", "runner", "--ways", "ours", "--scale", "0.01", "--repeats", "1", "--no-keep"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("3 steps in the runner for tests") for line in lines)
    assert lines[-1].startswith("missed: 3 steps" if code else "met")


def test_bytes_that_are_read_are_seen(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(b"x" * 1_000_000)
    residence.evict(paths)
    before = residence.resident_bytes(paths)
    if before:
        pytest.skip("a file system that lives in memory")
    with paths[0].open("rb") as file:
        file.seek(500_000)
        file.read(10)
    assert residence.resident_bytes(paths) > before
