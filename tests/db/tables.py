"""Whole tables, to be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import DataRow, DatasetRow, FlowRow, IoRow, JobRow, RunRow, metadata
from sematic_airflow_provider.db.packed import texts

PROJECTION = (JobRow, DatasetRow, RunRow, DataRow, IoRow, FlowRow)


def made(url: str) -> Engine:
    """An engine on new tables, whose foreign keys hold."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up)
    metadata.create_all(engine)
    return engine


def _set_up(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=OFF")


def sqlite(folder: Path, name: str = "lineage") -> Engine:
    """A database in a file."""
    return made(f"sqlite:///{folder}/{name}.db")


def projection(session: Session) -> dict[str, list[Any]]:
    """Every row of the projection, every column but the numbers of edges; facets as text."""
    found = {}
    for table in PROJECTION:
        columns = [column.key for column in table.__table__.columns if column.key != "id"]
        rows = session.scalars(select(table)).all()
        unpacked = iter(texts(session, [row.facets for row in rows]) if "facets" in columns else ())
        told = [
            tuple(str(next(unpacked) if name == "facets" else getattr(row, name)) for name in columns) for row in rows
        ]
        found[table.__tablename__] = sorted(told)
    session.rollback()
    session.expire_all()
    return found
