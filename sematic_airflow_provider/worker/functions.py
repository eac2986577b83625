"""What can be decorated, and with which options: checked when the Dag file is read."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from airflow.sdk.bases.decorator import is_decorated_task

from sematic_airflow_provider.artifacts.handing import hints_of
from sematic_airflow_provider.worker.fields import field_names

_NOT_OPTIONS = {"self", "args", "kwargs", "python_callable", "kwargs_to_upstream"}


def stepped_function(given: Any) -> Callable[..., Any]:
    """The function behind what ``@sematic_task`` was put on.

    Raises:
        TypeError: it is nothing that a step can be made of; what to write instead.
    """
    if isinstance(given, staticmethod):
        given = given.__func__
    name = getattr(given, "__qualname__", None) or repr(given)
    if not callable(given) and not isinstance(given, classmethod):
        raise TypeError("@sematic_task takes no positional arguments but the function: use named ones")
    reason = _refusal(given)
    if reason is not None:
        raise TypeError(f"@sematic_task on {name}: {reason}")
    found: Callable[..., Any] = given
    return found


def _refusal(given: Any) -> str | None:
    if is_decorated_task(given):
        return "this is a task already. One decorator makes the task; put @setup, @teardown and @result above @sematic_task"
    if inspect.isclass(given):
        return "a class is no step. Write a function that makes one of it and returns it"
    if isinstance(given, classmethod) or inspect.ismethod(given):
        return "does not support methods: a step has no object or class to be called on. Write a function that takes what it needs"
    if isinstance(given, functools.partial):
        return "a functools.partial has no name and no source. Decorate its function, and call .partial(…) on the step"
    if inspect.isbuiltin(given) or (not hasattr(given, "__code__") and not hasattr(given, "__wrapped__")):
        return "it has no Python source that could be recorded. Call it from a function that is written in Python"
    if given.__name__ == "<lambda>":
        return "a lambda has no name, and its source cannot be told apart. Write a function with def"
    if inspect.isasyncgenfunction(given):
        return "an asynchronous generator cannot be a step. Yield from a function with plain def, or return a list"
    if "self" in inspect.signature(given).parameters:
        return (
            "does not support methods: a step has no object to be called on. Write a function that takes what it needs"
        )
    return None


def check_multiple_outputs(function: Callable[..., Any], multiple_outputs: bool | None) -> None:
    """Refuse ``multiple_outputs`` where it would take a declared class apart: its fields can be taken without that.

    Raises:
        TypeError: the function returns a dataclass, named tuple or pydantic model.
    """
    names = field_names(hints_of(function).get("return")) if multiple_outputs else None
    if names:
        raise TypeError(
            f"@sematic_task on {function.__qualname__}: multiple_outputs is for dicts. Leave it out: the whole can be passed on, and each field "
            f'of it by name, as in output["{names[0]}"]'
        )


def check_options(options: Iterable[str], operator: type) -> None:
    """Refuse options that no operator takes: Airflow says so of mapped tasks only when they run.

    Raises:
        TypeError: an option that is none, with the one that may be meant.
    """
    known = _known(operator)
    for option in options:
        if option not in known:
            import difflib

            close = difflib.get_close_matches(option, known, 1)
            meant = f": is {close[0]} meant?" if close else ""
            raise TypeError(f"@sematic_task takes no option {option!r}{meant}")


@functools.lru_cache(maxsize=4)
def _known(operator: type) -> frozenset[str]:
    names = {
        name
        for cls in operator.__mro__
        if "__init__" in vars(cls) and cls is not object
        for name in inspect.signature(vars(cls)["__init__"]).parameters
    }
    return frozenset(names - _NOT_OPTIONS | {"on_failure_fail_dagrun"})
