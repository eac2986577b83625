"""What TaskFlow has, with steps: each feature in a run of a real Dag."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pytest
from airflow.sdk import DAG, Asset, Param, dag, get_current_context, setup, task, task_group, teardown
from pydantic import BaseModel

from sematic_airflow_provider import sematic_task
from tests.worker.dag_runs import run

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("migrated_home")]


class Parts(TypedDict):
    low: int
    high: int


class Pair(NamedTuple):
    left: np.ndarray[Any, Any]
    right: str


@dataclass
class Split:
    train: np.ndarray[Any, Any]
    size: int


class Report(BaseModel):
    auc: float
    notes: list[str]


@sematic_task
def parts(x: int) -> Parts:
    return {"low": x // 2, "high": x - x // 2}


@sematic_task
def pair() -> Pair:
    return Pair(np.arange(3), "a")


@sematic_task
def split(size: int = 3) -> Split:
    return Split(np.arange(size) + 7, size)


@sematic_task
def report() -> Report:
    return Report(auc=0.5, notes=["fine"])


@sematic_task
def show(*values: Any) -> str:
    return " ".join(str(value) for value in values)


@sematic_task
def size_of(whole: Split) -> int:
    return whole.size


@sematic_task
def plus(x: int, y: int = 1) -> int:
    return x + y


def test_fields_of_typed_dicts_named_tuples_dataclasses_and_models_are_taken_by_name_and_the_whole_too() -> None:
    @sematic_task
    def of_dict(d: dict[str, int]) -> int:
        return sum(d.values())

    @sematic_task(multiple_outputs=False)
    def one_dict() -> dict[str, int]:
        return {"a": 1, "b": 2}

    @task
    def plain(value: Any) -> int:
        return int(value.sum())

    @sematic_task
    def pushes(ti: Any = None) -> int:
        ti.xcom_push("more", [5])
        return 1

    with DAG("fields") as flow:
        low_high, left_right, train_size, made, ones = parts(5), pair(), split(), report(), one_dict()
        show(
            low_high["low"],
            low_high["high"],
            left_right["left"],
            left_right["right"],
            train_size["train"],
            made["auc"],
            made["notes"],
            ones["b"],
        )
        size_of(train_size)
        with pytest.raises(AttributeError, match=r"split returns no field 'trian'. Its fields: train, size"):
            show(train_size.trian)  # type: ignore[attr-defined]
        of_dict(low_high)
        plain(train_size.train)
        show.override(task_id="pushed")(pushes()["more"])
        sizes = split.override(task_id="sizes").expand(size=[1, 2])
        show.override(task_id="mapped")(sizes["size"])
    ran = run(flow)
    assert ran.output("show") == "2 3 [0 1 2] a [7 8 9] 0.5 ['fine'] 2"
    assert (ran.output("size_of"), ran.output("of_dict"), ran.output("plain")) == (3, 5, 24)
    assert (ran.output("pushed"), ran.output("mapped")) == ("[5]", "[1, 2]")
    assert {key for instance, key in ran.rows if instance == "split"} == {"return_value", "train"}, (
        "what nobody takes is not pushed"
    )
    assert ("", "split.train") in ran.read("plain")
    assert ("", "split.train") in ran.read("show")


@dag(schedule=None, params={"rate": Param(0.5, type="number"), "names": ["a", "b"]})
def wired() -> Any:
    """Composition: a function that wires is a function or a group."""
    both = two_of(3)
    with_context()
    show.override(task_id="templated")(
        "{{ params.rate }}",
        ["{{ dag.dag_id }}"],
        {"k": "{{ task.task_id }}"},
        "{{ ti.xcom_pull(task_ids='grouped.plus') }}",
    )
    show.override(task_id="values")(*(plus.override(task_id=f"p{number}")(both, number) for number in range(2)))
    return grouped(both)


def two_of(x: int) -> Any:
    return plus.override(task_id="two")(plus.override(task_id="one")(x))


@task_group
def grouped(x: int) -> Any:
    return plus(x, y=plus.override(task_id="inner")(1))


@sematic_task
def with_context(params: dict[str, Any] | None = None, ds: str = "", ti: Any = None, **context: Any) -> str:
    assert params is not None
    return f"{params['rate']} {params['names']} {ti.task_id} {context['dag'].dag_id} {get_current_context()['run_id'] == context['run_id']}"


def _without_default() -> Any:
    """Airflow takes no default but None for parameters that it fills."""
    with pytest.raises(ValueError, match="ds can't have a default other than None"), DAG("refused"):
        with_context()


def test_params_context_templates_groups_and_functions_that_wire() -> None:
    _without_default()
    with_context.function.__defaults__ = (None, None, None)
    flow = wired()
    ran = run(flow, conf={"rate": 0.7})
    assert ran.output("with_context") == "0.7 ['a', 'b'] with_context wired True"
    assert ran.output("grouped.plus") == 7
    assert ran.output("values") == "5 6"
    assert ran.output("templated").startswith("0.7 ['wired'] {'k': 'templated'} ")
    assert flow.get_task("grouped.plus").returns_dag_result


def test_branching_short_circuit_trigger_rules_setup_and_teardown() -> None:
    @task.branch
    def choose(x: int) -> str:
        return "right" if x > 1 else "left"

    @task.short_circuit
    def enough(x: int) -> bool:
        return x > 100

    @sematic_task(trigger_rule="none_failed_min_one_success")
    def either(left: Any, right: Any) -> str:
        return f"{left} {right}"

    @setup
    @sematic_task
    def start() -> str:
        return "cluster"

    @teardown
    @sematic_task
    def stop(cluster: str) -> str:
        return f"stopped {cluster}"

    @sematic_task
    def fails(cluster: str) -> None:
        raise ValueError("no")

    with DAG("ways") as flow:
        first = plus(1)
        left, right = show.override(task_id="left")("l"), show.override(task_id="right")("r")
        choose(first) >> [left, right]
        either(left, right)
        enough(first) >> show.override(task_id="never")("x")
        cluster = start()
        work = fails(cluster)
        cluster >> work >> stop(cluster)
    ran = run(flow)
    assert (ran.states["left"], ran.states["right"], ran.output("either")) == ("skipped", "success", "None r")
    assert ran.states["never"] == "skipped"
    assert (ran.states["fails"], ran.output("stop")) == ("failed", "stopped cluster")


def test_asynchronous_functions_retries_and_timeouts() -> None:
    @sematic_task
    async def waited(x: int) -> int:
        await asyncio.sleep(0.01)
        return x + 1

    @sematic_task(retries=2, retry_delay=0)
    def second_time(x: int, ti: Any = None) -> str:
        if ti.try_number == 1:
            raise ValueError("not yet")
        return f"{x} at {ti.try_number}"

    @sematic_task(execution_timeout=dt.timedelta(seconds=1), retries=0)
    def slow() -> None:
        time.sleep(30)

    @sematic_task(retries=5)
    def wrong() -> int:
        return "a"  # type: ignore[return-value]

    with DAG("again") as flow:
        second_time(waited(1))
        waited.override(task_id="each").expand(x=[1, 2])
        slow()
        wrong()
    ran = run(flow)
    assert ran.output("second_time") == "2 at 2"
    assert [ran.output("each[0]"), ran.output("each[1]")] == [2, 3]
    assert ran.states["slow"] == "failed"
    assert ran.states["wrong"] == "failed", "what cannot help is not tried again"
    assert "return value should be int, it is str 'a'" in ran.error("wrong")


def test_outlets_carry_what_was_returned_and_pools_and_policies_arrive() -> None:
    from airflow.sdk import ExceptionRetryPolicy

    table = Asset("taskflow_table")
    policy = ExceptionRetryPolicy(rules=[])

    @sematic_task(outlets=[table], pool="default_pool", pool_slots=1, priority_weight=3, retry_policy=policy)
    def make() -> int:
        return 5

    with DAG("assets") as flow:
        make() >> plus(table)  # type: ignore[arg-type, operator]
    ran = run(flow)
    assert ran.output("plus") == 6
    made = flow.get_task("make")
    assert (made.pool, made.priority_weight, made.retry_policy) == ("default_pool", 3, policy)
    assert flow.get_task("plus").inlets == [table]


def test_nothing_returned_is_none_for_who_asks() -> None:
    @sematic_task
    def nothing() -> None: ...

    with DAG("nothing") as flow:
        show(nothing())
    assert run(flow).output("show") == "None"


def test_a_closure_that_cannot_be_stored_is_named_and_one_that_can_runs() -> None:
    import threading

    lock, offset = threading.Lock(), 5

    @sematic_task
    def closes(x: int) -> int:
        return x + offset

    @sematic_task
    def gives_lock() -> Any:
        return lock

    with DAG("closures") as flow:
        closes(1)
        gives_lock()
    ran = run(flow)
    assert ran.output("closes") == 6
    assert "no codec can store _thread.lock" in ran.error("gives_lock")


def test_recursive_values_not_a_number_and_long_texts() -> None:
    @sematic_task
    def loops() -> list[Any]:
        loop: list[Any] = []
        loop.append(loop)
        return loop

    @sematic_task
    def numbers() -> dict[str, float]:
        return {"nan": float("nan"), "inf": float("inf")}

    @sematic_task
    def long() -> str:
        return "ж" * 5_000_000

    @sematic_task
    def length(text: str) -> int:
        return len(text)

    with DAG("odd") as flow:
        loops()
        found = numbers()
        show(found["nan"], found["inf"])
        length(long())
    ran = run(flow)
    assert "holding itself" in ran.error("loops")
    assert ran.output("show") == "nan inf"
    assert ran.output("length") == 5_000_000
    assert len(str(ran.rows["long", "return_value"])) < 500, "the text is in the store, and only there"
