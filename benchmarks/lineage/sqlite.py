"""The same store in SQLite: rows as they are in PostgreSQL, in SQLite's forms."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Date, DateTime, Engine, TypeDecorator, Uuid

from benchmarks.lineage.fill import say
from sematic_airflow_provider.db.models import Base

_ROWS = 5000


def copy(engine: Engine, file: Path) -> None:
    """Copy all our tables into a file that has them, empty."""
    with closing(sqlite3.connect(file)) as into:
        into.execute("PRAGMA synchronous = OFF")
        for table in Base.metadata.sorted_tables:
            say(f"SQLite: {table.name}")
            names = [column.name for column in table.columns]
            query = f"SELECT {', '.join(_as_text(column) for column in table.columns)} FROM {table.name}"
            statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            source: Any = engine.raw_connection()
            try:
                with source.cursor(name="rows") as cursor:
                    cursor.itersize = _ROWS
                    cursor.execute(query)
                    while rows := cursor.fetchmany(_ROWS):
                        into.executemany(statement, rows)
            finally:
                source.close()
            into.commit()
        into.execute("ANALYZE")
        into.commit()
    file.with_suffix(".made").touch()


def _as_text(column: Any) -> str:
    """How SQLAlchemy writes a value of this type into SQLite."""
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(kind, Uuid):
        return f"replace({column.name}::text, '-', '')"
    if isinstance(kind, DateTime):
        return f"to_char({column.name}, 'YYYY-MM-DD HH24:MI:SS.US')"
    if isinstance(kind, Date):
        return f"{column.name}::text"
    return f"{column.name}"
