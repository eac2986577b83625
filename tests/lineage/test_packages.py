"""Installed distributions, from the names of their folders."""

from __future__ import annotations

import os
import re
from importlib.metadata import distributions
from pathlib import Path

from sematic_airflow_provider.lineage.packages import installed


def _install(folder: Path, name: str, metadata: str | None, file: str = "METADATA") -> None:
    (folder / name).mkdir(parents=True)
    if metadata is not None:
        (folder / name / file).write_text(metadata)


def test_it_is_what_the_metadata_of_this_environment_say() -> None:
    expected: dict[str, str] = {}
    for distribution in distributions():
        expected.setdefault(re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(), distribution.version)
    found = installed()
    assert found == expected
    assert found["apache-airflow"].startswith("3.")
    assert list(found) == sorted(found)


def test_names_are_normalised_and_odd_folders_are_read(tmp_path: Path) -> None:
    _install(tmp_path, "Some_Thing.x-1.0+cu121.dist-info", "Name: Some_Thing.x\nVersion: 1.0+cu121\n")
    _install(tmp_path, "dashed-name-2.dist-info", "Name: dashed-name\nVersion: 2\n")
    _install(tmp_path, "old-3.0-py3.11.egg-info", "Name: old\nVersion: 3.0\n", "PKG-INFO")
    (tmp_path / "single-4.0.egg-info").write_text("Name: single\nVersion: 4.0\n")
    assert installed([str(tmp_path)]) == {
        "dashed-name": "2",
        "old": "3.0",
        "single": "4.0",
        "some-thing-x": "1.0+cu121",
    }


def test_what_was_half_removed_is_not_installed(tmp_path: Path) -> None:
    _install(tmp_path, "gone-1.0.dist-info", None)
    assert installed([str(tmp_path)]) == {}


def test_the_first_on_the_path_counts(tmp_path: Path) -> None:
    _install(tmp_path / "a", "x-1.0.dist-info", "Name: x\nVersion: 1.0\n")
    _install(tmp_path / "b", "X-2.0.dist-info", "Name: X\nVersion: 2.0\n")
    assert installed([str(tmp_path / "a"), str(tmp_path / "missing"), str(tmp_path / "b")]) == {"x": "1.0"}


def test_a_change_is_seen_at_once(tmp_path: Path) -> None:
    _install(tmp_path, "x-1.0.dist-info", "Name: x\nVersion: 1.0\n")
    assert installed([str(tmp_path)]) == {"x": "1.0"}
    (tmp_path / "x-1.0.dist-info").rename(tmp_path / "x-1.1.dist-info")
    assert installed([str(tmp_path)]) == {"x": "1.1"}


def test_an_egg_on_the_path_is_read(tmp_path: Path) -> None:
    _install(tmp_path / "thing-5.0-py3.11.egg", "EGG-INFO", "Name: thing\nVersion: 5.0\n", "PKG-INFO")
    assert installed([str(tmp_path / "thing-5.0-py3.11.egg")]) == {"thing": "5.0"}


def test_what_is_upgraded_under_a_running_process_is_seen(tmp_path: Path) -> None:
    _install(tmp_path, "x-1.0.dist-info", "Name: x\nVersion: 1.0\n")
    os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
    assert installed([str(tmp_path)]) == installed([str(tmp_path)]) == {"x": "1.0"}
    (tmp_path / "x-1.0.dist-info").rename(tmp_path / "x-1.1.dist-info")
    assert installed([str(tmp_path)]) == {"x": "1.1"}


def test_metadata_of_a_source_tree_are_read_each_time(tmp_path: Path) -> None:
    _install(tmp_path, "x.egg-info", "Name: x\nVersion: 1.0\n", "PKG-INFO")
    os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
    assert installed([str(tmp_path)]) == {"x": "1.0"}
    (tmp_path / "x.egg-info" / "PKG-INFO").write_text("Name: x\nVersion: 1.1\n")
    assert installed([str(tmp_path)]) == {"x": "1.1"}
