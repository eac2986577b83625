"""Single values as previews hold them: see ``form`` for numbers."""

from __future__ import annotations

import datetime as dt
import math
import reprlib
from typing import Any

from sematic_airflow_provider.artifacts.previews.form import Cell

TEXT = 200
_EXACT = 2**53
_BITS = 8192  # of numbers whose digits are worth writing; Python refuses those of much larger ones

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxother, _repr.maxstring, _repr.maxlong = 3, 120, 120, 120


def cell(value: Any, limit: int = TEXT) -> Cell:
    """Any value: numbers and flags as they are, times in ISO form, all else as text, cut with its length told."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _whole(int(value), limit)
    if isinstance(value, float):
        return _float(float(value))
    if isinstance(value, str):
        return cut(str(value), limit)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return None if value != value else value.isoformat()  # pandas' NaT is not itself
    if isinstance(value, (bytes, bytearray, memoryview)):
        return cut(bytes(value[: limit // 2 + 1]).hex(), limit, 2 * len(value))
    if type(value).__module__ == "numpy":
        return _numpy(value, limit)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, dt.timedelta):
        return str(value)
    return cut(_text(value), limit)


def cut(text: str, limit: int = TEXT, length: int | None = None) -> str:
    """Text of at most about that many characters; what is cut off is told."""
    whole = len(text) if length is None else length
    return text if whole <= limit else f"{text[:limit]}… ({whole:,} characters)"


def _text(value: Any) -> str:
    try:
        return _repr.repr(value) if isinstance(value, (list, tuple, dict, set, frozenset)) else str(value)
    except Exception as error:  # noqa: BLE001 - the classes of others raise what they like
        return f"({type(value).__name__}, which cannot be shown: {type(error).__name__})"


def _whole(value: int, limit: int) -> Cell:
    if abs(value) <= _EXACT:
        return value
    bits = value.bit_length()
    return cut(str(value), limit) if bits <= _BITS else f"a whole number of {bits:,} bits"


def _float(value: float) -> Cell:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _numpy(value: Any, limit: int) -> Cell:
    import numpy as np

    if isinstance(value, np.ndarray):
        return f"array {value.shape} {value.dtype}" if value.size > 20 else cut(str(value.tolist()), limit)
    if isinstance(value, np.floating):
        # the shortest digits of its own precision: 0.1 of 32 bits is 0.1, not 0.10000000149011612
        return _float(float(str(value))) if value.dtype.itemsize <= 8 else str(value)
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.complexfloating) or not isinstance(value, np.generic):
        return cut(_text(value), limit)
    return cell(value.item(), limit)
