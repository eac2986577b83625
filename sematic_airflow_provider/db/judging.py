"""Whether one event of the log is the one that was sealed."""

from __future__ import annotations

import json
import uuid
from typing import Any

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.db import removals
from sematic_airflow_provider.db.event_store import subject_key
from sematic_airflow_provider.db.verdict import ALTERED, REMOVED
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage import rollup
from sematic_airflow_provider.lineage.events import event_of_text, parse_time


def judged(row: Any, text: bytes | None, digest: str, *, expected: bool) -> tuple[str, str]:
    """What is wrong with an event, kind and words; empty where nothing is."""
    if row.digest != digest:
        return ALTERED, "its row has another digest than was sealed"
    if row.payload is None:
        return ("", "") if expected else (REMOVED, "its text was removed, and no notice of retention tells of it")
    if not text:
        return ALTERED, "its text cannot be put together: it is damaged, or a part of it is missing"
    if digest_bytes(text) != digest:
        return ALTERED, "its text is not the one that was sealed"
    wrong = _wrong_columns(row, text)
    return (ALTERED, f"its text is whole, but its row says another {wrong}") if wrong else ("", "")


def _wrong_columns(row: Any, text: bytes) -> str:
    """Which column of the row does not say what the text says; empty where all do."""
    try:
        told = _told(text)
    except (EventRejectedError, ValueError, KeyError, TypeError):
        return "kind"
    return next((name for name, value in told.items() if getattr(row, name) != value), "")


def _told(text: bytes) -> dict[str, Any]:
    record = json.loads(text)
    if "eventTime" not in record:  # events may have any other fields, but never lack this one
        if "policy" in record:
            return {"kind": removals.KIND, "run_id": None, "subject_key": removals.SUBJECT}
        return {"kind": rollup.KIND, "run_id": record["run"]}
    time = parse_time(record["eventTime"], "eventTime")
    if record.get("run") is not None:
        run_id = str(uuid.UUID(str(record["run"]["runId"])))
        return {"kind": "run", "run_id": run_id, "event_time": time, "subject_key": None}
    event = event_of_text(text)
    return {"kind": event.kind, "run_id": None, "event_time": time, "subject_key": subject_key(event)}
