"""Rows of many keys: as one array in PostgreSQL, where a list of parameters costs SQLAlchemy more time than the database takes to look them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

T = TypeVar("T")

_CHUNK: Final = 400  # below the number of variables that every database takes in one statement


def one_of(session: Session, column: Any, keys: Sequence[Any]) -> ColumnElement[bool]:
    """The condition that a column has one of these values."""
    if session.get_bind().dialect.name != "postgresql":
        found: ColumnElement[bool] = column.in_(keys)
        return found
    equal: ColumnElement[bool] = column == any_(bindparam(None, list(keys), type_=ARRAY(column.type)))
    return equal


def chunks(items: Sequence[T], size: int = _CHUNK) -> Iterator[Sequence[T]]:
    """The items in parts that fit into one statement."""
    return (items[start : start + size] for start in range(0, len(items), size))
