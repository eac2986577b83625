"""Inserts of many rows, which may be there already, in each database's own words and in one statement.

PostgreSQL gets one array for each column: its driver would send a statement a row, and SQLAlchemy spend more time on each row than the database does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import String, func, insert
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

Rows = Sequence[Mapping[str, Any]]
Model = type[DeclarativeBase]

_PAGE = 5000  # rows of one statement


def insert_rows(session: Session, model: Model, rows: Rows) -> None:
    """Insert rows. All have the same columns, here and below.

    Raises:
        IntegrityError: one is there already.
    """
    if not rows:
        return
    if _dialect(session) == "postgresql":
        _insert_arrays(session, model, rows, "")
    else:
        session.connection().execute(insert(model.__table__), list(rows))  # type: ignore[arg-type]


def insert_missing(session: Session, model: Model, rows: Rows) -> None:
    """Insert rows, but those whose key is there. Rows should be sorted by key, as everywhere, so that no two transactions wait for each other."""
    if not rows:
        return
    table: Any = model.__table__
    name = _dialect(session)
    if name == "postgresql":
        _insert_arrays(session, model, rows, "ON CONFLICT DO NOTHING")
    elif name == "sqlite":
        session.connection().execute(sqlite.insert(table).on_conflict_do_nothing(), list(rows))
    else:
        into = mysql.insert(table)
        own = {column.name: table.c[column.name] for column in table.primary_key}
        session.connection().execute(into.on_duplicate_key_update(**own), list(rows))


def insert_or_renew(session: Session, model: Model, rows: Rows, renewed: str) -> None:
    """Insert rows; of those whose key is there, set one column, where that makes it greater."""
    _upsert(session, model, rows, [renewed], (renewed, ">"))


def insert_or_lower(session: Session, model: Model, rows: Rows, rank: str, *, or_equal: bool = False) -> None:
    """Insert rows; those whose key is there are replaced as a whole where the new one has the lower rank."""
    _upsert(session, model, rows, _others(model), (rank, "<=" if or_equal else "<"))


def insert_or_replace(session: Session, model: Model, rows: Rows) -> None:
    """Insert rows; those whose key is there are replaced as a whole."""
    _upsert(session, model, rows, _others(model))


def _upsert(
    session: Session, model: Model, rows: Rows, changed: list[str], where: tuple[str, str] | None = None
) -> None:
    """``where`` is a column, and how its new value must compare to the one that is there for a row to be changed."""
    if not rows:
        return
    table: Any = model.__table__
    keys = [column.name for column in table.primary_key]
    name = _dialect(session)
    if name == "postgresql":
        sets = ", ".join(f"{column} = excluded.{column}" for column in changed)
        only = f" WHERE excluded.{where[0]} {where[1]} {table.name}.{where[0]}" if where else ""
        _insert_arrays(session, model, rows, f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}{only}")
    elif name == "sqlite":
        into = sqlite.insert(table)
        better = into.excluded[where[0]].op(where[1])(table.c[where[0]]) if where else None
        changes = {column: into.excluded[column] for column in changed}
        statement = into.on_conflict_do_update(index_elements=keys, set_=changes, where=better)
        session.connection().execute(statement, list(rows))
    else:
        maria = mysql.insert(table)
        new = maria.inserted
        pairs = [(column, new[column]) for column in changed]
        if where:
            better = new[where[0]].op(where[1])(table.c[where[0]])
            # What is compared is set last: assignments are made one after the other.
            ordered = sorted(changed, key=lambda column: column == where[0])
            pairs = [(column, getattr(func, "if")(better, new[column], table.c[column])) for column in ordered]
        session.connection().execute(maria.on_duplicate_key_update(pairs), list(rows))


def _others(model: Model) -> list[str]:
    return [column.name for column in model.__table__.columns if not column.primary_key]


def _insert_arrays(session: Session, model: Model, rows: Rows, conflict: str) -> None:
    connection = session.connection()
    columns = _columns(model, connection.dialect)
    used = [column for column in columns if column[0] in rows[0]]
    names = ", ".join(name for name, _, _ in used)  # all of our own models
    arrays = ", ".join(f"CAST(%({name})s AS {kind}[])" for name, kind, _ in used)
    sql = f"INSERT INTO {model.__table__.name} ({names}) SELECT * FROM unnest({arrays}) {conflict}"  # type: ignore[attr-defined]  # noqa: S608
    for start in range(0, len(rows), _PAGE):
        page = rows[start : start + _PAGE]
        values = {
            name: [row[name] for row in page] if bind is None else [bind(row[name]) for row in page]
            for name, _, bind in used
        }
        connection.exec_driver_sql(sql, values)


@cache
def _columns(model: Model, dialect: Any) -> list[tuple[str, str, Any]]:
    """Name, type and conversion of each column."""
    found = []
    for column in model.__table__.columns:
        impl = column.type.dialect_impl(dialect)
        kind = "text" if isinstance(impl, String) else column.type.compile(dialect=dialect)  # a cast would cut it
        found.append((column.name, kind, impl.bind_processor(dialect)))
    return found


def _dialect(session: Session) -> str:
    return session.get_bind().dialect.name
