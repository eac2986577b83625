"""A step in a process of its own, without Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.pod.spec import TASK_VARIABLE, PodResult, PodTask

CODE = """
import sys
import numpy as np
from sematic_airflow_provider import Bounds, check_bounds, log_metric

def scale(values, factor=2, *rest, **more):
    log_metric("total", values.sum())
    return values * factor + sum(rest) + sum(more.values())

async def later(values):
    return values + 1

def parts(values):
    return {"first": values[:1], "last": values[-1:]}

def nothing():
    pass

def fails():
    raise KeyError("no such column")

def gate():
    check_bounds({"auc": 0.5}, {"auc": Bounds(min=0.6)})

def gives_a_module():
    return sys

def typed(rate: float) -> int:
    return rate
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path))


def _run(
    repository: Repository, function: str, *, code: str = CODE, multiple: bool = False, **arguments: Any
) -> tuple[int, str, PodResult | None]:
    task = PodTask(
        code=repository.save(code),
        function=function,
        arguments={name: repository.save(value) for name, value in arguments.items()},
        store=repository.store.url,
        result="results/one.json",
        multiple_outputs=multiple,
        output_names="flow.step",
    )
    blocked = "import sys; sys.modules['airflow'] = None; from sematic_airflow_provider.pod.__main__ import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        env={**os.environ, TASK_VARIABLE: task.to_json()},
        capture_output=True,
        text=True,
        check=False,
    )
    document = repository.store.read_document(task.result)
    return done.returncode, done.stdout + done.stderr, PodResult.from_json(document) if document else None


def test_inputs_come_from_the_store_and_outputs_go_there(repository: Repository) -> None:
    status, output, result = _run(repository, "scale", values=np.arange(3), factor=5, rest=(1, 1), more={"a": 10})
    assert (status, result is not None) == (0, True), output
    assert result is not None
    ref = result.outputs["return_value"]
    assert ref.name == "flow.step.return_value"
    np.testing.assert_array_equal(repository.load(ref), np.arange(3) * 5 + 12)
    assert result.metrics == {"total": 3}
    assert result.resources["peakMemoryBytes"] > 1e6
    assert result.provenance["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_coroutine_is_awaited(repository: Repository) -> None:
    _, _, result = _run(repository, "later", values=1)
    assert result is not None
    assert repository.load(result.outputs["return_value"]) == 2


def test_a_dict_of_several_outputs_becomes_several_artifacts(repository: Repository) -> None:
    _, _, result = _run(repository, "parts", multiple=True, values=np.arange(3))
    assert result is not None
    assert {key: ref.name for key, ref in result.outputs.items()} == {
        "first": "flow.step.first",
        "last": "flow.step.last",
    }


def test_returning_nothing_is_no_output(repository: Repository) -> None:
    status, _, result = _run(repository, "nothing")
    assert (status, result and dict(result.outputs)) == (0, {})


def test_an_error_is_told_with_the_line_it_stands_in(repository: Repository) -> None:
    status, output, result = _run(repository, "fails")
    assert status == 1
    assert 'raise KeyError("no such column")' in output
    assert result is not None
    assert "no such column" in result.error
    assert not result.permanent


def test_a_closed_gate_is_permanent(repository: Repository) -> None:
    _, _, result = _run(repository, "gate")
    assert result is not None
    assert result.permanent
    assert "the gate is closed" in result.error
    assert [(check["name"], check["status"], check["actual"]) for check in result.checks] == [("auc", "fail", "0.5")]


def test_a_result_that_cannot_be_stored_is_permanent(repository: Repository) -> None:
    _, _, result = _run(repository, "gives_a_module")
    assert result is not None
    assert result.permanent
    assert "no codec can store" in result.error


def test_arguments_and_results_are_checked_against_annotations(repository: Repository) -> None:
    _, _, result = _run(repository, "typed", rate=2)
    assert result is not None
    assert repository.load(result.outputs["return_value"]) == 2
    _, _, result = _run(repository, "typed", rate="a")
    assert result is not None
    assert "step typed: argument rate should be float, it is str 'a'" in result.error
    assert result.permanent
    _, _, result = _run(repository, "typed", rate=1.5)
    assert result is not None
    assert "return value should be int, it is float 1.5" in result.error


def test_a_missing_module_is_named_before_the_function_starts(repository: Repository) -> None:
    _, _, result = _run(repository, "step", code="import surely_not_here\ndef step(): ...")
    assert result is not None
    assert "needs a module that is not installed here" in result.error
    assert "surely_not_here" in result.error


def test_a_store_that_is_not_there_is_told(repository: Repository, tmp_path: Path) -> None:
    task = PodTask(repository.save(CODE), "nothing", {}, str(tmp_path / "gone"), "results/x.json")
    done = subprocess.run(
        [sys.executable, "-m", "sematic_airflow_provider.pod", "--stdin"],
        input=task.to_json(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is not there" in done.stderr


@pytest.mark.parametrize("text", ["", "{", "5", "[]", "{}", '{"format": 2}', '{"format": 1, "code": {}}'])
def test_what_is_no_pod_task_is_refused(text: str) -> None:
    with pytest.raises(StepError, match="pod task"):
        PodTask.from_json(text)


def test_a_pod_task_survives_its_text(repository: Repository) -> None:
    task = PodTask(
        repository.save("x = 1"),
        "f",
        {"a": repository.save(1)},
        "/store",
        "results/x.json",
        multiple_outputs=True,
        output_names="d.t",
    )
    assert PodTask.from_json(task.to_json()) == task
    assert json.loads(task.to_json())["format"] == 1
