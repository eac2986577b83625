"""What can be decorated, and how: found when the Dag file is read."""

from __future__ import annotations

import functools
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, setup, task, teardown

from sematic_airflow_provider import sematic_task
from sematic_airflow_provider.worker.functions import check_options
from sematic_airflow_provider.worker.operator import SematicOperator
from tests.airflow_home import ROOT
from tests.worker.dag_runs import run


class Callable2:
    def __call__(self, x: int) -> int:
        return x


class Holder:
    def method(self, x: int) -> int:
        return x

    @classmethod
    def of_class(cls, x: int) -> int:
        return x

    @staticmethod
    def alone(x: int) -> int:
        return x


@dataclass
class Split:
    train: int


async def endless() -> AsyncIterator[int]:
    yield 1


def plain(x: int) -> int:
    return x


def whole() -> Split:
    return Split(1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda x: x, "a lambda has no name"),
        (Holder, "a class is no step"),
        (Holder().method, "does not support methods"),
        (Holder.method, "does not support methods"),
        (Holder.of_class, "does not support methods"),
        (vars(Holder)["of_class"], "does not support methods"),
        (functools.partial(plain, 1), "a functools.partial has no name"),
        (len, "no Python source"),
        (math.sqrt, "no Python source"),
        (Callable2(), "no Python source"),
        (endless, "an asynchronous generator cannot be a step"),
        (task(plain), "this is a task already"),
        (sematic_task(plain), "this is a task already"),
        (5, "use named ones"),
    ],
)
def test_what_is_no_function_is_refused_with_a_reason(given: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        sematic_task(given)
    with pytest.raises(TypeError, match=words):
        sematic_task(retries=1)(given)


def test_multiple_outputs_of_a_dataclass_is_refused_because_its_fields_can_be_taken_anyway() -> None:
    with pytest.raises(TypeError, match=r'each field of it by name, as in output\["train"\]'):
        sematic_task(multiple_outputs=True)(whole)


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("retrys", "retries"),
        ("cach", "cache"),
        ("pools", "pool"),
        ("multiple_output", "multiple_outputs"),
        ("sead", "seed"),
    ],
)
def test_a_misspelled_option_is_refused_and_the_right_one_named(option: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"no option '{option}': is {meant} meant"):
        sematic_task(**{option: 1})(plain)
    with pytest.raises(TypeError, match=f"is {meant} meant"):
        sematic_task(plain).override(**{option: 1})


def test_every_option_of_airflows_operators_is_taken() -> None:
    """Among them those that Airflow's own ``@task`` takes."""
    known = "task_id retries retry_delay retry_policy pool pool_slots queue priority_weight execution_timeout trigger_rule outlets inlets params "
    known += "depends_on_past on_failure_callback on_success_callback doc_md executor executor_config max_active_tis_per_dag map_index_template "
    known += "templates_dict op_kwargs dag task_group"
    check_options(known.split(), SematicOperator)


def test_a_static_method_is_a_step_in_either_order() -> None:
    class Steps:
        @sematic_task
        @staticmethod
        def inner(x: int) -> int:
            return x + 1

        @staticmethod
        @sematic_task
        def outer(x: int) -> int:
            return x + 2

    assert (Steps.inner(1), Steps.outer(1)) == (2, 3)
    with DAG("flow") as dag:
        Steps.outer(Steps.inner(1))
    assert dag.get_task("outer").upstream_task_ids == {"inner"}


def noisy(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        return found if not isinstance(found, str) else found + "!"

    return wrapper


@sematic_task
@noisy
def below(x: str) -> str:
    return x


@noisy
@sematic_task
def above(x: str) -> str:
    return x


@sematic_task
def appended(to: list[int] = []) -> list[int]:  # noqa: B006 - that is the point
    to.append(1)
    return to


@pytest.mark.usefixtures("migrated_home")
def test_decorators_stack_in_either_order() -> None:
    """One below runs with the step; one above runs where the Dag is wired, and around calls in tests."""
    with DAG("stacked") as dag:
        above(below("a"))
    ran = run(dag)
    assert (ran.output("below"), ran.output("above")) == ("a!", "a!")
    assert (below("a"), above("a")) == ("a!", "a!")


@pytest.mark.usefixtures("migrated_home")
def test_a_mutable_default_is_pythons_own_and_lives_as_long_as_the_process() -> None:
    """Each task of a real run has a process of its own, so it is fresh there; ``dag.test()`` runs all in one."""
    with DAG("mutable") as dag:
        appended()
        appended.override(task_id="again")()
    ran = run(dag)
    assert sorted(map(len, (ran.output("appended"), ran.output("again")))) == [1, 2]


def test_setup_and_teardown_go_above() -> None:
    @setup
    @sematic_task
    def start() -> int:
        return 1

    @teardown
    @sematic_task
    def end(x: int) -> None: ...

    with DAG("flow") as dag:
        end(start())
    assert (dag.get_task("start").is_setup, dag.get_task("end").is_teardown) == (True, True)
    with pytest.raises(TypeError, match="put @setup, @teardown and @result above"):
        sematic_task(setup(plain))


@pytest.mark.usefixtures("migrated_home")
def test_a_function_without_source_runs_and_its_record_says_so() -> None:
    namespace: dict[str, Any] = {}
    exec("def made(x: int) -> int:\n    return x + 1", namespace)
    with DAG("sourceless") as dag:
        sematic_task(namespace["made"])(1)
    ran = run(dag)
    assert ran.output("made") == 2
    assert ran.records["made"].facets["sematic_step"]["codeUnavailable"]


SCRIPT = """
from dataclasses import dataclass
from airflow.sdk import DAG
from sematic_airflow_provider import sematic_task

@dataclass
class Größe:
    höhe: int

@sematic_task(task_id="make", multiple_outputs=False)
def maße(höhe: int) -> dict[str, int]:
    return {"höhe": höhe, "高さ": 2}

@sematic_task(task_id="grow")
def größer(größe: dict[str, int]) -> str:
    return f"größer als {größe['höhe']} ☃"

@sematic_task
def own_class() -> Größe:
    return Größe(1)

with DAG("main_script", schedule=None) as dag:
    größer(maße(höhe=3))
    own_class()

if __name__ == "__main__":
    from tests.worker.dag_runs import run
    ran = run(dag)
    print("CAME", ascii(ran.output("grow")), ran.error("own_class"))
"""


def test_functions_of_a_script_are_steps_with_names_of_any_language_and_its_classes_are_named(
    migrated_home: str, tmp_path: Path
) -> None:
    """Values of a class in ``__main__`` could be read by no other process. Names of tasks stay ASCII: Airflow's ``dag.test()`` takes no others."""
    file = tmp_path / "main_script.py"
    file.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(file)],
        env={**_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"CAME {'größer als 3 ☃'!a}" in done.stdout, done.stderr[-3000:]
    assert "Größe is defined in the script that runs (__main__)" in done.stdout
    assert "move it to a module" in done.stdout


def _environment() -> dict[str, str]:
    return dict(os.environ)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from airflow.sdk import DAG\nwith DAG('x')\n    pass\n", ["SyntaxError", "line 2", "with DAG('x')"]),
        (
            "from airflow.sdk import DAG\nfrom sematic_airflow_provider import sematic_task\n@sematic_task(retrys=1)\ndef f(): ...\n",
            ["no option 'retrys': is retries meant?", "line 3"],
        ),
        (
            "from airflow.sdk import DAG\nfrom sematic_airflow_provider import sematic_task\n@sematic_task\ndef a() -> str: ...\n"
            "@sematic_task\ndef b(x: int): ...\nwith DAG('x'):\n    b(a())\n",
            ["WiringError: step b: argument x should be int, a() gives str", "wired at", "broken.py:8", "broken.py:5"],
        ),
    ],
)
def test_an_import_error_of_a_dag_file_reads_well(tmp_path: Path, text: str, words: list[str]) -> None:
    from airflow.dag_processing.dagbag import DagBag

    (tmp_path / "broken.py").write_text(text)
    ((_, told),) = DagBag(dag_folder=tmp_path, collect_dags=True).import_errors.items()
    for word in words:
        assert word in told
