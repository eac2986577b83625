"""What of a step makes up its key, and how two keys differ."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sematic_airflow_provider.steps.cache_key import CacheKey, cache_key, files_of
from sematic_airflow_provider.steps.code import StepCode
from sematic_airflow_provider.steps.policy import CachePolicy

CODE = StepCode({":step": "a", "helpers:clean": "b"}, {":N": "c", "closure:n": "d"}, {"numpy": "2.0"})
DEFAULT = CachePolicy()
INPUTS = {"x": "1", "y": "2"}


def _key(code: StepCode = CODE, policy: CachePolicy = DEFAULT, **changed: object) -> CacheKey:
    given: dict[str, object] = {
        "inputs": INPUTS,
        "output": "int",
        "context": {"ds": "2024-01-01"},
        "files": {"a.csv": "f"},
    }
    return cache_key(code, policy=policy, **(given | changed))  # type: ignore[arg-type]


def test_parts_are_flat_and_readable() -> None:
    assert set(_key().parts) == {
        "code :step", "code helpers:clean", "value :N", "value closure:n", "input x", "input y", "package numpy", "file a.csv", "context ds",
        "python", "output", "namespace", "version",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("code :step", _key(dataclasses.replace(CODE, definitions={**CODE.definitions, ":step": "z"}))),
        ("value :N", _key(dataclasses.replace(CODE, values={**CODE.values, ":N": "z"}))),
        ("package numpy", _key(dataclasses.replace(CODE, packages={"numpy": "2.1"}))),
        ("input x", _key(inputs={**INPUTS, "x": "9"})),
        ("input z", _key(inputs={**INPUTS, "z": "9"})),
        ("output", _key(output="float")),
        ("context ds", _key(context={"ds": "2024-01-02"})),
        ("file a.csv", _key(files={"a.csv": "g"})),
        ("namespace", _key(policy=CachePolicy(namespace="mine"))),
        ("version", _key(policy=CachePolicy(version=2))),
    ],
)
def test_each_part_changes_the_key_and_is_the_difference(part: str, key: CacheKey) -> None:
    before = _key()
    assert key.digest != before.digest
    names = {*before.parts, *key.parts}
    assert {name for name in names if before.parts.get(name) != key.parts.get(name)} == {part}


def test_another_python_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import SimpleNamespace

    before = _key()
    monkeypatch.setattr(sys, "version_info", SimpleNamespace(major=3, minor=99))
    assert _key().digest != before.digest


def test_order_does_not_count() -> None:
    code = StepCode(dict(reversed(CODE.definitions.items())), dict(reversed(CODE.values.items())), CODE.packages)
    assert _key(code, inputs=dict(reversed(INPUTS.items()))) == _key()
    assert code.digest == CODE.digest


def test_ignored_arguments_and_packages_do_not_count() -> None:
    policy = CachePolicy(ignore=["y", "ds"], packages=False)
    newer = dataclasses.replace(CODE, packages={"numpy": "3.0"})
    one = _key(policy=policy)
    assert _key(newer, policy, inputs={**INPUTS, "y": "9"}, context={"ds": "other"}) == one
    assert _key(newer, policy, inputs={**INPUTS, "x": "9"}).digest != one.digest


def test_a_module_and_a_value_of_the_same_name_are_two_things() -> None:
    assert StepCode({":a": "1"}, {}).digest != StepCode({}, {":a": "1"}).digest
    assert StepCode({":a": "1"}).digest != StepCode({":a": "1"}, packages={"a": "1"}).digest


def test_files_and_folders_count_by_content_and_names_below_them(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("1")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "a.txt").write_text("a")

    def found() -> dict[str, str]:
        return files_of(["one.csv", "folder", Path("absent")], tmp_path)

    first = found()
    assert set(first) == {"one.csv", "folder", "absent"}
    assert first["absent"] == "missing"
    (tmp_path / "folder" / "deep" / "a.txt").rename(tmp_path / "folder" / "deep" / "b.txt")
    second = found()
    assert second["folder"] != first["folder"]
    assert second["one.csv"] == first["one.csv"]
    (tmp_path / "one.csv").write_text("2")
    assert found()["one.csv"] != first["one.csv"]
