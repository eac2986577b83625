"""``@sematic_task`` before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task, task_group

from sematic_airflow_provider import sematic_task
from sematic_airflow_provider.worker.operator import SematicOperator


@sematic_task
def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


@sematic_task(retries=3, multiple_outputs=True)
def halves(x: int) -> dict[str, int]:
    return {"low": x // 2, "high": x - x // 2}


def test_outside_a_dag_a_step_is_its_function() -> None:
    assert double(4) == 8
    assert double(x=4) == 8
    assert halves(5) == {"low": 2, "high": 3}
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice as much."


def test_steps_may_call_each_other_as_functions() -> None:
    def both(x: int) -> int:
        return double(x) + 1

    assert sematic_task(both)(3) == 7


def test_in_a_dag_calls_make_tasks_and_wire_them() -> None:
    with DAG("flow"):
        parts = halves(double(3))
        double(parts["low"])
        double.override(task_id="again", retries=1)(2)
    dag = parts.operator.dag
    assert sorted(dag.task_ids) == ["again", "double", "double__1", "halves"]
    assert dag.get_task("halves").upstream_task_ids == {"double"}
    assert dag.get_task("double__1").upstream_task_ids == {"halves"}
    assert (dag.get_task("halves").retries, dag.get_task("again").retries) == (3, 1)
    assert all(isinstance(found, SematicOperator) for found in dag.tasks)


def test_expand_and_partial_map_over_values() -> None:
    @sematic_task
    def add(x: int, y: int) -> int:
        return x + y

    with DAG("flow") as dag:
        add.partial(y=1).expand(x=[1, 2])
    assert dag.get_task("add").is_mapped


def test_task_groups_and_default_args_apply() -> None:
    @task_group
    def group() -> Any:
        return double(1)

    with DAG("flow", default_args={"retries": 7}) as dag:
        group()
    assert dag.get_task("group.double").retries == 7


def test_task_sematic_is_the_same_decorator() -> None:
    @task.sematic
    def triple(x: int) -> int:
        return 3 * x

    with DAG("flow") as dag:
        triple(1)
    assert isinstance(dag.get_task("triple"), SematicOperator)


def test_a_dict_annotation_means_multiple_outputs_as_with_task() -> None:
    @sematic_task
    def found(x: int) -> dict[str, int]:
        return {"x": x}

    with DAG("flow") as dag:
        found(1)
    assert dag.get_task("found").multiple_outputs


def test_an_asset_argument_becomes_an_inlet() -> None:
    asset = Asset("model")
    with DAG("flow") as dag:
        double(asset)  # type: ignore[arg-type]
    assert dag.get_task("double").inlets == [asset]


@pytest.mark.parametrize(("annotation", "shown"), [(5, "5"), ([int], "list"), ({"a": int}, "dict")])
def test_an_annotation_that_is_no_type_is_refused_when_the_file_is_read(annotation: Any, shown: str) -> None:
    def step(x: Any) -> None: ...

    step.__annotations__["x"] = annotation
    with pytest.raises(TypeError, match=rf"annotation of x is .*{shown}"):
        sematic_task(step)


def test_arguments_that_do_not_fit_are_refused_when_the_file_is_read() -> None:
    with DAG("flow"), pytest.raises(TypeError, match="missing a required argument: 'x'"):
        double()  # type: ignore[call-arg]


def test_an_unknown_compute_is_refused_when_the_file_is_read() -> None:
    @sematic_task(compute="cloud")
    def step() -> None: ...

    with DAG("flow"), pytest.raises(ValueError, match="local, kubernetes"):
        step()


def test_the_decorator_takes_named_arguments_only() -> None:
    with pytest.raises(TypeError, match="named"):
        sematic_task(5)  # type: ignore[call-overload]


def test_methods_are_refused() -> None:
    with pytest.raises(TypeError, match="methods"):

        class Holder:
            @sematic_task
            def step(self) -> None: ...
