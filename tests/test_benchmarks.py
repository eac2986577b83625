"""The benchmarks run, at a scale where their figures say nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from benchmarks import artifacts, environments, growth, runs, steps
from benchmarks.cache.cases import HIT, MISS, Case, all_cases
from benchmarks.cache.project import Project
from benchmarks.cache.trial import RIGHT, STALE, WRONG, judge
from benchmarks.cache.ways import Way, all_ways
from benchmarks.lineage import load
from benchmarks.lineage.curve import drawing
from benchmarks.lineage.world import GROUP, World
from benchmarks.steps import residence, runners
from sematic_airflow_provider.db.models import EventRow, RunRow, metadata
from sematic_airflow_provider.lineage.events import Event, parse_event
from sematic_airflow_provider.lineage.fold import RunRecord, fold


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


def _day(day: int) -> list[Event]:
    return [parse_event(event) for event in World(GROUP).events(day)]


def _runs(events: list[Event]) -> dict[str, RunRecord]:
    by_run: dict[str, list[Event]] = {}
    for event in events:
        by_run.setdefault(str(event.run_id), []).append(event)
    return {run_id: fold(of_run) for run_id, of_run in by_run.items()}


def test_a_generated_day_has_five_edges_and_two_to_three_events_a_run_of_three_producers() -> None:
    events = _day(1)
    found = _runs(events)
    assert 4.5 < sum(len(run.data) for run in found.values()) / len(found) < 5.5
    assert 2 < len(events) / len(found) < 3
    assert {run.integration for run in found.values()} == {"AIRFLOW", "SPARK", "DBT"}
    assert {run.state for run in found.values()} == {"success", "failed"}
    assert [event.time for event in events] == sorted(event.time for event in events)


def test_most_generated_runs_end_in_another_batch_than_they_start_in() -> None:
    places: dict[str, set[int]] = {}
    for number, event in enumerate(World(20 * GROUP).events(1)):
        places.setdefault(event["run"]["runId"], set()).add(number // load.BATCH)
    assert sum(len(batches) > 1 for batches in places.values()) > len(places) / 2


def test_each_generated_day_is_the_same_again_and_shares_no_run_and_few_artifacts_with_others() -> None:
    first, again, later = _runs(_day(1)), _runs(_day(1)), _runs(_day(30))
    assert first == again
    assert not set(first) & set(later)
    shape = [(run.name, run.map_index, run.state, len(run.data)) for run in first.values()]
    assert sorted(shape) == sorted((run.name, run.map_index, run.state, len(run.data)) for run in later.values())
    moved = {run.first_at + dt.timedelta(days=29) for run in first.values()}
    assert moved == {run.first_at for run in later.values()}
    ids, later_ids = ({data.node_id for run in of.values() for data in run.data} for of in (first, later))
    assert 0 < len(ids & later_ids) < len(ids)


def _members(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _members(member, f"{path}.{key}")
    elif isinstance(value, list):
        for member in value:
            yield from _members(member, f"{path}[]")
    else:
        yield path


def test_generated_events_of_a_step_have_the_members_of_recorded_ones() -> None:
    recorded = json.loads((Path(__file__).parent / "lineage/events/mixed_with_plain_tasks.json").read_text())[4]
    generated = next(
        event
        for event in World(GROUP).events(1)
        if event["job"]["name"].endswith(".fit") and event["eventType"] == "COMPLETE"
    )
    of_one_case = ("arguments", "outputs", "parent.job.facets", "parent.root", "parent.run.facets", "metrics", "git")
    missing = {
        path for path in set(_members(recorded)) - set(_members(generated)) if not any(c in path for c in of_one_case)
    }
    assert not missing


def test_generated_events_are_taken_in_and_counted(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/lineage.db")
    metadata.create_all(engine)
    found = load.direct(engine, World(GROUP), 150)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(EventRow)) == found.events == 150
        assert (session.scalar(select(func.count()).select_from(RunRow)) or 0) > 50
    assert found.rate > 0


def test_the_curve_is_a_picture_with_a_point_for_each_size() -> None:
    table = [{"runs": 10**n, "event_ms": 0.5 + n, "graph_ms": 20.0 * n, "list_ms": None} for n in (4, 5, 6)]
    picture = ElementTree.fromstring(drawing(table))
    circles = picture.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 6
    across = [float(circle.attrib["cx"]) for circle in circles[:3]]
    assert across == sorted(across)
