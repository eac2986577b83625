"""A database with the lineage tables in a file, and events in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import metadata
from sematic_airflow_provider.lineage.events import parse_event


def database(folder: Path, name: str = "lineage") -> Session:
    """A session of a new database."""
    engine = create_engine(f"sqlite:///{folder}/{name}.db", connect_args={"timeout": 30})
    metadata.create_all(engine)
    return Session(engine)


def take(session: Session, *events: dict[str, Any]) -> int:
    """Take events in; how many were new."""
    return ingest(session, [parse_event(event) for event in events])
