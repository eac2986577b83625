"""Fakes: what runs in a task's place. Everything around it stays real: its arguments are resolved, what it returns is checked, stored and passed on."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.worker.operator import SematicOperator

Fake = Any
"""A function, which is called, or the value itself."""


def with_fake(task: Any, fake: Fake, selected: Collection[str]) -> Any:
    """A copy of a task that runs the fake instead. It gets no arguments that come from tasks which are not selected.

    Raises:
        StepError: the fake's parameters are none of the task's.
    """
    if task.is_mapped:
        return _mapped_with_fake(task, fake)
    other = task.prepare_for_execution()
    if hasattr(task, "python_callable"):
        other.python_callable = _in_place_of(task.python_callable, fake, task)
        if _is_missing([task.op_args, task.op_kwargs], selected):
            bound = inspect.signature(task.python_callable).bind_partial(*task.op_args, **task.op_kwargs).arguments
            other.op_args = []
            other.op_kwargs = {name: value for name, value in bound.items() if not _is_missing(value, selected)}
        if isinstance(other, SematicOperator):
            other.cache = False  # what a fake returns is no result of the step
    else:
        other.__class__ = _executing(type(task), fake)
        for name in task.template_fields:
            if _is_missing(getattr(task, name, None), selected):
                setattr(other, name, None)
    return other


def _mapped_with_fake(task: Any, fake: Fake) -> Any:
    mapped, function = copy.copy(task), function_of_mapped(task)
    if function is None:
        mapped.operator_class = _executing(task.operator_class, fake)
        return mapped
    off = {"cache": False} if issubclass(task.operator_class, SematicOperator) else {}
    if hasattr(task, "python_callable"):
        mapped.python_callable = _in_place_of(function, fake, task)
        mapped.partial_kwargs = {**task.partial_kwargs, **off}
    else:
        mapped.partial_kwargs = {**task.partial_kwargs, "python_callable": _in_place_of(function, fake, task)}
    return mapped


def function_of_mapped(task: Any) -> Callable[..., Any] | None:
    """The function of a mapped task; None where it is an operator of another kind."""
    found: Callable[..., Any] | None = getattr(task, "python_callable", None) or task.partial_kwargs.get(
        "python_callable"
    )
    return found


def _is_missing(value: Any, selected: Collection[str]) -> bool:
    """Whether it comes from a task that does not take part."""
    from airflow.sdk.definitions.xcom_arg import XComArg

    return any(operator.task_id not in selected for operator, _ in XComArg.iter_xcom_references(value))


def _in_place_of(function: Callable[..., Any], fake: Fake, task: Any) -> Callable[..., Any]:
    """The fake with the function's name, signature and annotations, so that it is held to them."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def standing_in(*args: Any, **kwargs: Any) -> Any:
        if not _is_called(fake):
            return fake
        bound = signature.bind_partial(*args, **kwargs)
        given: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                given |= value
            else:
                given[name] = value
        return _call(fake, given, task.task_id)

    standing_in.__signature__ = signature  # type: ignore[attr-defined, unused-ignore]
    del standing_in.__wrapped__  # type: ignore[attr-defined, unused-ignore] # what is recorded as the step's code is the stand-in
    return standing_in


def _executing(operator_class: type, fake: Fake) -> type:
    """The operator, with the fake as what it executes; its rendered fields and Airflow's context are at hand."""

    def execute(self: Any, context: Any) -> Any:
        if not _is_called(fake):
            return fake
        fields = {name: getattr(self, name, None) for name in self.template_fields}
        return _call(fake, {**context, **fields, "context": context}, self.task_id)

    return type(
        operator_class.__name__, (operator_class,), {"execute": execute, "__module__": operator_class.__module__}
    )


def _is_called(fake: Fake) -> bool:
    return callable(fake) and not isinstance(fake, type)


def _call(fake: Callable[..., Any], given: Mapping[str, Any], task_id: str) -> Any:
    """Call with those of the values that it has parameters for; by position, where it has other names for them."""
    parameters = inspect.signature(fake).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return fake(**given)
    needed = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    if all(p.name in given or p.default is not p.empty for p in needed):
        return fake(**{p.name: given[p.name] for p in needed if p.name in given})
    if len([p for p in needed if p.default is p.empty]) <= len(given) and not any(p.name in given for p in needed):
        return fake(*list(given.values())[: len(needed)])
    names = ", ".join(p.name for p in needed)
    raise StepError(f"the fake of {task_id} takes {names}, but the task has {', '.join(given) or 'no arguments'}")
