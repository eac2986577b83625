"""Arguments and return values against their annotations: strict, and silent where there is no annotation.

An annotation that names something only type checkers import (under ``TYPE_CHECKING``) cannot be evaluated in the task process and is not checked.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from sematic_airflow_provider.artifacts.handing import hints_of
from sematic_airflow_provider.errors import StepError

_STREAMS = (Iterator, Iterable, Generator)
_NOT_TYPES = (bool, int, float, complex, bytes, list, tuple, dict, set, frozenset)


def check_annotations(function: Callable[..., Any]) -> None:
    """Refuse annotations that no value could satisfy because they are values themselves (``x: 5``, ``x: [int]``).

    Raises:
        TypeError: with function, parameter, annotation and what to write instead.
    """
    for name, annotation in getattr(function, "__annotations__", {}).items():
        if isinstance(annotation, _NOT_TYPES):
            what = "return annotation" if name == "return" else f"annotation of {name}"
            raise TypeError(
                f"{function.__qualname__}: the {what} is {annotation!r}, which is a {type(annotation).__name__} and not a type. "
                "Write a type such as list[int], or leave the annotation out"
            )


class Validator:
    """Checks the values of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = getattr(function, "__qualname__", repr(function))
        self._hints = hints_of(function)
        self._variadic = {
            p.name
            for p in inspect.signature(function).parameters.values()
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        }

    def annotation(self, name: str) -> Any:
        """The annotation of a parameter; None where it has none, or none that can be evaluated here."""
        return self._hints.get(name)

    def argument(self, name: str, value: Any) -> None:
        """Check an argument.

        Raises:
            StepError: naming step, argument, expected and actual.
        """
        if name in self._hints and name not in self._variadic:
            self._check(self._hints[name], value, f"argument {name}")

    def returned(self, value: Any) -> Any:
        """Check what the function returned, and give it back. The members of a stream are checked when they are reached.

        Raises:
            StepError: naming step, expected and actual.
        """
        annotation = self._hints.get("return")
        if annotation is None:
            return value
        self._check(annotation, value, "return value")
        members = typing.get_args(annotation)
        if typing.get_origin(annotation) in _STREAMS and isinstance(value, Iterator) and members:
            return self._checked(members[0], value)
        return value

    def _checked(self, annotation: Any, members: Iterator[Any]) -> Iterator[Any]:
        for number, member in enumerate(members):
            self._check(annotation, member, f"batch {number}")
            yield member

    def _check(self, annotation: Any, value: Any, what: str) -> None:
        from pydantic import ValidationError

        if annotation is Any:
            return
        adapter = _adapter(annotation)
        if adapter is None:
            origin = typing.get_origin(annotation) or (dict if typing.is_typeddict(annotation) else None)
            if isinstance(origin, type) and not isinstance(value, origin):
                raise self._error(what, annotation, value, "")
            return
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise self._error(what, annotation, value, f" ({where + ': ' if where else ''}{first['msg']})") from None

    def _error(self, what: str, annotation: Any, value: Any, detail: str) -> StepError:
        text = repr(value)
        shown = f" {text}" if len(text) <= 100 else ""
        expected = (
            annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)
        )
        return StepError(
            f"step {self._name}: {what} should be {expected}, it is {type(value).__qualname__}{shown}{detail}"
        )


def _adapter(annotation: Any) -> Any:
    """What checks values of this type; None for the few that pydantic cannot (generics of other libraries such as ``numpy.ndarray[...]``)."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:
        pass  # models, dataclasses and typed dicts bring their own configuration
    try:
        return TypeAdapter(annotation)
    except PydanticUserError:
        return None
