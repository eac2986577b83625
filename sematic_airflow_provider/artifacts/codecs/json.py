"""``json/1``: plain values as canonical JSON, readable with ``cat``.

None, bool, int, float, str, lists and dicts with text keys are stored as themselves, dict keys sorted: equal dicts have equal digests whatever order they were
filled in, and come back sorted. What JSON has no form for is a tagged object, ``{"$type": "datetime", "value": "…"}``: tuples, sets, bytes, dates and times,
Decimal, UUID, NaN and infinity, dicts with other keys, whole numbers of thousands of digits, scalars of NumPy and pandas inside of other values; members of
enums by their names; dataclasses, pydantic models and named tuples by their fields. Only exact types: a subclass is not silently stored as its base.
"""

from __future__ import annotations

import json
import math
import sys
from enum import Enum
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs import declared, scalars, times
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import NoCodecError

TAG = "$type"
_MAX_DEPTH = 200
_MAX_INT_BITS = 10_000  # Python refuses to write or read much longer numbers as decimal text
_MAX_SHARED_INT = 2**63  # what every JSON database keeps exactly
_CONTAINERS: dict[str, type] = {"tuple": tuple, "set": set, "frozenset": frozenset}


class JsonCodec:
    """See the module."""

    name = "json/1"
    deterministic = True

    def handles(self, value: object) -> bool:
        """Whether it is made of nothing but the types above."""
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic):
            return False  # alone they are arrays without dimensions
        return why_not(value) is None

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write canonical JSON."""
        file.write(canonical_json(to_json(value)))

    def decode(self, data: memoryview) -> Any:
        """The value; type by type what was saved."""
        try:
            record = json.loads(bytes(data))
        except RecursionError as error:
            raise ValueError("JSON that is nested too deep was not written by this codec") from error
        return from_json(record)


def why_not(value: Any) -> str | None:
    """What keeps a value from having a JSON form; None where it has one."""
    try:
        to_json(value)
    except NoCodecError as error:
        return str(error)
    return None


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
        members = (to_json(member, depth + 1) for member in value)
        return {TAG: kind.__name__, "value": sorted(members, key=canonical_json)}
    return _tagged(value, depth)


def from_json(record: Any) -> Any:
    """The value of a JSON form.

    Raises:
        ValueError: a tagged object that this version does not know, or that is not well-formed.
        NoCodecError: a class or library that it needs is not here.
    """
    try:
        return _read(record, 0)
    except (NoCodecError, ValueError):
        raise
    # what types make of contents that are not theirs; a time zone that is not known is a KeyError, one that is a folder an OSError
    except (TypeError, ArithmeticError, LookupError, AttributeError, OSError, RecursionError) as error:
        raise ValueError(f"not a value's JSON form: {type(error).__name__}: {error}") from error


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


def _tagged(value: Any, depth: int) -> dict[str, Any]:
    kind = type(value)
    if isinstance(value, Enum):
        return {TAG: "enum", **declared.enum_record(value)}
    found = times.to_record(value) or scalars.to_record(value)
    if found is not None:
        tag, content = found
        return {TAG: tag, **{key: to_json(member, depth + 1) for key, member in content.items()}}
    fields = None if kind is ArtifactRef else declared.fields_of(value)  # a ref stands for its artifact
    if fields is None:
        raise NoCodecError(f"{kind.__module__}.{kind.__qualname__} has no JSON form")
    members = {}
    for name, member in fields.items():
        try:
            members[name] = to_json(member, depth + 1)
        except NoCodecError as error:
            raise NoCodecError(f"field {name} of {kind.__qualname__}: {error}") from error
    return {TAG: "fields", "class": declared.type_name(value), "value": members}


def _read(record: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH + 2:  # the parts of what is no container
        raise ValueError("JSON that is nested too deep was not written by this codec")
    if isinstance(record, list):
        return [_read(member, depth + 1) for member in record]
    if not isinstance(record, dict):
        return record
    if TAG not in record:
        return {key: _read(member, depth + 1) for key, member in record.items()}
    tag: Any = record[TAG]
    content: Any = record.get("value")
    if not isinstance(tag, str):
        raise ValueError("a JSON tag that is no text")  # noqa: TRY004 - the stored bytes are wrong, not an argument
    if tag == "dict":
        return {_read(key, depth + 1): _read(member, depth + 1) for key, member in content}
    if tag in _CONTAINERS and isinstance(content, list):
        return _CONTAINERS[tag](_read(member, depth + 1) for member in content)
    if tag == "fields":
        members = {name: _read(member, depth + 1) for name, member in content.items()}
        return declared.rebuild(str(record["class"]), members)
    if tag == "enum":
        return declared.enum_member(record)
    if tag in times.TAGS:
        return times.from_record(tag, record)
    return scalars.from_record(tag, {key: _read(member, depth + 1) for key, member in record.items() if key != TAG})


def _checked_text(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoCodecError(f"text with a lone surrogate cannot be stored: {error.reason} at {error.start}") from error
    return text
