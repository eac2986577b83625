"""OpenLineage events as they arrive: checked, kept as received, told apart.

Follows the OpenLineage specification (core 2-0-2), and is lenient where producers in the field are: a missing producer, schemaURL or eventType is
accepted, a time without zone is taken as UTC, unknown facets are kept.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.canonical import MAX_DEPTH, Member, canonical_event

Kind = Literal["run", "job", "dataset"]

__all__ = ["MAX_DEPTH", "Event", "event_of_text", "json_of_text", "known_event", "parse_event", "parse_time"]

MAX_BYTES: Final = 4 << 20
MAX_NAME: Final = 2000
EVENT_TYPES: Final = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")

_OFFSET_WITHOUT_COLON: Final = re.compile(r"([+-]\d{2})(\d{2})$")


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``digest`` identifies it by content: OpenLineage has no event id, so equal events are one event."""

    digest: Digest
    kind: Kind
    time: dt.datetime
    type: str
    run_id: str | None
    namespace: str
    name: str
    payload: Mapping[str, Any]
    text: str
    """The canonical JSON that the digest is of."""
    members: tuple[Member, ...]
    """The facets, and where they stand in the text."""


def parse_event(record: Any) -> Event:
    """Check one event.

    Raises:
        EventRejectedError: with the field that is wrong, and why.
    """
    if type(record) is not dict:
        raise EventRejectedError("event", f"must be a JSON object, it is {type(record).__name__}")
    text, members = canonical_event(record)
    try:
        data = text.encode()
    except UnicodeEncodeError as error:  # half of a pair that stands for one character
        raise EventRejectedError("event", f"is no JSON: {error.reason}") from error
    if len(data) > MAX_BYTES:
        raise EventRejectedError("event", f"has {len(data)} bytes, the most is {MAX_BYTES}")
    time = parse_time(record.get("eventTime"), "eventTime")
    for direction in ("inputs", "outputs"):
        _check_datasets(record.get(direction), direction)
    kind = _kind(record)
    run_id, event_type = None, "OTHER"
    if kind == "run":
        run, event_type = _object(record, "run"), record.get("eventType") or "OTHER"
        if not isinstance(event_type, str) or event_type not in EVENT_TYPES:
            raise EventRejectedError(
                "eventType", f"must be one of {', '.join(EVENT_TYPES)}, it is {str(event_type)[:40]!r}"
            )
        _facets(run, "run.facets")
        run_id = _run_id(run)
    subject = "dataset" if kind == "dataset" else "job"
    named = _object(record, subject)
    _facets(named, f"{subject}.facets")
    namespace, name = _text(named, "namespace", subject), _text(named, "name", subject)
    return Event(digest_bytes(data), kind, time, event_type, run_id, namespace, name, record, text, members)


def _kind(record: Mapping[str, Any]) -> Kind:
    """By what there is, not by schemaURL, which producers get wrong; what is null is not there."""
    if record.get("run") is not None:
        return "run"
    has = [name for name in ("job", "dataset") if record.get(name) is not None]
    if has == ["job"]:
        return "job"
    if has == ["dataset"]:
        return "dataset"
    if not has and "run" in record:
        raise EventRejectedError("run", "is required and must be an object")
    raise EventRejectedError("event", "must have a run and a job, or a job alone, or a dataset alone")


def known_event(text: bytes, digest: str, time: dt.datetime, run_id: str) -> Event:
    """An event of a run that was checked when it was stored: only its facts are looked up, and no text is made of it."""
    record = json.loads(text)
    job = record["job"]
    event_type = record.get("eventType") or "OTHER"
    return Event(Digest(digest), "run", time, event_type, run_id, job["namespace"], job["name"], record, "", ())


def event_of_text(text: str | bytes) -> Event:
    """An event that was stored.

    Raises:
        EventRejectedError: it is not one.
    """
    return parse_event(json_of_text(text))


def json_of_text(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        EventRejectedError: it is none, or holds what we cannot keep (a number of thousands of digits, thousands of levels).
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EventRejectedError("event", f"is no JSON: {error}") from error


def parse_time(value: Any, field: str) -> dt.datetime:
    """An ISO 8601 time, in UTC.

    Raises:
        EventRejectedError: it is none.
    """
    if not isinstance(value, str):
        raise EventRejectedError(field, "is required: a time such as 2026-01-31T12:00:00Z")
    text = value.strip().replace("Z", "+00:00").replace("z", "+00:00")
    head, dot, rest = text.partition(".")
    if dot:  # Java gives nanoseconds; before Python 3.11 only 3 or 6 digits are read
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = f"{head}.{rest[:digits][:6]:0<6}{rest[digits:]}"
    text = _OFFSET_WITHOUT_COLON.sub(r"\1:\2", text) if "T" in text or " " in text else text
    try:
        moment = dt.datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError) as error:
        raise EventRejectedError(field, f"is no time: {value[:60]!r}") from error


def _run_id(run: Mapping[str, Any]) -> str:
    value = run.get("runId")
    try:
        return str(uuid.UUID(str(value)))
    except ValueError as error:
        raise EventRejectedError("run.runId", f"must be a UUID, it is {str(value)[:60]!r}") from error


def _object(record: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = record.get(field)
    if type(value) is not dict:
        raise EventRejectedError(field, "is required and must be an object")
    return value


def _facets(record: Mapping[str, Any], field: str) -> None:
    facets = record.get("facets")
    if facets is not None and type(facets) is not dict and facets:
        raise EventRejectedError(field, "must be an object")


def _text(record: Mapping[str, Any], field: str, where: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value:
        raise EventRejectedError(f"{where}.{field}", "is required and must be text")
    if len(value) > MAX_NAME:
        raise EventRejectedError(f"{where}.{field}", f"has {len(value)} characters, the most is {MAX_NAME}")
    if "\0" in value:
        raise EventRejectedError(f"{where}.{field}", "has a NUL character")
    return value


def _check_datasets(value: Any, field: str) -> None:
    if value is None:
        return
    if not isinstance(value, list):
        raise EventRejectedError(field, "must be an array")
    for index, dataset in enumerate(value):
        if type(dataset) is not dict:
            raise EventRejectedError(f"{field}[{index}]", "must be an object")
        name = _text(dataset, "name", f"{field}[{index}]")
        # Airflow's provider tells so of a file by its path.
        if dataset.get("namespace") != "" or not name.startswith("/"):
            _text(dataset, "namespace", f"{field}[{index}]")
        _facets(dataset, f"{field}[{index}].facets")
