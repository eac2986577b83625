"""Dates and times as JSON records, those of pendulum (which Airflow's context is made of) and pandas included.

A record is ``{"$type": "datetime", "value": "…"}``. ISO 8601 knows offsets only: a named zone, and which of two equal clock times is meant, stand beside it.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sematic_airflow_provider.errors import NoCodecError

Record = dict[str, Any]

_STANDARD: dict[type, str] = {
    dt.datetime: "datetime",
    dt.date: "date",
    dt.time: "time",
    dt.timedelta: "timedelta",
}
_PENDULUM = {"DateTime": "pendulum.datetime", "Date": "pendulum.date", "Time": "pendulum.time"}
_PANDAS = {"Timestamp": "pandas.timestamp", "Timedelta": "pandas.timedelta"}
_DURATION = ("years", "months", "weeks", "days", "hours", "minutes", "seconds", "microseconds")


def to_record(value: Any) -> tuple[str, Record] | None:
    """The tag and the content of a date or time; None for anything else.

    Raises:
        NoCodecError: its time zone cannot be told by name or offset.
    """
    kind = type(value)
    tag = _STANDARD.get(kind) or _tag_of(kind, "pendulum", _PENDULUM) or _tag_of(kind, "pandas", _PANDAS)
    if tag is None:
        if kind is getattr(sys.modules.get("pendulum"), "Duration", None):
            # the parts, not the sum: a month has no length
            return "pendulum.duration", {"parts": {name: n for name, n in value._signature.items() if n}}
        return None
    if tag == "pandas.timestamp":
        stamp = value.tz_localize(None) if value.tz is None else value.tz_convert(None)
        return tag, {"value": int(stamp.asm8.astype("int64")), "unit": value.unit, **_zone(value.tzinfo, always=True)}
    if tag == "pandas.timedelta":
        return tag, {"value": int(value.asm8.astype("int64")), "unit": value.unit}
    if tag == "timedelta":
        return tag, {"value": f"{value.days},{value.seconds},{value.microseconds}"}
    if tag.endswith("date"):
        return tag, {"value": dt.date.isoformat(value)}
    zone = _zone(value.tzinfo)
    plain = value.replace(tzinfo=None) if zone else value
    # the standard type's own text: pendulum writes it a little differently
    text = dt.datetime.isoformat(plain) if isinstance(plain, dt.datetime) else dt.time.isoformat(plain)
    return tag, {"value": text, **zone} | ({"fold": 1} if value.fold else {})


def from_record(tag: str, record: Mapping[str, Any]) -> Any:
    """The value of a record.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: it is not well-formed.
        NoCodecError: a library it needs is not installed.
    """
    return _READERS[tag](record)


def _tag_of(kind: type, library: str, tags: Mapping[str, str]) -> str | None:
    module = sys.modules.get(library)
    if module is None:
        return None
    return next((tag for name, tag in tags.items() if kind is getattr(module, name, None)), None)


def _zone(zone: Any, *, always: bool = False) -> Record:
    """What is written of a zone; nothing where the offset says it all, unless always."""
    pendulum: Any = sys.modules.get("pendulum")
    if zone is None:
        return {}
    if type(zone) is dt.timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        named = name != dt.timezone(offset).tzname(None)
        return {"offset": [offset // dt.timedelta(microseconds=1), name if named else None]} if named or always else {}
    if type(zone) is ZoneInfo and zone.key is not None:
        return {"zone": zone.key}
    if pendulum is not None and type(zone) is pendulum.Timezone:
        return {"pendulum_zone": zone.name}
    if pendulum is not None and type(zone) is pendulum.FixedTimezone:
        return {"pendulum_offset": [zone.offset, zone.name]}
    raise NoCodecError(f"the time zone {zone!r} has no JSON form: use zoneinfo, pendulum or datetime.timezone")


def _read_zone(record: Mapping[str, Any]) -> dt.tzinfo | None:
    if "zone" in record:
        return ZoneInfo(str(record["zone"]))
    if "offset" in record:
        microseconds, name = record["offset"]
        offset = dt.timedelta(microseconds=microseconds)
        return dt.timezone(offset) if name is None else dt.timezone(offset, name)
    if "pendulum_zone" in record:
        zone: dt.tzinfo = _library("pendulum").timezone(str(record["pendulum_zone"]))
        return zone
    if "pendulum_offset" in record:
        seconds, name = record["pendulum_offset"]
        fixed: dt.tzinfo = _library("pendulum").FixedTimezone(seconds, name)
        return fixed
    return None


def _with_zone(value: Any, record: Mapping[str, Any]) -> Any:
    zone = _read_zone(record)
    value = value if zone is None else value.replace(tzinfo=zone)
    return value.replace(fold=1) if record.get("fold") == 1 else value


def _read_datetime(record: Mapping[str, Any]) -> dt.datetime:
    value: dt.datetime = _with_zone(dt.datetime.fromisoformat(record["value"]), record)
    return value


def _read_time(record: Mapping[str, Any]) -> dt.time:
    value: dt.time = _with_zone(dt.time.fromisoformat(record["value"]), record)
    return value


def _read_pendulum_datetime(record: Mapping[str, Any]) -> Any:
    v = _read_datetime(record)
    cls = _library("pendulum").DateTime
    return cls(v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, tzinfo=v.tzinfo, fold=v.fold)


def _read_pendulum_date(record: Mapping[str, Any]) -> Any:
    v = dt.date.fromisoformat(record["value"])
    return _library("pendulum").Date(v.year, v.month, v.day)


def _read_pendulum_time(record: Mapping[str, Any]) -> Any:
    v = _read_time(record)
    return _library("pendulum").Time(v.hour, v.minute, v.second, v.microsecond, tzinfo=v.tzinfo, fold=v.fold)


def _read_duration(record: Mapping[str, Any]) -> Any:
    parts = record["parts"]
    if not set(parts) <= set(_DURATION):
        raise ValueError("a duration has no such parts")
    return _library("pendulum").Duration(**parts)


def _read_timestamp(record: Mapping[str, Any]) -> Any:
    pandas, numpy = _library("pandas"), _library("numpy")
    zone = _read_zone(record)
    stamp = pandas.Timestamp(numpy.datetime64(record["value"], _unit(record)))
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(zone)


def _read_pandas_timedelta(record: Mapping[str, Any]) -> Any:
    return _library("pandas").Timedelta(_library("numpy").timedelta64(record["value"], _unit(record)))


def _unit(record: Mapping[str, Any]) -> str:
    unit: str = record["unit"]
    if unit not in ("s", "ms", "us", "ns") or type(record["value"]) is not int:
        raise ValueError("pandas has no such time")
    return unit


def _library(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise NoCodecError(
            f"this value holds a date or time of {name}, which is not installed here: pip install {name}"
        ) from error


_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "datetime": _read_datetime,
    "date": lambda r: dt.date.fromisoformat(r["value"]),
    "time": _read_time,
    "timedelta": lambda r: dt.timedelta(*(int(part) for part in r["value"].split(","))),
    "pendulum.datetime": _read_pendulum_datetime,
    "pendulum.date": _read_pendulum_date,
    "pendulum.time": _read_pendulum_time,
    "pendulum.duration": _read_duration,
    "pandas.timestamp": _read_timestamp,
    "pandas.timedelta": _read_pandas_timedelta,
}
TAGS = frozenset(_READERS)
