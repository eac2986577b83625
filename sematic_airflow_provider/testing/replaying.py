"""``replay``: a step of a past run once more, with the inputs that it had then."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from sematic_airflow_provider.artifacts.memory_store import MemoryStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Store, open_store
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.pod.run import load_function
from sematic_airflow_provider.testing.recorded import (
    Events,
    RecordedStep,
    step_of_database,
    step_of_events,
    step_of_result,
)
from sematic_airflow_provider.testing.step_results import StepResult
from sematic_airflow_provider.testing.steps import step_runner, with_a_name
from sematic_airflow_provider.testing.surroundings import repository_of
from sematic_airflow_provider.worker.decorator import sematic_task


def replay(
    step: StepResult | str,
    function: Any = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    events: Events | None = None,
    store: Store | str | None = None,
    **options: Any,
) -> StepResult:
    """Run a step of a past run again, with the inputs that were recorded. Nothing is written but into memory.

    Args:
        step: what a test run gave, or ``DAG_ID/RUN_ID/TASK_ID`` (with ``[MAP_INDEX]`` where the task is mapped).
        function: what to run; by default the code that was recorded.
        inputs: values to use instead of recorded ones, by argument.
        events: where the run is recorded: a file of OpenLineage events, or the events; by default the lineage tables of this Airflow.
        store: where its artifacts are; by default the store of the test run, or ``[sematic] store``.
        options: those of ``step_runner`` (``logical_date``, ``conf``, ``variables``, …).

    Returns:
        What came of it. ``recorded`` has the outputs of then, and ``reproduced`` says whether they are the same now.

    Raises:
        NodeNotFoundError: no such step is recorded.
        StepError: it cannot be run again from what was recorded; it says why.
        Whatever the step raised.
    """
    recorded = _recorded(step, events)
    behind = _behind(step, store)
    repository = repository_of(MemoryStore(behind))
    chosen = _loaded(recorded, repository) if function is None else function
    if function is None or inspect.isroutine(function):
        chosen = sematic_task(multiple_outputs=recorded.has_multiple_outputs)(with_a_name(chosen))
    args, arguments = _given(chosen, {**recorded.arguments, **(inputs or {})}, set(inputs or ()), repository)
    result = step_runner(store=repository.store, **options)(chosen, *args, **arguments)
    result.recorded = dict(recorded.outputs)
    return result


def _recorded(step: StepResult | str, events: Events | None) -> RecordedStep:
    if isinstance(step, StepResult):
        return step_of_result(step)
    return step_of_database(step) if events is None else step_of_events(step, events)


def _behind(step: StepResult | str, store: Store | str | None) -> Store:
    if isinstance(store, str):
        return open_store(store)
    if store is not None:
        return store
    if isinstance(step, StepResult):
        return step.store
    from sematic_airflow_provider.configured_store import configured_store

    return configured_store()


def _loaded(recorded: RecordedStep, repository: Repository) -> Any:
    """The recorded function."""
    if recorded.code is None:
        raise StepError(
            f"{recorded.name} cannot be run from what was recorded: {recorded.code_unavailable}. Give the function"
        )
    module, _, name = recorded.function.rpartition(".")
    return load_function(repository.load(recorded.code), name, recorded.code.digest, module)


def _given(
    step: Any, arguments: Mapping[str, Any], replaced: set[str], repository: Repository
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by position and by name. Those of ``*args`` and ``**kwargs`` were recorded as one artifact each."""
    function: Callable[..., Any] = getattr(step, "function", None) or getattr(step, "python_callable", None) or step
    positional: list[Any] = []
    named = dict(arguments)
    parameters = inspect.signature(function).parameters
    if unknown := sorted(name for name in replaced if name not in parameters):
        raise StepError(f"{function.__qualname__} has no argument {', '.join(unknown)}; it has {', '.join(parameters)}")
    before: list[str] = []
    for name, parameter in parameters.items():
        if name not in named:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional = [named.pop(one) for one in before]
            positional.extend(_value(named.pop(name), repository))
        elif parameter.kind is parameter.VAR_KEYWORD:
            named.update(_value(named.pop(name), repository))
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(named.pop(name))
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            before.append(name)
    return positional, named


def _value(argument: Any, repository: Repository) -> Any:
    return repository.load(argument) if isinstance(argument, ArtifactRef) else argument
