"""What was true when a step ran."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sematic_airflow_provider.lineage import provenance, resources


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def _repository(folder: Path) -> Path:
    folder.mkdir()
    _git(folder, "init", "-b", "trunk")
    (folder / "flow.py").write_text("x = 1\n")
    _git(folder, "add", ".")
    _git(folder, "commit", "-m", "one")
    return folder / "flow.py"


def test_a_clean_checkout_gives_commit_and_branch(tmp_path: Path) -> None:
    file = _repository(tmp_path / "clean")
    git = provenance.collect(str(file))["git"]
    assert len(git["commit"]) == 40
    assert (git["branch"], git["dirty"], git["remote"]) == ("trunk", False, None)


def test_an_uncommitted_change_makes_it_dirty(tmp_path: Path) -> None:
    file = _repository(tmp_path / "dirty")
    file.write_text("x = 2\n")
    assert provenance.collect(str(file))["git"]["dirty"] is True


def test_a_token_in_the_remote_is_left_out(tmp_path: Path) -> None:
    file = _repository(tmp_path / "remote")
    _git(file.parent, "remote", "add", "origin", "https://user:secret@git.example.com/a/b.git")
    assert provenance.collect(str(file))["git"]["remote"] == "https://git.example.com/a/b.git"


def test_outside_a_repository_there_is_no_git(tmp_path: Path) -> None:
    assert provenance.collect(str(tmp_path / "flow.py"))["git"] is None


def test_packages_are_normalised_and_have_versions() -> None:
    found = provenance.packages()
    assert found["apache-airflow"].startswith("3.")
    assert all(name == name.lower() and "_" not in name for name in found)


def test_the_peak_is_of_what_was_measured_not_of_what_came_before() -> None:
    before = bytearray(300_000_000)
    before[::4096] = b"x" * len(before[::4096])
    del before
    meter = resources.ResourceMeter()
    small = bytearray(1_000_000)
    baseline = meter.read()["peakMemoryBytes"]
    big = bytearray(200_000_000)
    big[::4096] = b"x" * len(big[::4096])
    assert meter.read()["peakMemoryBytes"] >= baseline + 150_000_000
    assert len(small) + len(big) == 201_000_000


def test_cpu_time_and_duration_grow_with_work() -> None:
    meter = resources.ResourceMeter()
    total = sum(i * i for i in range(400_000))
    read = meter.read()
    assert total > 0
    assert 0 < read["cpuSeconds"] <= read["durationSeconds"] * 4 + 1
