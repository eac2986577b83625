"""How types and values are written in messages: short, whatever they are."""

from __future__ import annotations

import builtins
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

_LONGEST = 100
_FEW = 4


def type_text(annotation: Any) -> str:
    """An annotation as its author would write it."""
    if annotation is None or annotation is type(None):
        return "None"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        limits = [repr(limit) for note in arguments[1:] for limit in getattr(note, "metadata", [note])]
        return f"{type_text(arguments[0])} with {', '.join(limits)}" if limits else type_text(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_text(argument) for argument in arguments)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if arguments and isinstance(origin, type) and not isinstance(arguments[0], list):
        return f"{origin.__name__}[{', '.join('...' if one is Ellipsis else type_text(one) for one in arguments)}]"
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("~", "")


def value_text(value: Any) -> str:
    """The type of a value, and the value where it is plain and short: ``str 'a'``, ``ndarray of float32, 2 dimensions``."""
    name = type(value).__qualname__
    if hasattr(builtins, name) and type(value).__module__ != "builtins":  # NumPy's bool, say
        name = f"{type(value).__module__}.{name}"
    if (dtype := getattr(value, "dtype", None)) is not None and (shape := getattr(value, "shape", None)):
        return f"{name} of {dtype}, {len(shape)} dimension{'' if len(shape) == 1 else 's'}"
    if value is None:
        return "None"
    shown = _shown(value, 2)
    return f"{name} {shown}" if shown else name


def findings(errors: Sequence[Mapping[str, Any]], value: Any, start: int = 0) -> list[tuple[tuple[str, ...], str]]:
    """Place inside a value, and what is wrong there, of each error that pydantic found; of a union, what the members say that came farthest.

    Args:
        errors: as pydantic lists them.
        value: what was checked.
        start: index of the first member, where a part of the value was checked.
    """
    found: list[tuple[tuple[str, ...], str]] = []
    for error in errors:
        where = list(error["loc"])
        if start and where and isinstance(where[0], int):
            where[0] += start
        place = tuple(_place(value, where, missing=error["type"] == "missing"))
        message = error["msg"].removeprefix("Value error, ")
        found.append((place, f"{message}, it is {value_text(error['input'])}" if place else message))
    places = {place for place, _ in found}
    deepest = [place for place in places if not any(other[: len(place)] == place != other for other in places)]
    return list(dict.fromkeys(one for one in found if one[0] in deepest))


def _place(value: Any, where: Sequence[Any], *, missing: bool) -> list[str]:
    """The keys, indices and fields among the parts of a position; its other parts name members of unions."""
    found: list[str] = []
    for number, part in enumerate(where):
        if isinstance(value, Mapping):
            if part not in value and not (missing and number == len(where) - 1):
                continue
            found.append(str(part)[:60])
            value = value.get(part)
        elif isinstance(part, int) and isinstance(value, (list, tuple)) and part < len(value):
            found.append(value._fields[part] if hasattr(value, "_fields") else str(part))
            value = value[part]
        elif isinstance(part, str) and hasattr(type(value), "model_fields") and hasattr(value, part):
            found.append(part)
            value = getattr(value, part)
    return found


def _shown(value: Any, depth: int) -> str:
    """Never longer than a line, and never made from more of the value than is shown."""
    kind = type(value)
    if kind in (str, bytes):
        text = repr(value[:_LONGEST])
        return text if len(value) <= _LONGEST else f"{text[:-1]}…{text[-1]} ({len(value)} long)"
    if kind is int and value.bit_length() > 200:
        return f"of {value.bit_length()} bits"
    if kind in (int, float, complex, bool, type(None)):
        return repr(value)
    if kind in (list, tuple, set, frozenset, dict):
        return _collection(value, depth)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a NumPy number
        return str(value)
    return ""


def _collection(value: Any, depth: int) -> str:
    size = f"of {len(value)}"
    if len(value) > _FEW or depth == 0:
        return size
    pairs = list(value.items()) if isinstance(value, dict) else [(None, member) for member in value]
    parts = []
    for key, member in pairs:
        text = _shown(member, depth - 1) if type(member) is not str or len(member) <= _LONGEST // 4 else ""
        if not text:
            return size
        parts.append(f"{_shown(key, 0)}: {text}" if isinstance(value, dict) else text)
    before, after = "[]" if type(value) is list else "()" if type(value) is tuple else "{}"
    text = f"{before}{', '.join(parts)}{after}"
    return text if len(text) <= _LONGEST else size
