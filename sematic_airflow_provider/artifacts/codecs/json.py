"""``json/1``: plain values as canonical JSON, readable with ``cat``.

None, bool, int, float, str, lists and dicts with text keys are stored as themselves, dict keys sorted: equal dicts have
equal digests whatever order they were filled in, and come back sorted. What JSON has no form for is a tagged object,
``{"$type": "datetime", "value": "…"}``: tuples, sets, bytes, dates and times, Decimal, UUID, NaN and infinity, dicts with
other keys, whole numbers of thousands of digits. Only exact types: a subclass is not silently stored as its base.
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
from zoneinfo import ZoneInfo

from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.errors import NoCodecError

TAG = "$type"
_MAX_DEPTH = 200
_MAX_INT_BITS = 10_000  # Python refuses to write or read much longer numbers as decimal text
_MAX_SHARED_INT = 2**63  # what every JSON database keeps exactly

_TO_TEXT: dict[type, tuple[str, Callable[[Any], str]]] = {
    bytes: ("bytes", lambda v: base64.b64encode(v).decode()),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", dt.time.isoformat),
    dt.timedelta: ("timedelta", lambda v: f"{v.days},{v.seconds},{v.microseconds}"),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "bytes": lambda t: base64.b64decode(t, validate=True),
    "date": lambda t: dt.date.fromisoformat(t),
    "time": lambda t: dt.time.fromisoformat(t),
    "timedelta": lambda t: dt.timedelta(*(int(part) for part in t.split(","))),
    "decimal": Decimal,
    "uuid": UUID,
    "float": float,
    "int": lambda t: int(t, 16),
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

    def decode(self, data: memoryview) -> Any:
        """The value; type by type what was saved."""
        return from_json(json.loads(bytes(data)))


def to_json(value: Any, depth: int = 0) -> Any:
    """The JSON form of a value.

    Raises:
        NoCodecError: a part of it has none, or it is nested too deep (or in itself).
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return _checked_text(value)
    if kind is int:
        return value if value.bit_length() <= _MAX_INT_BITS else {TAG: "int", "value": hex(value)}
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
    if kind is dt.datetime:
        return _from_datetime(value)
    if kind in _TO_TEXT and not (kind is dt.time and (value.fold or not _has_fixed_offset(value))):
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
    if tag == "datetime" and isinstance(content, str):
        return _to_datetime(content, record)
    if tag in _FROM_TEXT and isinstance(content, str):
        return _FROM_TEXT[tag](content)
    raise ValueError(f"unknown JSON tag {str(tag)[:40]!r}")


def is_plain(form: Any, value: Any) -> bool:
    """Whether a value is its own JSON form, and one that every JSON column gives back as it was, so that it can stand in a ref.

    PostgreSQL's JSONB refuses NUL in text, writes 1e16 as a whole number and drops the sign of zero; MySQL's keeps whole numbers of 64 bits.
    """
    if type(form) is not type(value):
        return False
    if isinstance(form, list):
        return all(is_plain(a, b) for a, b in zip(form, value, strict=True))
    if isinstance(form, dict):
        return all("\0" not in key and key in value and is_plain(member, value[key]) for key, member in form.items())
    if isinstance(form, str):
        return "\0" not in form
    if isinstance(form, float):
        return abs(form) < 1e16 and (form != 0 or math.copysign(1, form) > 0)
    return not isinstance(form, int) or -_MAX_SHARED_INT <= form < _MAX_SHARED_INT


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoCodecError(f"text with a lone surrogate cannot be stored: {error.reason} at {error.start}") from error
    return text


def _has_fixed_offset(value: dt.datetime | dt.time) -> bool:
    return value.tzinfo is None or type(value.tzinfo) is dt.timezone


def _from_datetime(value: dt.datetime) -> dict[str, Any]:
    """ISO 8601, which knows offsets only: a named zone, and which of two equal clock times is meant, stand beside it."""
    record: dict[str, Any] = {TAG: "datetime", "value": value.isoformat()}
    if not _has_fixed_offset(value):
        if type(value.tzinfo) is not ZoneInfo or value.tzinfo.key is None:
            raise NoCodecError(
                f"a datetime with the time zone {value.tzinfo!r} has no JSON form: use zoneinfo or datetime.timezone"
            )
        record |= {"value": value.replace(tzinfo=None).isoformat(), "zone": value.tzinfo.key}
    return record | {"fold": 1} if value.fold else record


def _to_datetime(text: str, record: dict[str, Any]) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    if "zone" in record:
        value = value.replace(tzinfo=ZoneInfo(str(record["zone"])))
    return value.replace(fold=1) if record.get("fold") == 1 else value
