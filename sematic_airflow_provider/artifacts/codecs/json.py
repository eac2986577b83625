"""``json/1``: plain values as canonical JSON, readable with ``cat``.

None, bool, int, float, str, lists and dicts with text keys are stored as themselves, dict keys sorted: equal dicts have
equal digests whatever order they were filled in, and come back sorted. What JSON has no form for is a tagged object,
``{"$type": "datetime", "value": "…"}``: tuples, sets, bytes, dates and times, Decimal, UUID, NaN and infinity, dicts with
other keys. Only exact types: a subclass is not silently stored as its base.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, BinaryIO
from uuid import UUID

from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.errors import NoCodecError

TAG = "$type"
_MAX_DEPTH = 200

_TO_TEXT: dict[type, tuple[str, Callable[[Any], str]]] = {
    bytes: ("bytes", lambda v: base64.b64encode(v).decode()),
    dt.datetime: ("datetime", dt.datetime.isoformat),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", dt.time.isoformat),
    dt.timedelta: ("timedelta", lambda v: f"{v.days},{v.seconds},{v.microseconds}"),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "bytes": lambda t: base64.b64decode(t, validate=True),
    "datetime": lambda t: dt.datetime.fromisoformat(t),
    "date": lambda t: dt.date.fromisoformat(t),
    "time": lambda t: dt.time.fromisoformat(t),
    "timedelta": lambda t: dt.timedelta(*(int(part) for part in t.split(","))),
    "decimal": Decimal,
    "uuid": UUID,
    "float": float,
}


class JsonCodec:
    """See the module."""

    name = "json/1"
    deterministic = True

    def handles(self, value: object) -> bool:
        """Whether it is made of nothing but the types above."""
        try:
            to_json(value)
        except NoCodecError:
            return False
        return True

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write canonical JSON."""
        file.write(canonical_json(to_json(value)))

    def decode(self, data: bytes) -> Any:
        """The value; type by type what was saved."""
        return from_json(json.loads(data))


def to_json(value: Any, depth: int = 0) -> Any:
    """The JSON form of a value.

    Raises:
        NoCodecError: a part of it has none, or it is nested too deep (or in itself).
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return _checked_text(value) if kind is str else value
    if kind is float:
        return value if math.isfinite(value) else {TAG: "float", "value": repr(value)}
    if depth > _MAX_DEPTH:
        raise NoCodecError(f"a value nested deeper than {_MAX_DEPTH}, or holding itself, cannot be stored")
    if kind is list:
        return [to_json(member, depth + 1) for member in value]
    if kind is dict:
        if all(type(key) is str for key in value) and TAG not in value:
            return {_checked_text(key): to_json(member, depth + 1) for key, member in value.items()}
        pairs = [[to_json(key, depth + 1), to_json(member, depth + 1)] for key, member in value.items()]
        return {TAG: "dict", "value": sorted(pairs, key=canonical_json)}
    if kind is tuple:
        return {TAG: "tuple", "value": [to_json(member, depth + 1) for member in value]}
    if kind in (set, frozenset):
        return {
            TAG: kind.__name__,
            "value": sorted((to_json(member, depth + 1) for member in value), key=canonical_json),
        }
    if kind in _TO_TEXT and not (isinstance(value, (dt.datetime, dt.time)) and not _plain_zone(value)):
        tag, write = _TO_TEXT[kind]
        return {TAG: tag, "value": write(value)}
    raise NoCodecError(f"{kind.__module__}.{kind.__qualname__} has no JSON form")


def from_json(record: Any) -> Any:
    """The value of a JSON form.

    Raises:
        ValueError: a tagged object that this version does not know.
    """
    if isinstance(record, list):
        return [from_json(member) for member in record]
    if not isinstance(record, dict):
        return record
    if TAG not in record:
        return {key: from_json(member) for key, member in record.items()}
    tag, content = record[TAG], record.get("value")
    if tag == "dict" and isinstance(content, list):
        return {from_json(key): from_json(member) for key, member in content}
    if tag in ("tuple", "set", "frozenset") and isinstance(content, list):
        return {"tuple": tuple, "set": set, "frozenset": frozenset}[tag](from_json(member) for member in content)
    if tag in _FROM_TEXT and isinstance(content, str):
        return _FROM_TEXT[tag](content)
    raise ValueError(f"unknown JSON tag {str(tag)[:40]!r}")


def is_plain(value: Any) -> bool:
    """Whether a value is its own JSON form, so that it can stand in a ref as it is."""
    try:
        return bool(_same(to_json(value), value))
    except NoCodecError:
        return False


def _same(form: Any, value: Any) -> bool:
    if type(form) is not type(value):
        return False
    if isinstance(form, list):
        return all(_same(a, b) for a, b in zip(form, value, strict=True))
    if isinstance(form, dict):
        return all(key in value and _same(member, value[key]) for key, member in form.items())
    return bool(form == value)


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoCodecError(f"text with a lone surrogate cannot be stored: {error.reason} at {error.start}") from error
    return text


def _plain_zone(value: dt.datetime | dt.time) -> bool:
    """Only fixed offsets survive ISO 8601; a named zone would come back as its offset of that day."""
    return (value.tzinfo is None or type(value.tzinfo) is dt.timezone) and not value.fold
