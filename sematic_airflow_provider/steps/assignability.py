"""Can a value of one annotation ever be one of another? For finding wrong wiring before anything runs: where there is doubt, the answer is yes."""

from __future__ import annotations

import collections.abc as abc
import inspect
import types
import typing
from typing import Any

import typing_extensions

from sematic_airflow_provider.artifacts.artifact import Artifact
from sematic_airflow_provider.artifacts.batches import Batches

_STREAMS = (abc.Iterator, abc.Generator, Batches)
_ITERABLES = (list, set, frozenset, Batches, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable, abc.Set)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_BUILT_IN = (int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset, type(None))
_NUMBERS = {float: (int,), complex: (int, float)}
"""What pydantic takes for a number in its strict mode; a bool is none."""


def never_fits(given: Any, wanted: Any) -> bool:
    """Whether no value of the annotation ``given`` is one of ``wanted``, as strict validation sees it."""
    given, wanted = _plain(given), _plain(wanted)
    if _says_nothing(given) or _says_nothing(wanted):
        return False
    if choices := _choices(given):
        return all(never_fits(choice, wanted) for choice in choices)
    if choices := _choices(wanted):
        return all(never_fits(given, choice) for choice in choices)
    if typing.get_origin(given) is typing.Literal:
        return all(_literal_never_fits(value, wanted) for value in typing.get_args(given))
    if typing.get_origin(wanted) is typing.Literal:
        return all(_classes_never_fit(_class_of(given), type(value)) for value in typing.get_args(wanted))
    if _classes_never_fit(_class_of(given), _class_of(wanted)):
        return True
    return _members_never_fit(given, wanted)


def member_of(annotation: Any) -> Any:
    """What one member of such a collection is, as ``expand`` goes over it: pairs of a dict. Any where that is not known.

    Raises:
        TypeError: it is no collection that tasks can be expanded over.
    """
    annotation = _plain(annotation)
    if _says_nothing(annotation) or _choices(annotation):
        return Any
    kind, arguments = _class_of(annotation), typing.get_args(annotation)
    if kind in _STREAMS or kind in _ITERABLES:
        return arguments[0] if arguments else Any
    if kind is tuple and arguments:
        return arguments[0] if arguments[-1] is Ellipsis else _subscripted(typing.Union, arguments)
    if kind in _MAPPINGS and len(arguments) == 2:
        return _subscripted(tuple, arguments)
    if typing_extensions.is_typeddict(annotation):
        return tuple[str, Any]
    if isinstance(kind, type) and (kind in (str, bytes) or not _may_be(kind, (abc.Sequence, abc.Mapping))):
        raise TypeError("only a list or dict can be expanded over")
    return Any


def field_of(annotation: Any, name: str) -> Any:
    """What ``output["name"]`` is; Any where that is not known.

    Raises:
        KeyError: it has no such field; with the fields that it has.
    """
    annotation = _plain(annotation)
    hints = fields_of(annotation)
    if hints is not None:
        if name not in hints:
            raise KeyError(*hints)
        return hints[name]
    arguments = typing.get_args(annotation)
    return arguments[1] if _class_of(annotation) in _MAPPINGS and len(arguments) == 2 else Any


def fields_of(annotation: Any) -> dict[str, Any] | None:
    """The declared fields of a typed dict, dataclass, named tuple or pydantic model with their types; None for any other type."""
    kind = _class_of(annotation)
    if not isinstance(kind, type):
        return None
    if typing_extensions.is_typeddict(kind):
        names: typing.Iterable[str] = kind.__annotations__
    elif "__dataclass_fields__" in vars(kind) or hasattr(kind, "model_fields"):
        names = getattr(kind, "__dataclass_fields__", None) or kind.model_fields  # type: ignore[attr-defined]
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names = kind._fields
    else:
        return None
    try:
        hints = typing_extensions.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError, AttributeError):
        hints = {}
    known = [*names, *hints] if typing_extensions.is_typeddict(kind) else names
    return {name: hints.get(name, Any) for name in known}


def _subscripted(generic: Any, arguments: Any) -> Any:
    return generic[arguments]


def is_stream(annotation: Any) -> bool:
    """Whether a step that returns this makes batches."""
    return _class_of(_plain(annotation)) in _STREAMS


def _plain(annotation: Any) -> Any:
    """Without what says nothing about the type: aliases, constraints, ``Artifact[…]``."""
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if annotation is None:
            return type(None)
        if origin in (
            typing.Annotated,
            Artifact,
            typing.Final,
            typing_extensions.Required,
            typing_extensions.NotRequired,
        ):
            annotation = arguments[0]
        elif isinstance(annotation, typing_extensions.TypeAliasType):
            annotation = Any if isinstance(annotation.__value__, str) else annotation.__value__
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def _says_nothing(annotation: Any) -> bool:
    return annotation in (Any, object, Artifact, Ellipsis) or not (
        isinstance(annotation, type) or typing.get_origin(annotation) is not None
    )


def _choices(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else ()


def _class_of(annotation: Any) -> Any:
    origin = typing.get_origin(annotation)
    kind = annotation if origin is None else origin
    return dict if isinstance(kind, type) and typing_extensions.is_typeddict(kind) and origin is not None else kind


def _literal_never_fits(value: Any, wanted: Any) -> bool:
    if typing.get_origin(wanted) is typing.Literal:
        return not any(type(value) is type(one) and value == one for one in typing.get_args(wanted))
    return _classes_never_fit(type(value), _class_of(wanted))


def _classes_never_fit(given: Any, wanted: Any) -> bool:
    if not isinstance(given, type) or not isinstance(wanted, type):
        return False
    given, wanted = _instantiated(given), _instantiated(wanted)
    if given is bool and wanted in (int, float, complex):
        return True
    if given in _NUMBERS.get(wanted, ()) or (given.__module__ == "numpy" and wanted in _NUMBERS):
        return False
    if given in _STREAMS:  # what reads it gets batches, which are a sequence and no iterator
        return not ((wanted in _STREAMS and given is not Batches) or issubclass(Batches, wanted))
    if wanted in _STREAMS:
        return given in _BUILT_IN and not (wanted is Batches and given is list)
    if _may_be(given, (wanted,)) or _may_be(wanted, (given,)):
        return False
    if _tells_pydantic(given) or _tells_pydantic(wanted):
        return False
    if inspect.isabstract(wanted) or getattr(wanted, "_is_protocol", False):
        return given in _BUILT_IN
    if _one_is_both(given, wanted):
        return False
    return not (inspect.isabstract(given) or getattr(given, "_is_protocol", False)) or wanted in _BUILT_IN


def _one_is_both(given: type, wanted: type) -> bool:
    """Whether a class is made for being mixed with others, or one that is loaded is both."""
    if given.__name__.endswith("Mixin") or wanted.__name__.endswith("Mixin"):
        return not {given, wanted} & {*_BUILT_IN}
    pending, seen = [given], {given}
    while pending:
        one: type
        for one in type.__subclasses__(pending.pop()):
            if one not in seen:
                if _may_be(one, (wanted,)):
                    return True
                seen.add(one)
                pending.append(one)
    return False


def _tells_pydantic(kind: type) -> bool:
    """Whether the class stands for a check of other classes, such as ``AwareDatetime`` for a datetime; a model is checked as what it is."""
    return hasattr(kind, "__get_pydantic_core_schema__") and not (
        hasattr(kind, "model_fields") or "__dataclass_fields__" in vars(kind) or kind.__module__.startswith("pandera")
    )


def _instantiated(kind: type) -> type:
    if generic := getattr(kind, "__pydantic_generic_metadata__", {}).get("origin"):
        return typing.cast("type", generic)
    return dict if typing_extensions.is_typeddict(kind) else kind


def _may_be(kind: type, of: tuple[type, ...]) -> bool:
    try:
        return issubclass(kind, of)
    except TypeError:  # a protocol with data members, say
        return True


def _members_never_fit(given: Any, wanted: Any) -> bool:
    given_kind, wanted_kind = _class_of(given), _class_of(wanted)
    given_members, wanted_members = typing.get_args(given), typing.get_args(wanted)
    if not given_members or not wanted_members:
        return False
    if given_kind.__module__.startswith("numpy") and given_kind is wanted_kind:
        return _arrays_never_fit(given_members, wanted_members)
    if given_kind in _MAPPINGS and wanted_kind in _MAPPINGS:
        return any(map(never_fits, given_members, wanted_members))
    if given_kind is tuple and wanted_kind is tuple:
        return _tuples_never_fit(given_members, wanted_members)
    iterables = (*_ITERABLES, abc.Iterator, abc.Generator)
    if given_kind in iterables and wanted_kind in iterables:
        return never_fits(given_members[0], wanted_members[0])
    if given_kind is tuple and wanted_kind in iterables:
        return any(never_fits(member, wanted_members[0]) for member in given_members if member is not Ellipsis)
    return False


def _tuples_never_fit(given: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    if Ellipsis in given or Ellipsis in wanted:
        return never_fits(given[0], wanted[0]) if Ellipsis in given and Ellipsis in wanted else False
    return len(given) != len(wanted) or any(map(never_fits, given, wanted))


def _arrays_never_fit(given: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    shapes = [typing.get_args(one[0]) for one in (given, wanted)]
    if all(shape and Ellipsis not in shape for shape in shapes) and len(shapes[0]) != len(shapes[1]):
        return True
    kinds = [typing.get_args(one[1])[0] if len(one) > 1 and typing.get_args(one[1]) else Any for one in (given, wanted)]
    if Any in kinds or not all(isinstance(kind, type) for kind in kinds):
        return False
    return not (_may_be(kinds[0], (kinds[1],)) or _may_be(kinds[1], (kinds[0],)))
