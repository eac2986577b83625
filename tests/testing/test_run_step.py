"""``run_step``: one step with everything around its function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from airflow.sdk import DAG, Asset, task

from sematic_airflow_provider import Artifact, Batches, GateFailedError, sematic_task
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.testing import MemoryStore, run_step, step_runner


@sematic_task
def add(x: int, y: int = 1) -> int:
    return x + y


@sematic_task(multiple_outputs=True, retries=2)
def halves(x: int) -> dict[str, int]:
    return {"low": x // 2, "high": x - x // 2}


def test_arguments_and_result_go_through_the_store() -> None:
    result = run_step(add, 2, y=3)
    assert result.value == 5
    assert result.ref.digest in dict(result.store.blobs())
    assert result.input("y") == 3
    assert {ref.digest for ref in result.reads} == {ref.digest for ref in result.inputs.values()}


def test_values_are_checked() -> None:
    with pytest.raises(StepError, match="argument x should be int, it is str '2'"):
        run_step(add, "2")
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        run_step(add)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        run_step(add, 1, z=2)


def test_the_steps_own_error_is_raised_and_its_traceback_starts_in_the_step() -> None:
    @sematic_task(retries=5)
    def gate() -> None:
        raise GateFailedError("closed", ("auc",))

    with pytest.raises(GateFailedError, match="closed") as caught:
        run_step(gate)
    assert caught.value.failures == ("auc",)
    assert caught.traceback[-1].name == "gate"
    assert not any("task_runner" in str(entry.path) for entry in caught.traceback)


def test_plain_functions_lambdas_and_plain_tasks_run_too() -> None:
    def twice(x: int) -> int:
        return 2 * x

    @task
    def plain(x: Any, ds: Any = None) -> Any:
        return [x, ds]

    assert run_step(twice, x=2).value == 4
    assert run_step(lambda x: x + 1, 2).value == 3
    assert run_step(plain, "{{ ds }}").value == ["{{ ds }}", "2025-01-01"], "a value is no template"


def test_a_task_of_a_dag_runs_with_its_own_options_and_name() -> None:
    with DAG("flow") as dag:
        halves.override(task_id="parts")(9)
        add.partial(y=1).expand(x=[1, 2])
    result = run_step(dag.get_task("parts"), x=5)
    assert result.outputs.keys() == {"low", "high"}
    assert result.outputs["low"].name == "flow.parts.low"
    assert result.pushed("high") == 3
    assert run_step(dag.get_task("add"), x=5, y=6).value == 11


def test_a_task_that_is_no_function_is_told_what_to_do() -> None:
    from airflow.providers.standard.operators.empty import EmptyOperator

    with DAG("flow"):
        nothing = EmptyOperator(task_id="nothing")
    with pytest.raises(StepError, match="only='nothing'"):
        run_step(nothing)
    with pytest.raises(StepError, match="takes a function or a task, not int"):
        run_step(5)


def test_none_and_any_number_of_arguments_are_passed_on() -> None:
    @sematic_task
    def many(first: int | None, /, *rest: int, last: int) -> Any:
        return [first, list(rest), last]

    assert run_step(many, None, 2, 3, last=4).value == [None, [2, 3], 4]


def test_what_cannot_be_stored_is_passed_as_it_is() -> None:
    class Connection:
        pass

    connection = Connection()

    @sematic_task
    def use(found: Any) -> bool:
        return found is connection

    assert run_step(use, connection).value is True


def test_handles_batches_and_streams_are_what_they_are_in_production() -> None:
    @sematic_task
    def shape(array: Artifact[np.ndarray]) -> list[int]:  # type: ignore[type-arg]
        return list(array.load().shape)

    @sematic_task
    def stream(n: int) -> Iterator[int]:
        yield from range(n)

    @sematic_task
    def count(batches: Batches[int]) -> int:
        return len(batches)

    assert run_step(shape, np.zeros((2, 3))).value == [2, 3]
    streamed = run_step(stream, 3)
    run = step_runner(store=streamed.store)
    assert run(count, streamed.ref).value == 3, "a ref of an artifact is an argument as well"


def test_conf_assets_and_variables_are_given_by_a_runner() -> None:
    asset = Asset("step_asset")

    @sematic_task
    def look(weights: list[float], dag_run: Any = None) -> Any:
        from airflow.sdk import Variable

        return [weights, dag_run.conf, Variable.get("region")]

    run = step_runner(conf={"a": 1}, assets={asset: [0.5]}, variables={"region": "north"})
    with DAG("flow") as dag:
        look(asset)  # type: ignore[arg-type]
    assert run(look, [1.0]).value == [[1.0], {"a": 1}, "north"]
    assert dag.get_task("look").inlets == [asset]


def test_a_failure_can_be_looked_at_instead_of_raised() -> None:
    result = step_runner(raise_on_failure=False)(add, "1")
    assert result.state == "failed"
    assert isinstance(result.error, StepError)
    assert result.value is None
    with pytest.raises(StepError, match="add returned nothing"):
        _ = result.ref
    with pytest.raises(StepError, match="has no recorded argument z"):
        result.input("z")


def test_the_step_cache_is_used_in_one_store() -> None:
    calls = []

    @sematic_task(cache=True)
    def slow(x: int) -> int:
        return x * 10

    run = step_runner(store=MemoryStore())
    calls.append(run(slow, 1))
    calls.append(run(slow, 1))
    calls.append(run(slow, 2))
    assert [call.cache for call in calls] == ["miss", "hit", "miss"]
    assert "input `x` changed" in calls[2].cache_reason
