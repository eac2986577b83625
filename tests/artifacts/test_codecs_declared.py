"""Classes by name: found wherever their module is loaded, refused where the name would not lead to them, never a way to run code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider.artifacts.codecs import declared, type_names
from sematic_airflow_provider.artifacts.codecs.json import from_json, to_json
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import NoCodecError
from tests.artifacts import declared_samples as samples

_DAG_FILE = """
from dataclasses import dataclass
from enum import Enum

class Airline(Enum):
    UA = "United"

@dataclass
class Params:
    rate: float
    airline: Airline
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


@pytest.fixture
def load_as() -> Iterator[Any]:
    """Define a module from text, as Airflow, a pod and an import do, each under its own name."""
    names = []

    def load(name: str, text: str = _DAG_FILE) -> Any:
        module = ModuleType(name)
        sys.modules[name] = module
        names.append(name)
        exec(text, module.__dict__)
        return module

    yield load
    for name in names:
        sys.modules.pop(name, None)


_NAMES = (f"unusual_prefix_{'a1' * 20}_flights_q3", f"sematic_step_{'0f' * 6}_flights_q3", "flights_q3")


@pytest.mark.parametrize("saved_as", _NAMES)
@pytest.mark.parametrize("loaded_as", _NAMES)
def test_a_class_of_a_dag_file_is_found_under_the_name_that_it_has_elsewhere(
    repository: Repository, load_as: Any, saved_as: str, loaded_as: str
) -> None:
    module = load_as(saved_as)
    ref = repository.save(module.Params(0.1, module.Airline.UA))
    del sys.modules[saved_as]
    module = load_as(loaded_as)
    assert repository.load(ref) == module.Params(0.1, module.Airline.UA)
    assert repository.save(module.Params(0.1, module.Airline.UA)).digest == ref.digest


def test_a_module_that_is_loaded_again_gives_its_new_class(repository: Repository, load_as: Any) -> None:
    module = load_as(_NAMES[0])
    ref = repository.save(module.Params(0.1, module.Airline.UA))
    assert type(repository.load(ref)) is module.Params
    module = load_as(_NAMES[0])
    assert type(repository.load(ref)) is module.Params


def test_the_class_of_the_dag_file_that_runs_goes_before_an_installed_module_of_its_name(load_as: Any) -> None:
    load_as("flights_q3")
    module = load_as(_NAMES[0])
    assert type_names.find("flights_q3:Params") is module.Params


def test_two_dag_files_of_one_name_are_told_apart_by_an_error(load_as: Any) -> None:
    load_as(f"unusual_prefix_{'a1' * 20}_flights_q3")
    load_as(f"unusual_prefix_{'b2' * 20}_flights_q3")
    with pytest.raises(NoCodecError, match="different names"):
        type_names.find("flights_q3:Params")


def test_a_class_that_is_not_here_is_named_with_what_to_import(load_as: Any) -> None:
    form = to_json(load_as("flights_q3").Airline.UA)
    del sys.modules["flights_q3"]
    with pytest.raises(NoCodecError, match=r"Airline of module flights_q3 .* import its module"):
        from_json(form)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@dataclass\nclass Params:\n    rate: float", "gone are airline"),
        ("@dataclass\nclass Params:\n    rate: float\n    airline: Airline\n    more: int = 5", "new are more"),
        ("class Params:\n    pass", "neither a dataclass"),
    ],
)
def test_a_class_that_has_changed_since_is_told_with_the_fields(load_as: Any, text: str, words: str) -> None:
    module = load_as("flights_q3")
    form = to_json(module.Params(0.1, module.Airline.UA))
    load_as("flights_q3", _DAG_FILE.split("@dataclass", maxsplit=1)[0] + text)
    with pytest.raises((NoCodecError, ValueError), match=words):
        from_json(form)


def test_an_enum_that_lost_a_member_is_told_with_its_name(load_as: Any) -> None:
    form = to_json(load_as("flights_q3").Airline.UA)
    load_as("flights_q3", "from enum import Enum\nclass Airline(Enum):\n    DL = 1")
    with pytest.raises(NoCodecError, match="no member UA"):
        from_json(form)


def test_an_enum_keeps_its_digest_when_its_values_are_numbered_anew(load_as: Any) -> None:
    text = "from enum import Flag, auto\nclass F(Flag):\n    {}"
    form = to_json(load_as("flights_q3", text.format("A = auto(); B = auto()")).F.B)
    module = load_as("flights_q3", text.format("NEW = auto(); A = auto(); B = auto()"))
    assert from_json(form) is module.F.B
    assert to_json(module.F.B) == form


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (samples.local_class(), "inside a function"),
        (samples.WRONG_NAME(5), "assign the class to its own name"),
        (samples.GenericModel[int](content=1), "make a subclass"),
        (samples.Untidy(1), "not_a_field beside its fields"),
        (samples.FromDict(1), "built-in type"),
    ],
)
def test_what_would_not_come_back_is_refused_with_what_to_do(repository: Repository, value: Any, words: str) -> None:
    with pytest.raises(NoCodecError, match=words):
        to_json(value)
    with pytest.raises(NoCodecError, match=words):
        repository.save([value])


def test_a_class_of_the_script_that_runs_is_refused() -> None:
    code = """
from dataclasses import dataclass
from sematic_airflow_provider.artifacts.codecs.json import to_json
@dataclass
class Params:
    a: int
to_json(Params(1))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert "__main__), which other processes do not have: move it to a module" in done.stderr


def test_a_ref_is_no_record_of_fields() -> None:
    """It stands for its artifact, and is stored as a member of a manifest."""
    with pytest.raises(NoCodecError, match="ArtifactRef"):
        to_json(ArtifactRef("0" * 64, "json/1", "x", 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        samples.Holder(np.arange(3)),
        samples.Point(1, [np.zeros(2)]),
        samples.Slotted(np.float64(1.5), "b"),  # type: ignore[arg-type]
        samples.Open(a=1, table=np.arange(2)),
    ],
)
def test_fields_that_json_has_no_form_for_come_back_too(repository: Repository, value: Any) -> None:
    back = repository.load(repository.save(value))
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_taking_apart_and_putting_together_gives_an_equal_value() -> None:
    for value in (samples.Child(1, [2]), samples.Point(1), samples.with_secret(1, 5), samples.Open(a=1, b=2)):
        fields = declared.fields_of(value)
        assert fields is not None
        assert declared.rebuild(declared.type_name(value), fields) == value
    assert declared.fields_of(samples.Colour.RED) is None
    assert declared.fields_of([1]) is None


@pytest.mark.parametrize(
    "name",
    [
        "antigravity:webbrowser", "this:s", "idlelib.idle:pyshell", "no_such_module_at_all:X", "pytest.__main__:X", "os.path:join", "sys:exit",
        "builtins:object",
        "planted:nothing", "planted.inner:Missing", "planted.__main__:Here",
    ],
)  # fmt: skip
def test_a_name_in_stored_bytes_does_not_make_anything_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Modules are found and read, but not imported, where they do not define the class."""
    package = tmp_path / "planted"
    package.mkdir()
    witness = tmp_path / "ran"
    run = f"open({str(witness)!r}, 'w')\n"
    for file, text in {"__init__": run, "inner": run, "__main__": run + "class Here: pass\n"}.items():
        (package / f"{file}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    with pytest.raises((NoCodecError, ValueError)):
        declared.rebuild(name, {})
    assert not witness.exists()
    assert not {"antigravity", "this", "idlelib", "planted"} & (set(sys.modules) - before)


def test_a_module_that_is_not_loaded_yet_is_imported_when_it_defines_the_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fresh_params.py").write_text(
        "from typing import NamedTuple\nif True:\n    class P(NamedTuple):\n        a: int\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert declared.rebuild("fresh_params:P", {"a": 1}) == (1,)
    finally:
        sys.modules.pop("fresh_params", None)


def test_a_class_that_a_module_only_imports_is_not_found_there() -> None:
    with pytest.raises(NoCodecError, match="not known here"):
        type_names.find("tests.artifacts.test_codecs_declared:ArtifactRef")
