"""Recorded code runs without the modules that it was taken from, and never with others of the same name."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.pod.run import load_function, run
from sematic_airflow_provider.pod.spec import PodResult, PodTask
from sematic_airflow_provider.steps.recording import recorded_code
from tests.steps.projects import Project, function_of

FLOW = """
    from __future__ import annotations

    from airflow.sdk import dag
    from sematic_airflow_provider import sematic_task

    import pkg.near
    from helpers import Config, clean as tidy

    import absent_in_pods

    @sematic_task
    def step(x: int) -> int:
        import late
        return late.twice(tidy(x)) + pkg.near.near(x) + Config(5).n

    @dag(schedule=None)
    def flow():
        absent_in_pods.wire(step(1))
"""
MODULES = {
    "helpers.py": """
        from dataclasses import dataclass
        from contextlib import nullcontext
        import absent_in_pods

        with nullcontext(7) as seven:
            SEVEN = seven

        if SEVEN > 5:
            FACTOR = 10
        else:
            FACTOR = 1
        FACTOR += 1

        @dataclass
        class Config:
            n: int = 1

        def clean(x):
            return x * FACTOR

        def unrelated():
            return absent_in_pods.f()
        """,
    "late.py": "from helpers import SEVEN\ndef twice(x):\n    return 2 * x + SEVEN\n",
    "pkg/__init__.py": "import absent_in_pods\nfrom .near import *\n",
    "pkg/near.py": "from . import far\ndef near(x):\n    return far.far(x)\n",
    "pkg/far.py": "def far(x):\n    return -x\n",
    "absent_in_pods.py": "def f():\n    return 1\n",
}
EXPECTED = 2 * (3 * 11) + 7 - 3 + 5


def _recorded(folder: Path, flow: str = FLOW, modules: dict[str, str] = MODULES) -> Any:
    with Project(folder, {"flow.py": flow, **modules}).loaded() as module:
        return json.loads(json.dumps(recorded_code(function_of(module.step))))


def test_the_modules_that_are_reached_are_recorded_and_no_others(tmp_path: Path) -> None:
    code = _recorded(tmp_path)
    assert set(code["modules"]) == {"helpers", "late", "pkg", "pkg.far", "pkg.near"}
    assert code["packages"] == ["pkg"]
    assert "absent_in_pods" not in json.dumps(code)
    assert "unrelated" not in json.dumps(code)
    assert load_function(code, "step", "d" * 64)(3) == EXPECTED


def test_recorded_code_runs_in_a_process_that_has_none_of_the_modules(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store", create=True)
    repository = Repository(store)
    code = repository.save(_recorded(tmp_path / "dags"))
    task = PodTask(code, "step", {"x": repository.save(3)}, store.url, "results/1.json", module="flow")
    subprocess.run(
        [sys.executable, "-m", "sematic_airflow_provider.pod", "--stdin"],
        input=task.to_json(), cwd=Path(__file__).parents[2], check=True, text=True, capture_output=True,
    )  # fmt: skip
    result = PodResult.from_json(store.read_document("results/1.json") or b"")
    assert result.error == ""
    assert repository.load(result.outputs["return_value"]) == EXPECTED


def test_installed_modules_of_the_same_names_are_not_mixed_in_and_are_back_afterwards(tmp_path: Path) -> None:
    code = _recorded(tmp_path / "then")
    now = Project(tmp_path / "now", {**MODULES, "flow.py": "import helpers, pkg.near\n"})
    now.edit("helpers.py", "x * FACTOR", "x * 1000")
    now.edit("pkg/far.py", "-x", "-1000 * x")
    with now.loaded():
        import helpers  # type: ignore[import-not-found]

        assert load_function(code, "step", "a" * 64)(3) == EXPECTED
        assert sys.modules["helpers"] is helpers
        assert helpers.clean(1) == 1000
        import late  # type: ignore[import-not-found]

        assert late.__file__ == str(tmp_path / "now" / "late.py")


def test_arguments_and_results_of_recorded_classes_are_theirs(tmp_path: Path) -> None:
    flow = """
        from models import Config

        def step(x: Config) -> Config:
            assert isinstance(x, Config), type(x)
            return Config(x.n + 1)
    """
    models = {"models.py": "from dataclasses import dataclass\n@dataclass\nclass Config:\n    n: int\n"}
    store = LocalStore(tmp_path / "store", create=True)
    repository = Repository(store)
    project = Project(tmp_path / "dags", {"flow.py": flow, **models})
    with project.loaded() as module:
        code, given = repository.save(recorded_code(module.step)), repository.save(module.Config(4))
    result = run(PodTask(code, "step", {"x": given}, store.url, "results/1.json"))
    assert result.error == ""
    with project.loaded() as module:
        assert repository.load(result.outputs["return_value"]) == module.Config(5)


def test_one_module_is_recorded_as_a_text_alone(tmp_path: Path) -> None:
    code = _recorded(tmp_path, "import json\nN = 2\ndef step(x):\n    return json.loads(str(x * N))\n", {})
    assert isinstance(code, str)
    assert load_function(code, "step", "b" * 64)(3) == 6


def test_streams_and_coroutines_find_their_modules(tmp_path: Path) -> None:
    stream = _recorded(
        tmp_path,
        "import helpers\ndef step(n):\n    import late\n    yield from (late.twice(helpers.clean(i)) for i in range(n))\n",
    )
    assert list(load_function(stream, "step", "1" * 64)(2)) == [7, 29]
    later = _recorded(
        tmp_path, "import helpers\nasync def step(n):\n    import late\n    return late.twice(helpers.clean(n))\n"
    )
    assert asyncio.run(load_function(later, "step", "2" * 64)(1)) == 29


def test_modules_of_one_record_may_import_each_other_in_circles(tmp_path: Path) -> None:
    code = _recorded(
        tmp_path,
        "import one\ndef step(x):\n    return one.f(x)\n",
        {
            "one.py": "import two\ndef f(x):\n    return x if x > 9 else two.g(x)\n",
            "two.py": "import one\ndef g(x):\n    return one.f(x + 1)\n",
        },
    )
    assert load_function(code, "step", "3" * 64)(3) == 10


def test_a_record_of_a_newer_version_says_so() -> None:
    with pytest.raises(StepError, match="format 3"):
        load_function({"format": 3}, "step", "4" * 64)
