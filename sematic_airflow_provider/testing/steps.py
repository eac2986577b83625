"""``run_step``: one step in this process, with its arguments coming from the store and what it returns going there."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import NoCodecError, StepError
from sematic_airflow_provider.lineage.naming import output_name
from sematic_airflow_provider.testing.dags import DEFAULT_DATE, run, store_of
from sematic_airflow_provider.testing.fakes import function_of_mapped
from sematic_airflow_provider.testing.results import DagResult
from sematic_airflow_provider.testing.step_results import StepResult
from sematic_airflow_provider.testing.supervisor import Supervisor, utc
from sematic_airflow_provider.testing.surroundings import repository_of

ARGUMENTS = "arguments"
"""The task that the arguments seem to come from."""
_KEPT = (
    "multiple_outputs",
    "retries",
    "retry_policy",
    "outlets",
    "do_xcom_push",
    "execution_timeout",
    "seed",
    "cache",
    "templates_dict",
)


def run_step(step: Any, /, *args: Any, **arguments: Any) -> StepResult:
    """Run one step, with everything around its function: values come from the store, are checked against the annotations, and go back there.

    Args:
        step: a decorated function (``@sematic_task``, ``@task``), a plain one, or a task of a Dag.
        args, arguments: for the function. Values, or refs of artifacts that the store has; Airflow's context is there for the rest.

    Raises:
        Whatever the step raised, once its retries are used up.
    """
    return step_runner()(step, *args, **arguments)


def step_runner(
    *,
    store: Store | str | None = None,
    logical_date: dt.datetime | None = None,
    conf: Mapping[str, Any] | None = None,
    assets: Mapping[Any, Any] | None = None,
    variables: Mapping[str, str] | None = None,
    connections: Mapping[str, str] | None = None,
    cache: bool = True,
    raise_on_failure: bool = True,
) -> Callable[..., StepResult]:
    """A ``run_step`` with these options, which mean what they do for ``run_dag``."""
    repository = repository_of(store_of(store))
    configuration = {**(conf or {}), **({} if cache else {"sematic": {"cache": False}})}

    def run_one(step: Any, /, *args: Any, **arguments: Any) -> StepResult:
        settle = partial(
            run,
            repository=repository,
            fakes={},
            configuration=configuration or None,
            logical_date=utc(logical_date or DEFAULT_DATE),
            run_id=None,
            assets=assets or {},
            variables=variables or {},
            connections=connections or {},
            raise_on_failure=False,
        )
        return execute(step, args, arguments, repository, settle, raise_on_failure=raise_on_failure)

    return run_one


def execute(
    step: Any,
    args: tuple[Any, ...],
    arguments: Mapping[str, Any],
    repository: Repository,
    settle: Callable[..., DagResult],
    *,
    raise_on_failure: bool,
) -> StepResult:
    """Make a Dag of the step and what it gets, and run it."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    function, dag_id = _function_of(step), _dag_id_of(step)
    rows: dict[str, ArtifactRef] = {}
    with DAG(dag_id) as dag:
        giver = EmptyOperator(task_id=ARGUMENTS)

        def given(name: str, value: Any) -> Any:
            """The value as something that another task has pushed. None is never pushed, and what cannot be stored is passed as it is."""
            if value is None:
                return None
            try:
                rows[name] = repository.save(value) if not isinstance(value, ArtifactRef) else value
            except NoCodecError:
                return value
            if not rows[name].name:
                rows[name] = rows[name].named(output_name(dag_id, ARGUMENTS, name))
            return _xcom(giver, name)

        bound = inspect.signature(function).bind_partial(*args, **arguments)
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(given(f"{name}[{i}]", one) for i, one in enumerate(value))
            elif kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: given(key, one) for key, one in value.items()}
            else:
                bound.arguments[name] = given(name, value)
        task = _task_of(step, bound.args, bound.kwargs)

    def push(supervisor: Supervisor) -> None:
        for name, ref in rows.items():
            supervisor.push(ARGUMENTS, name, ref.to_json())

    result = settle(dag, selected=[task.task_id], before=push)
    found: StepResult = result[task.task_id]
    if raise_on_failure and found.state == "failed" and found.error is not None:
        raise found.error
    return found


def _xcom(operator: Any, key: str) -> Any:
    from airflow.sdk.definitions.xcom_arg import XComArg

    return XComArg(operator, key)


def _is_task(step: Any) -> bool:
    return hasattr(step, "task_id") and hasattr(step, "is_mapped")


def _function_of(step: Any) -> Callable[..., Any]:
    if _is_task(step):
        found = function_of_mapped(step) if step.is_mapped else getattr(step, "python_callable", None)
        if found is None:
            raise StepError(f"the task {step.task_id} runs no Python function: run its Dag with only={step.task_id!r}")
        return found
    function = getattr(step, "function", step)
    if not callable(function):
        raise StepError(f"run_step takes a function or a task, not {type(step).__name__}")
    return function


def _dag_id_of(step: Any) -> str:
    return str(step.dag_id) if _is_task(step) and step.has_dag() else "run_step"


def _task_of(step: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The step as the task of the Dag that is being made."""
    from airflow.sdk.bases.decorator import _TaskDecorator

    if _is_task(step):
        kept = step.partial_kwargs if step.is_mapped else {n: getattr(step, n) for n in _KEPT if hasattr(step, n)}
        options = {name: value for name, value in kept.items() if name in _KEPT}
        made = step.operator_class if step.is_mapped else type(step)
        return made(
            task_id=step.task_id.rsplit(".", 1)[-1],
            python_callable=_function_of(step),
            op_args=list(args),
            op_kwargs=dict(kwargs),
            **options,
        )
    if not isinstance(step, _TaskDecorator):
        from sematic_airflow_provider.worker.decorator import sematic_task

        step = sematic_task(with_a_name(step))
    return step(*args, **kwargs).operator


def with_a_name(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function made by def: lambdas, partial functions and other callables have no name that a step could have."""
    if getattr(function, "__name__", "").isidentifier() and inspect.isfunction(function):
        return function

    def step(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    step.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    step.__annotations__ = dict(getattr(function, "__annotations__", {}))
    return step
