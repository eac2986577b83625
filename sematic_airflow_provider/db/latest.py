"""What is true of a job or data set by its latest event without a run: such an event is the whole picture, and replaces what was told before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import EventRow
from sematic_airflow_provider.db.packed import texts


def latest_event(session: Session, subject_key: str) -> dict[str, Any] | None:
    """The latest event that is of this job or data set and of no run; None where there is none, or its text is gone."""
    query = (
        select(EventRow.event_time, EventRow.digest, EventRow.payload)
        .where(EventRow.subject_key == subject_key)
        .order_by(EventRow.event_time.desc(), EventRow.digest.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    if row is None or row.payload is None:
        return None
    event: dict[str, Any] = json.loads(texts(session, [row.payload])[0])
    return event


def latest_job_facets(session: Session, job_key: str) -> Mapping[str, Any]:
    """The facets of a job by its latest job event; empty where it has none."""
    return _facets(latest_event(session, job_key), "job")


def latest_dataset_facets(session: Session, dataset_key: str) -> Mapping[str, Any]:
    """The facets of a data set by its latest data set event; empty where it has none."""
    return _facets(latest_event(session, dataset_key), "dataset")


def _facets(event: Mapping[str, Any] | None, subject: str) -> Mapping[str, Any]:
    told = ((event or {}).get(subject) or {}).get("facets") or {}
    return {
        name: facet
        for name, facet in told.items()
        if facet is not None and not (isinstance(facet, dict) and facet.get("_deleted") is True)
    }
