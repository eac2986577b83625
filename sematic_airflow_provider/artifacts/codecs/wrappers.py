"""Attributes of the scikit-learn wrappers around boosters, as JSON: what ``xgboost/1`` and ``lightgbm/1`` note beside the trees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from inspect import getattr_static
from typing import Any

from sematic_airflow_provider.artifacts.codecs.json import from_json, to_json
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.errors import NoCodecError

_ARRAY_KINDS = "biufUSO"


def to_note(value: Any, without: Iterable[str] = ()) -> str:
    """Class and attributes of a value, but for those named.

    Raises:
        NoCodecError: an attribute has no JSON form, such as a function of the user's.
    """
    note: dict[str, Any] = {"class": type(value).__name__, "attributes": {}, "arrays": {}}
    for name, content in vars(value).items():
        if name in without:
            continue
        try:
            if _is_column(content):
                note["arrays"][name] = [content.dtype.str, to_json(content.tolist())]
            else:
                note["attributes"][name] = to_json(_plain(content))
        except NoCodecError as error:
            raise NoCodecError(
                f"{type(value).__name__}.{name} cannot be stored with the model: {error}. Set it to None before you return the model, "
                "or return the model's booster alone"
            ) from error
    return canonical_json(note).decode()


def class_of(note: str, allowed: Mapping[str, Any]) -> Any:
    """The class that a note names, out of those allowed.

    Raises:
        ValueError: it names none of them.
    """
    record = json.loads(note)
    name = record.get("class") if isinstance(record, dict) else None
    if not isinstance(name, str) or name not in allowed:
        raise ValueError(f"the file names the class {str(name)[:80]!r}; known are {', '.join(allowed)}")
    return allowed[name]


def restore(value: Any, note: str) -> None:
    """Set the attributes of a note.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError, NoCodecError: it was not written by ``to_note``.
    """
    import numpy as np

    record = json.loads(note)
    attributes = {name: from_json(form) for name, form in record["attributes"].items()}
    for name, (dtype, form) in record["arrays"].items():
        if np.dtype(dtype).kind not in _ARRAY_KINDS:
            raise ValueError(f"no array of {dtype[:40]!r}")
        attributes[name] = np.array(from_json(form), dtype=dtype)
    if odd := [
        name for name in attributes if not name.isidentifier() or name.startswith("__") or _is_taken(value, name)
    ]:
        raise ValueError(f"not attributes: {', '.join(odd)[:200]}")
    vars(value).update(attributes)


def _is_taken(value: Any, name: str) -> bool:
    """Whether the class has a method or property of this name, which an attribute would hide."""
    found = getattr_static(type(value), name, None)
    return callable(found) or isinstance(found, (property, classmethod, staticmethod))


def _is_column(value: Any) -> bool:
    """Whether it is an array that a note can hold; one that it cannot is left to ``to_json``, which says so."""
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 0) == 1 and value.dtype.kind in _ARRAY_KINDS


def _plain(value: Any) -> Any:
    """Scores are kept in dicts that remember their order, or make members; what counts is what they hold."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(member) for member in value] if type(value) is list else value
