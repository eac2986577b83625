"""Fakes: what they are given, and what they are held to."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from airflow.sdk import DAG, task

from sematic_airflow_provider import sematic_task
from sematic_airflow_provider.errors import DagRunFailedError
from sematic_airflow_provider.testing import run_dag


@sematic_task
def numbers(n: int) -> list[int]:
    return list(range(n))


@sematic_task
def scale(xs: list[int], by: int, ds: Any = None) -> list[int]:
    raise AssertionError("the real one must not run")


@sematic_task(multiple_outputs=True)
def halves(x: int) -> dict[str, int]:
    raise AssertionError("the real one must not run")


@sematic_task
def total(xs: list[int]) -> int:
    return sum(xs)


def flow() -> DAG:
    with DAG("flow") as made:
        total(scale(numbers(3), by=2))
    return made


class Scaler:
    def __call__(self, xs: list[int]) -> list[int]:
        return xs

    def scaled(self, xs: list[int], by: int) -> list[int]:
        return [by * x for x in xs]


def scaled_by(xs: list[int], by: int, offset: int) -> list[int]:
    return [by * x + offset for x in xs]


@pytest.mark.parametrize(
    ("fake", "expected"),
    [
        (lambda xs: xs, 3),
        (lambda: [7], 7),
        (lambda xs, by: [by * x for x in xs], 6),
        (lambda by, xs: [by * x for x in xs], 6),
        (lambda a, b: [b * x for x in a], 6),
        (lambda a: a, 3),
        (lambda *, by: [by], 2),
        (lambda **given: [len(given)], 3),
        (lambda xs, missing=9: [missing], 9),
        (lambda ds, xs: [len(ds)], 10),
        ([5, 6], 11),
        (Scaler(), 3),
        (Scaler().scaled, 6),
        (partial(scaled_by, offset=1), 9),
        (sum, None),
    ],
)
def test_a_fake_is_a_value_or_is_called_with_what_it_has_parameters_for(fake: Any, expected: int | None) -> None:
    result = run_dag(flow(), fakes={"scale": fake}, raise_on_failure=False)
    if expected is None:
        assert "return value should be list[int]" in str(result["scale"].error)
    else:
        assert result["total"].value == expected


def test_a_fake_is_held_to_the_annotations_of_the_step() -> None:
    with pytest.raises(DagRunFailedError, match=r"step scale: return value should be list\[int\]"):
        run_dag(flow(), fakes={"scale": "text"})


def test_a_fake_whose_parameters_are_none_of_the_task_is_told_what_there_is() -> None:
    with pytest.raises(
        DagRunFailedError, match="the fake of scale takes xs, by, and_more, yes, but the task has xs, by"
    ):
        run_dag(flow(), fakes={"scale": lambda xs, by, and_more, yes: xs})


def test_an_error_of_a_fake_is_an_error_of_the_step() -> None:
    def failing(xs: list[int]) -> list[int]:
        raise OSError("no network")

    result = run_dag(flow(), fakes={"scale": failing}, raise_on_failure=False)
    assert isinstance(result["scale"].error, OSError)
    assert result["total"].state == "upstream_failed"


def test_each_instance_of_a_mapped_task_gets_its_own_element() -> None:
    @sematic_task
    def square(x: int, plus: int = 0) -> int:
        raise AssertionError("the real one must not run")

    with DAG("flow") as made:
        total(square.partial(plus=10).expand(x=numbers(3)))
    result = run_dag(made, fakes={"square": lambda x, plus: x * x + plus})
    assert result["square"].values == [10, 11, 14]
    assert run_dag(made, upto="total", fakes={"square": 1})["total"].value == 3


def test_the_list_that_others_are_mapped_over_may_be_fake() -> None:
    with DAG("flow") as made:
        total.expand(xs=numbers.expand(n=numbers.override(task_id="sizes")(0)))
    assert run_dag(made, fakes={"sizes": [2, 4]})["total"].values == [1, 6]


def test_outputs_by_key_may_be_fake() -> None:
    with DAG("flow") as made:
        numbers(halves(5)["low"])
    assert run_dag(made, fakes={"halves": {"low": 2, "high": 3}})["numbers"].value == [0, 1]


def test_plain_tasks_branches_and_operators_may_be_fake() -> None:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.sensors.filesystem import FileSensor

    @task
    def plain(x: int) -> int:
        raise AssertionError("the real one must not run")

    @task.branch
    def choose() -> str:
        raise AssertionError("the real one must not run")

    with DAG("flow") as made:
        copied = BashOperator(task_id="copy", bash_command="cp {{ ds }} there")
        files = FileSensor.partial(task_id="wait").expand(filepath=["a", "b"])
        left, right = numbers.override(task_id="left")(1), numbers.override(task_id="right")(1)
        choose() >> [left, right]  # type: ignore[operator]
        plain(copied.output) >> files
    result = run_dag(
        made,
        fakes={
            "copy": lambda bash_command, ds: [bash_command, ds],
            "plain": lambda x: len(x),
            "wait": lambda filepath, context: f"{filepath} {context['ti'].map_index}",
            "choose": "right",
        },
    )
    assert result["copy"].value == ["cp 2025-01-01 there", "2025-01-01"]
    assert result["plain"].value == 2
    assert result["wait"].values == ["a 0", "b 1"]
    assert (result["left"].state, result["right"].state) == ("skipped", "success")


def test_the_dag_itself_is_not_changed_by_fakes() -> None:
    made = flow()
    run_dag(made, fakes={"scale": [1]})
    with pytest.raises(DagRunFailedError, match="the real one must not run"):
        run_dag(made)


def test_what_a_fake_returns_never_gets_into_the_cache() -> None:
    @sematic_task(cache=True)
    def slow() -> int:
        return 1

    with DAG("flow") as made:
        slow()
    first = run_dag(made, fakes={"slow": 99})
    assert (first["slow"].value, first["slow"].cache) == (99, "off")
    second = run_dag(made, store=first.store)
    assert (second["slow"].value, second["slow"].cache) == (1, "miss")
