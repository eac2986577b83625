"""Which edits change the code of a step, and which do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sematic_airflow_provider.steps.code import StepCode
from tests.steps.edits import Edit, edits
from tests.steps.projects import Project

CHANGED, UNCHANGED = edits("changed"), edits("unchanged")


@pytest.mark.parametrize("edit", CHANGED, ids=[edit.name for edit in CHANGED])
def test_an_edit_changes_the_code(edit: Edit, tmp_path: Path) -> None:
    before, after = _before_and_after(edit, tmp_path)
    assert before.digest != after.digest, before


@pytest.mark.parametrize("edit", UNCHANGED, ids=[edit.name for edit in UNCHANGED])
def test_an_edit_does_not_change_the_code(edit: Edit, tmp_path: Path) -> None:
    before, after = _before_and_after(edit, tmp_path)
    assert before == after


def _before_and_after(edit: Edit, folder: Path) -> tuple[StepCode, StepCode]:
    project = Project(folder, edit.files)
    before = project.code()
    assert project.code() == before, "the same files give the same code"
    assert not before.unknown
    project.edit(edit.file, edit.old, edit.new)
    return before, project.code()
