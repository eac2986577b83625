"""UBJSON as XGBoost writes it, read strictly: what XGBoost's own reader, which trusts its input, would make of a file is known before it sees it."""

from __future__ import annotations

from typing import Any

_DEPTH = 20
_SCALARS = {"i": "i1", "U": "u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"T": True, "F": False, "Z": None}


def parse(data: memoryview) -> Any:
    """The document; arrays of one type are NumPy arrays that lie in the data.

    Raises:
        ValueError: it is none, or not written as XGBoost does.
    """
    try:
        value, end = _value(data, 0, _DEPTH)
    except IndexError as error:
        raise ValueError("UBJSON that ends too early") from error
    if end != len(data):
        raise ValueError("UBJSON with something behind its end")
    return value


def _value(data: memoryview, at: int, depth: int) -> tuple[Any, int]:
    import numpy as np

    marker, at = chr(data[at]), at + 1
    if marker in _SCALARS:
        dtype = np.dtype(_SCALARS[marker])
        return _array(data, at, dtype, 1)[0].item(), at + dtype.itemsize
    if marker == "S":
        return _text(data, at)
    if marker in _CONSTANTS:
        return _CONSTANTS[marker], at
    if not depth:
        raise ValueError("UBJSON that is nested too deep")
    if marker == "{":
        return _object(data, at, depth)
    if marker != "[":
        raise ValueError(f"UBJSON with the marker {marker!r}")
    if data[at] == ord("$"):
        dtype = np.dtype(_SCALARS.get(chr(data[at + 1]), "V0"))
        count, at = _length(data, at + 2, "#")
        return _array(data, at, dtype, count), at + count * dtype.itemsize
    count, at = _length(data, at, "#")
    values = []
    for _ in range(count):
        value, at = _value(data, at, depth - 1)
        values.append(value)
    return values, at


def _object(data: memoryview, at: int, depth: int) -> tuple[dict[str, Any], int]:
    members: dict[str, Any] = {}
    while data[at] != ord("}"):
        key, at = _text(data, at)
        if key in members:
            raise ValueError(f"UBJSON that has {key[:40]!r} twice")  # readers differ in which one counts
        members[key], at = _value(data, at, depth - 1)
    return members, at + 1


def _text(data: memoryview, at: int) -> tuple[str, int]:
    count, at = _length(data, at)
    return str(data[at : at + count], "utf-8"), at + count


def _length(data: memoryview, at: int, before: str = "") -> tuple[int, int]:
    start = at + len(before)
    if bytes(data[at : start + 1]) != f"{before}L".encode():
        raise ValueError("UBJSON with a length that XGBoost does not write")
    count = int.from_bytes(data[start + 1 : start + 9], "big", signed=True)
    if not 0 <= count <= len(data) - start - 9:
        raise ValueError("UBJSON that ends too early")
    return count, start + 9


def _array(data: memoryview, at: int, dtype: Any, count: int) -> Any:
    import numpy as np

    if not dtype.itemsize or at + count * dtype.itemsize > len(data):
        raise ValueError("UBJSON with an array that cannot be")
    return np.frombuffer(data, dtype, count, at)
