"""Annotations as pydantic understands them: strict, checked as deep as they say, and never calling what a class does when it is made.

What pydantic does not know, or checks by making a new object, is put in other words here. What nobody can check is left unchecked.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import sys
import typing
import warnings
from collections.abc import Callable
from types import UnionType
from typing import Any

import typing_extensions

from sematic_airflow_provider.steps.wording import findings

Check = Callable[[Any], None]
"""Raises ValueError, which says what is wrong."""

_SEQUENCES = (abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable, abc.Reversible, abc.Container, abc.Set)
_UNCHECKED = (
    typing.NoReturn, typing_extensions.Never, typing_extensions.Self, typing_extensions.LiteralString, typing.Any, Ellipsis
)  # fmt: skip


def adapter(annotation: Any) -> Any:
    """What checks values of this type; None where nothing can."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that pydantic can only partly check
        try:
            understood = _understood(annotation, ())
        except (TypeError, AttributeError, NameError):
            return None
        for config in (ConfigDict(arbitrary_types_allowed=True), None):  # models bring their own configuration
            try:
                return TypeAdapter(understood, config=config)
            except (PydanticUserError, TypeError, NameError):
                continue
    return None


def checked_by(check: Check, kind: Any = Any) -> Any:
    """The annotation of what passes a check of our own, and is of this kind."""
    from pydantic import AfterValidator

    def passed(value: Any) -> Any:
        check(value)
        return value

    return typing.Annotated[kind, AfterValidator(passed)]


def _understood(annotation: Any, inside: tuple[Any, ...]) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None:
        return _understood_class(annotation, inside)
    if not arguments and annotation not in (tuple[()], typing.Tuple[()]):  # noqa: UP006 - typing.Sequence, not Sequence[int]
        return _understood_class(origin, inside)
    if origin is typing.Annotated:
        return _subscripted(typing.Annotated, (_understood(arguments[0], inside), *arguments[1:]))
    if origin is typing.Literal:
        return checked_by(_one_of(arguments))
    if origin in (typing.Union, UnionType):
        return _subscripted(typing.Union, tuple(_understood(argument, inside) for argument in arguments))
    if origin in (typing.Final, typing.ClassVar, typing_extensions.Required, typing_extensions.NotRequired):
        return _understood(arguments[0], inside)
    if origin is type or origin in (abc.Callable, abc.Generator, abc.Iterator, abc.AsyncIterator, abc.AsyncGenerator):
        return _instance_of(origin) if origin is not type and origin is not abc.Callable else annotation
    if origin in _SEQUENCES:
        return _sequence(origin, _understood(arguments[0], inside))
    module = getattr(origin, "__module__", "")
    if module.startswith("numpy"):
        from sematic_airflow_provider.steps.arrays import array_check

        return checked_by(array_check(arguments), _instance_of(origin)) if origin.__name__ == "ndarray" else annotation
    if module.startswith("pandera"):
        from sematic_airflow_provider.steps.tables import table_check

        return checked_by(table_check(origin, arguments[0]))
    if origin in (list, set, frozenset, dict, tuple, abc.Mapping, abc.MutableMapping, abc.Set):
        return origin[tuple(one if one is Ellipsis else _understood(one, inside) for one in arguments)]
    if isinstance(origin, type) and not _is_pydantics(origin):
        return _understood_class(origin, inside)
    return annotation


def _understood_class(annotation: Any, inside: tuple[Any, ...]) -> Any:
    if annotation in _UNCHECKED or isinstance(annotation, (str, typing.ForwardRef)):  # an alias that holds itself
        return Any
    if annotation is abc.Set:  # by itself pydantic takes frozen ones only
        return _instance_of(annotation)
    if isinstance(annotation, typing_extensions.TypeAliasType):
        return (
            _once_more(annotation)
            if annotation in inside
            else _understood(_value_of(annotation), (*inside, annotation))
        )
    if isinstance(annotation, typing.TypeVar):
        choices = annotation.__constraints__ or ((annotation.__bound__,) if annotation.__bound__ else (Any,))
        return _subscripted(typing.Union, tuple(_understood(choice, inside) for choice in choices))
    if isinstance(annotation, typing.NewType):
        return _understood(annotation.__supertype__, inside)
    if isinstance(annotation, type) and hasattr(annotation, "__pydantic_generic_metadata__"):
        return _model(annotation)
    if not isinstance(annotation, type) or _is_pydantics(annotation):
        return annotation
    if typing_extensions.is_typeddict(annotation):
        return _once_more(annotation) if annotation in inside else _typed_dict(annotation, (*inside, annotation))
    if issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        return _once_more(annotation) if annotation in inside else _named_tuple(annotation, (*inside, annotation))
    if dataclasses.is_dataclass(annotation):
        return _instance_of(annotation)
    if getattr(annotation, "_is_protocol", False) and not getattr(annotation, "_is_runtime_protocol", False):
        return Any
    return annotation


def _is_pydantics(cls: type) -> bool:
    """Whether the class tells pydantic itself how to check it."""
    return hasattr(cls, "__get_pydantic_core_schema__") and not cls.__module__.startswith("pandera")


def _model(cls: Any) -> Any:
    """Instances alone: pydantic would take a dict of the fields too, and the function would get that dict."""
    from pydantic import BeforeValidator

    plain = cls.__pydantic_generic_metadata__["origin"] or cls

    def check(value: Any) -> Any:
        if not isinstance(value, plain):
            raise ValueError(f"must be a {cls.__name__}")  # noqa: TRY004 - what validators raise
        return value

    return typing.Annotated[cls, BeforeValidator(check)]


def _subscripted(generic: Any, arguments: Any) -> Any:
    return generic[arguments]


def _instance_of(cls: Any) -> Any:
    from pydantic import InstanceOf

    return _subscripted(InstanceOf, cls)


def _one_of(choices: tuple[Any, ...]) -> Check:
    """Equal and of the same type: ``True`` is no 1."""

    def check(value: Any) -> None:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise ValueError(f"must be one of {', '.join(map(repr, choices))}")

    return check


def _sequence(origin: Any, member: Any) -> Any:
    """Members are looked at where they are in memory already, in a list or the like; not those of batches, which would all be loaded."""
    from pydantic import ValidatorFunctionWrapHandler, WrapValidator

    def check(value: Any, members: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, origin) or (origin in _SEQUENCES[:2] and isinstance(value, (str, bytes))):
            raise ValueError(f"must be a {origin.__name__}")
        if type(value) in (list, tuple, set, frozenset, range, dict):
            members(value if type(value) is list else list(value))
        return value

    return typing.Annotated[_subscripted(list, member), WrapValidator(check)]


def _once_more(annotation: Any) -> Any:
    """Where a type holds itself: checked by itself, when a value goes that deep."""
    from pydantic import ValidationError

    made: list[Any] = []

    def check(value: Any) -> None:
        if not made:
            made.append(adapter(annotation))
        try:
            made[0].validate_python(value, strict=True)
        except ValidationError as error:
            place, message = findings(error.errors(include_url=False), value)[0]
            raise ValueError(f"{'.'.join(place)}: {message}" if place else message) from None

    return checked_by(check)


def _value_of(alias: Any) -> Any:
    """What an alias stands for, where it is written as text too."""
    holder = type("holder", (), {"__annotations__": {"value": alias.__value__}})
    module = vars(sys.modules.get(getattr(alias, "__module__", ""), typing))
    return typing.get_type_hints(holder, globalns={**module, alias.__name__: alias}, include_extras=True)["value"]


def _typed_dict(cls: Any, inside: tuple[Any, ...]) -> Any:
    """The same with the class that pydantic takes on every version of Python, and understood members."""
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    fields: dict[str, Any] = {}
    for name, hint in hints.items():
        needed: Any = typing.get_origin(hint)  # what string annotations say is not in __required_keys__
        if needed not in (typing_extensions.Required, typing_extensions.NotRequired):
            needed = typing_extensions.Required if name in cls.__required_keys__ else typing_extensions.NotRequired
        fields[name] = needed[_understood(hint, inside)]
    return typing_extensions.TypedDict(cls.__name__, fields)  # type: ignore[operator]


def _named_tuple(cls: Any, inside: tuple[Any, ...]) -> Any:
    from pydantic import BeforeValidator

    def check(value: Any) -> Any:
        if not isinstance(value, cls):
            raise ValueError(f"must be a {cls.__name__}")  # noqa: TRY004 - what validators raise
        return value

    module = vars(sys.modules.get(cls.__module__, object()))
    hints = typing_extensions.get_type_hints(cls, globalns=module, include_extras=True)
    same = typing.NamedTuple(cls.__name__, [(name, _understood(hints.get(name, Any), inside)) for name in cls._fields])  # type: ignore[misc]
    return typing.Annotated[same, BeforeValidator(check)]
