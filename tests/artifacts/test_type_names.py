"""Names of classes, where a Dag file is loaded more than once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sematic_airflow_provider.artifacts.codecs import type_names
from sematic_airflow_provider.artifacts.repository import Repository, open_repository

NAME = f"unusual_prefix_{'0' * 40}_shop_dag"
SOURCE = "from dataclasses import dataclass\n@dataclass\nclass Order:\n    number: int\ndef step(): ...\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return open_repository(str(tmp_path / "store"), create=True)


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str = SOURCE) -> ModuleType:
    """As Airflow loads a Dag file: what was loaded under the name before is forgotten."""
    (folder / "shop_dag.py").write_text(source)
    spec = importlib.util.spec_from_file_location(NAME, folder / "shop_dag.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, NAME, made)
    spec.loader.exec_module(made)
    return made


def test_a_step_of_a_file_that_was_loaded_twice_gets_its_own_classes(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = load(tmp_path, monkeypatch), load(tmp_path, monkeypatch)
    assert first.Order is not second.Order
    with type_names.classes_of(first.step):
        ref = repository.save(first.Order(1))
        assert type(repository.load(ref)) is first.Order
        assert ref.type == "shop_dag.Order"
    assert type(repository.load(ref)) is second.Order
    assert repository.save(second.Order(1)).digest == ref.digest


def test_a_class_that_its_file_does_not_have_any_more_is_refused(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(tmp_path, monkeypatch)
    load(tmp_path, monkeypatch, "Order = 5")
    with pytest.raises(TypeError, match="does not lead to the class of this name"):
        repository.save(first.Order(1))


def test_what_only_looks_like_a_class_of_the_file_is_not_taken_for_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(tmp_path, monkeypatch)
    load(tmp_path, monkeypatch, "from decimal import Decimal as Order")
    with pytest.raises(TypeError, match="does not lead to the class of this name"):
        repository.save(first.Order(1))
