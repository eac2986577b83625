"""What of a module a function reaches."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from sematic_airflow_provider.lineage.source import SourceUnavailableError, imports_something, locate, reachable_source


def _module(folder: Path, text: str, name: str = "sample_flow") -> ModuleType:
    file = folder / f"{name}.py"
    file.write_text(textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run(text: str, function: str, *arguments: object) -> object:
    namespace: dict[str, object] = {"__name__": "elsewhere"}
    exec(compile(text, "<elsewhere>", "exec"), namespace)
    return namespace[function](*arguments)  # type: ignore[operator]


def test_helpers_constants_and_imports_that_the_function_uses_come_along(tmp_path: Path) -> None:
    module = _module(
        tmp_path,
        """
        import json
        import math as m
        import os
        from collections import OrderedDict, Counter

        FACTOR = 3
        UNUSED = "not needed"

        def helper(x):
            return m.floor(x) * FACTOR

        def unrelated():
            return os.getcwd()

        def step(x: float) -> dict:
            return dict(Counter({"value": helper(x)}))
        """,
    )
    text = reachable_source(module.step)
    assert _run(text, "step", 2.5) == {"value": 6}
    for absent in ("json", "os", "OrderedDict", "UNUSED", "unrelated"):
        assert absent not in text


def test_airflow_decorators_are_dropped_and_others_stay(tmp_path: Path) -> None:
    module = _module(
        tmp_path,
        """
        from functools import lru_cache
        from airflow.sdk import dag, task
        from sematic_airflow_provider import sematic_task

        @sematic_task
        def double(x):
            return 2 * x

        @lru_cache
        def base():
            return 5

        @sematic_task(retries=2)
        def step(x):
            return double(x) + base()

        @dag(schedule=None)
        def flow():
            step(1)
        """,
    )
    text = reachable_source(module.step.function)
    assert "airflow" not in text
    assert "lru_cache" in text
    assert _run(text, "step", 4) == 13


def test_comments_and_formatting_do_not_change_the_text(tmp_path: Path) -> None:
    one = _module(tmp_path, "def step(x):\n    return x + 1\n", "one")
    other = _module(tmp_path, "# a comment\ndef step( x ):\n    # another\n    return (x\n            + 1)\n", "other")
    assert reachable_source(one.step) == reachable_source(other.step)


def test_a_recursive_function_and_mutual_recursion_end(tmp_path: Path) -> None:
    module = _module(
        tmp_path,
        """
        def even(n):
            return True if n == 0 else odd(n - 1)

        def odd(n):
            return False if n == 0 else even(n - 1)
        """,
    )
    assert _run(reachable_source(module.even), "even", 10) is True


def test_a_function_inside_a_dag_function_is_found_when_it_closes_over_nothing(tmp_path: Path) -> None:
    module = _module(
        tmp_path,
        """
        OFFSET = 7

        def build():
            def step(x):
                return x + OFFSET
            return step
        """,
    )
    assert _run(reachable_source(module.build()), "step", 1) == 8


def test_a_closure_says_which_variables_stand_in_the_way(tmp_path: Path) -> None:
    module = _module(
        tmp_path,
        """
        def build(offset):
            def step(x):
                return x + offset
            return step
        """,
    )
    with pytest.raises(SourceUnavailableError, match="offset"):
        reachable_source(module.build(1))


def test_a_lambda_says_to_use_def() -> None:
    with pytest.raises(SourceUnavailableError, match="use def"):
        reachable_source(lambda x: x)


def test_a_builtin_is_not_a_python_function() -> None:
    with pytest.raises(SourceUnavailableError, match="not a Python function"):
        reachable_source(len)


def test_definitions_in_a_with_block_and_in_try_are_module_level(tmp_path: Path) -> None:
    module = _module(
        tmp_path,
        """
        import contextlib

        try:
            import surely_not_installed as fast
        except ImportError:
            fast = None

        with contextlib.nullcontext():
            def step(x):
                return x if fast is None else fast.run(x)
        """,
    )
    assert _run(reachable_source(module.step), "step", 3) == 3


def test_location_names_file_line_and_text(tmp_path: Path) -> None:
    module = _module(tmp_path, "X = 1\n\ndef step():\n    return X\n")
    found = locate(module.step)
    assert (found.function, found.line, found.text) == ("sample_flow.step", 3, "def step():\n    return X\n")
    assert found.file == str(tmp_path / "sample_flow.py")


@pytest.mark.parametrize(
    ("text", "imports"),
    [
        ("from __future__ import annotations\n\ndef f():\n    return 1\n", False),
        ("import numpy as np\n\ndef f():\n    return np\n", True),
        ("def f():\n    from mine import helper\n    return helper()\n", True),
        ("def f():\n    return 'important from here'\n", False),
    ],
)
def test_a_text_that_imports_nothing_is_known_without_being_parsed(text: str, imports: bool) -> None:
    assert imports_something(text) is imports
