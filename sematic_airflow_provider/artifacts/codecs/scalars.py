"""Single values that JSON has no form for, as records: those of the standard library, and scalars of NumPy and pandas."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

from sematic_airflow_provider.errors import NoCodecError

_TO_TEXT: dict[type, tuple[str, Callable[[Any], str]]] = {
    bytes: ("bytes", lambda v: base64.b64encode(v).decode()),
    Decimal: ("decimal", str),
    Fraction: ("fraction", str),
    UUID: ("uuid", str),
    PurePosixPath: ("pureposixpath", str),
    PureWindowsPath: ("purewindowspath", str),
    complex: ("complex", lambda v: f"{v.real!r},{v.imag!r}"),
    range: ("range", lambda v: f"{v.start},{v.stop},{v.step}"),
}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "bytes": lambda t: base64.b64decode(t, validate=True),
    "decimal": Decimal,
    "fraction": lambda t: Fraction(*(int(part) for part in t.split("/"))),  # Fraction("1e999999999") would never end
    "uuid": UUID,
    "pureposixpath": PurePosixPath,
    "purewindowspath": PureWindowsPath,
    "complex": lambda t: complex(*(float(part) for part in t.split(","))),
    "range": lambda t: range(*(int(part) for part in t.split(","))),
    "float": float,
    "int": lambda t: int(t, 16),
}
_NUMPY = "numpy."
_NUMPY_NAME = r"bool|u?int\d{1,2}|float\d{2}|(datetime|timedelta)64(\[\d{0,9}[a-zA-Zμ]{1,2}\])?"
_PLAIN_KINDS = "biuf"  # of dtypes whose scalars are exactly a bool, a whole number or a float


def to_record(value: Any) -> tuple[str, dict[str, Any]] | None:
    """The tag and the content of a value; None for one of another type."""
    kind = type(value)
    if kind in _TO_TEXT:
        tag, write = _TO_TEXT[kind]
        try:
            text = write(value)
            text.encode()
        except ValueError as error:  # whole numbers of thousands of digits; names with bytes that are no text
            raise NoCodecError(f"this {kind.__name__} has no JSON form: {error}") from error
        return tag, {"value": text}
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return ("pandas.NA" if value is pandas.NA else "pandas.NaT"), {}
    if numpy is not None and isinstance(value, numpy.generic):
        return _numpy_record(numpy, value)
    return None


def from_record(tag: str, record: Mapping[str, Any]) -> Any:
    """The value of a record.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: there is no such tag, or it is not well-formed.
        NoCodecError: a library it needs is not installed.
    """
    if tag in ("pandas.NA", "pandas.NaT"):
        pandas = _library("pandas")
        return pandas.NA if tag == "pandas.NA" else pandas.NaT
    if tag.startswith(_NUMPY):
        return _numpy_scalar(tag.removeprefix(_NUMPY), record["value"])
    text = record["value"]
    if tag not in _FROM_TEXT or not isinstance(text, str):
        raise ValueError(f"unknown JSON tag {tag[:40]!r}")
    return _FROM_TEXT[tag](text)


def _numpy_record(numpy: Any, value: Any) -> tuple[str, dict[str, Any]] | None:
    """Scalars that a plain number, or text, stands for exactly; the others are arrays without dimensions."""
    dtype = value.dtype
    if numpy.dtype(dtype.str).type is not type(value) or dtype.itemsize > 8:
        return None
    if dtype.kind in _PLAIN_KINDS:
        return _NUMPY + dtype.name, {"value": value.item()}
    if dtype.kind in "mM":
        return _NUMPY + dtype.name, {"value": int(value.astype("int64"))}
    return None


def _numpy_scalar(name: str, content: Any) -> Any:
    if not re.fullmatch(_NUMPY_NAME, name):
        raise ValueError(f"no scalar of dtype {name[:40]!r}")
    dtype = _library("numpy").dtype(name)
    if dtype.kind in "mM" and type(content) is int:
        return _library("numpy").int64(content).astype(dtype)
    expected = {"b": bool, "i": int, "u": int, "f": float}.get(dtype.kind)
    if dtype.name != name or type(content) is not expected:
        raise ValueError(f"no scalar of dtype {name[:40]!r}")
    return dtype.type(content)


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise NoCodecError(
            f"this value holds a scalar of {name}, which is not installed here: pip install {name}"
        ) from error
