"""Arguments and return values against their annotations: strict, as deep as the annotation goes, and silent where there is none.

A value is looked at and never replaced. An annotation that names something only type checkers import (under ``TYPE_CHECKING``) cannot be evaluated
where a step runs, and is not checked.
"""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sematic_airflow_provider.artifacts.handing import hints_of
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.steps.wording import findings, type_text, value_text

log = logging.getLogger(__name__)

_STREAMS = (Iterator, Iterable, Generator)
_NOT_TYPES = (bool, int, float, complex, bytes, list, tuple, dict, set, frozenset)
_AT_ONCE = 10_000
_MOST = 5


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
            p.name: p.kind
            for p in inspect.signature(function).parameters.values()
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        }
        self._yields = inspect.isgeneratorfunction(function)
        self._adapters: dict[str, Any] = {}

    def annotation(self, name: str) -> Any:
        """The annotation of a parameter; None where it has none, or none that can be evaluated here."""
        return self._hints.get(name)

    def argument(self, name: str, value: Any) -> None:
        """Check an argument; of ``*args`` and ``**kwargs``, each member.

        Raises:
            StepError: naming step, argument, expected, actual, and where inside.
        """
        if name not in self._hints:
            return
        if name not in self._variadic:
            self._check(name, self._hints[name], value, f"argument {name}", name)
        elif typing.get_origin(self._hints[name]) is None or self._variadic[name] is inspect.Parameter.VAR_POSITIONAL:
            members = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, member in members:
                self._check(name, self._hints[name], member, f"argument {key} of {name}", f"{name}.{key}")

    def returned(self, value: Any) -> Any:
        """Check what the function returned, and give it back. The members of a stream are checked when they are reached.

        Raises:
            StepError: naming step, expected, actual, and where inside.
        """
        if "return" not in self._hints:
            return value
        annotation = self._hints["return"]
        origin, members = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in _STREAMS and isinstance(value, Iterator) and members:
            return self._checked(members[0], value)
        if not self._yields:
            self._check("return", annotation, value, "return value", "result")
        elif origin is Generator and len(members) == 3:  # it yielded nothing but metadata
            self._check("end", members[2], value, "return value", "result")
        return value

    def _checked(self, annotation: Any, members: Iterator[Any]) -> Iterator[Any]:
        for number, member in enumerate(members):
            self._check("batch", annotation, member, f"batch {number}", f"batch {number}")
            yield member

    def _check(self, name: str, annotation: Any, value: Any, what: str, place: str) -> None:
        if annotation is Any:
            return
        try:
            from pydantic import ValidationError
        except ImportError:  # an image for pods may have no more than what its steps use
            log.warning(
                "%s of step %s is not checked against its annotation: pydantic is not installed", what, self._name
            )
            return
        if name not in self._adapters:
            from sematic_airflow_provider.steps.annotations import adapter

            self._adapters[name] = adapter(annotation)
        checker = self._adapters[name]
        if checker is None:
            origin = typing.get_origin(annotation)
            if isinstance(origin, type) and not isinstance(value, origin):
                raise self._error(what, annotation, value, "")
            return
        for start, piece in _pieces(annotation, value):
            try:
                checker.validate_python(piece, strict=True)
            except ValidationError as error:
                detail = _told(findings(error.errors(include_url=False), value, start), place)
                raise self._error(what, annotation, value, detail) from None
            except RecursionError:
                raise self._error(what, annotation, value, " (it is nested too deep, or holds itself)") from None

    def _error(self, what: str, annotation: Any, value: Any, detail: str) -> StepError:
        return StepError(
            f"step {self._name}: {what} should be {type_text(annotation)}, it is {value_text(value)}{detail}"
        )


def _pieces(annotation: Any, value: Any) -> Iterator[tuple[int, Any]]:
    """A large collection part by part, each with the index of its first member: checking one at once would copy it."""
    origin = typing.get_origin(annotation)
    members = typing.get_args(annotation)
    kind = type(value)
    if kind not in (list, tuple, set, frozenset, dict) or len(value) <= _AT_ONCE or not members:
        yield 0, value
    elif kind is dict and origin in (dict, Mapping):
        items = iter(value.items())
        while piece := dict(islice(items, _AT_ONCE)):
            yield 0, piece
    elif kind is list and origin in (list, Sequence, Iterable):
        for start in range(0, len(value), _AT_ONCE):
            yield start, value[start : start + _AT_ONCE]
    elif kind in (set, frozenset) and origin is kind:
        members_left = iter(value)
        while part := kind(islice(members_left, _AT_ONCE)):
            yield 0, part
    elif kind is tuple and origin is tuple and members[-1] is Ellipsis:
        for start in range(0, len(value), _AT_ONCE):
            yield start, value[start : start + _AT_ONCE]
    else:
        yield 0, value


def _told(found: Sequence[tuple[tuple[str, ...], str]], place: str) -> str:
    """The first few findings."""
    parts = [f"{'.'.join([place, *inside])}: {message}" if inside else message for inside, message in found]
    more = f"; and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    return f" ({'; '.join(parts[:_MOST])}{more})"
