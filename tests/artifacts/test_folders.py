"""What a look into a folder has found is remembered while the folder stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.folders import Looks

_LONG_AGO = 1_000_000_000


class _Names:
    def __init__(self, *, tells: bool = True) -> None:
        self.looks, self._tells = 0, tells

    def __call__(self, folder: str) -> tuple[list[str], bool]:
        self.looks += 1
        return sorted(os.listdir(folder)), self._tells


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one").touch()
    os.utime(tmp_path, (_LONG_AGO, _LONG_AGO))
    return tmp_path


def test_a_folder_that_stays_is_looked_at_once(folder: Path) -> None:
    names = _Names()
    looks = Looks(names)
    assert looks(str(folder)) == looks(str(folder)) == ["one"]
    assert names.looks == 1


def test_one_that_changes_is_looked_at_again(folder: Path) -> None:
    looks = Looks(_Names())
    assert looks(str(folder)) == ["one"]
    (folder / "two").touch()
    assert looks(str(folder)) == ["one", "two"]


def test_one_that_has_just_changed_may_not_be_complete_and_is_not_remembered(folder: Path) -> None:
    names = _Names()
    looks = Looks(names)
    (folder / "two").touch()
    assert looks(str(folder)) == looks(str(folder)) == ["one", "two"]
    assert names.looks == 2


def test_what_the_time_of_the_folder_does_not_tell_is_not_remembered(folder: Path) -> None:
    names = _Names(tells=False)
    looks = Looks(names)
    assert looks(str(folder)) == looks(str(folder)) == ["one"]
    assert names.looks == 2


def test_a_relative_path_is_that_of_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = folder / "other"
    other.mkdir()
    for place in (folder, other):
        os.utime(place, (_LONG_AGO, _LONG_AGO))
    looks = Looks(_Names())
    monkeypatch.chdir(folder)
    assert looks(".") == ["one", "other"]
    monkeypatch.chdir(other)
    assert looks(".") == []
