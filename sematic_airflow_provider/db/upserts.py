"""Inserts of rows that may be there already, in each database's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

Rows = Sequence[Mapping[str, Any]]


def insert_missing(session: Session, model: type[DeclarativeBase], rows: Rows) -> None:
    """Insert rows, but those whose key is there. Rows should be sorted by key, as everywhere, so that no two transactions wait for each other."""
    if not rows:
        return
    if _is_mysql(session):
        statement = mysql.insert(model)
        keys = list(inspect(model).primary_key)
        own = {column.name: statement.inserted[column.name] for column in keys}
        session.execute(statement.on_duplicate_key_update(**own), rows)
    elif session.get_bind().dialect.name == "postgresql":
        session.execute(postgresql.insert(model).on_conflict_do_nothing(), rows)
    else:
        session.execute(sqlite.insert(model).on_conflict_do_nothing(), rows)


def insert_or_renew(session: Session, model: type[DeclarativeBase], rows: Rows, renewed: str) -> None:
    """Insert rows; of those whose key is there, set one column, where that changes it."""
    if not rows:
        return
    keys = list(inspect(model).primary_key)
    column = model.__table__.columns[renewed]
    if _is_mysql(session):
        into = mysql.insert(model)
        session.execute(into.on_duplicate_key_update(**{renewed: into.inserted[renewed]}), rows)
        return
    insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(model)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=keys,
            set_={renewed: statement.excluded[renewed]},
            where=column < statement.excluded[renewed],
        ),
        rows,
    )


def insert_or_replace(session: Session, model: type[DeclarativeBase], rows: Rows) -> None:
    """Insert rows; those whose key is there are replaced as a whole."""
    if not rows:
        return
    keys = list(inspect(model).primary_key)
    others = [column.name for column in model.__table__.columns if not column.primary_key]
    if _is_mysql(session):
        into = mysql.insert(model)
        session.execute(into.on_duplicate_key_update(**{name: into.inserted[name] for name in others}), rows)
        return
    insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(model)
    changed = {name: statement.excluded[name] for name in others}
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def _is_mysql(session: Session) -> bool:
    return session.get_bind().dialect.name in ("mysql", "mariadb")
