"""Where Airflow's own tables name artifacts: XComs, asset events, rendered fields, run configurations, variables, notes, and whatever else holds text.

All tables are searched but those of ``_SKIPPED``, so that what a later Airflow stores elsewhere is found too. Naming too many is harmless.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from airflow.utils.session import create_session
from sqlalchemy import JSON, Column, LargeBinary, String, Table, Text, cast, func, or_, select

from sematic_airflow_provider.errors import CollectionRefusedError

_SKIPPED: Final = frozenset(
    {"log", "job", "import_error", "connection", "connection_test_request", "revoked_token", "dag_warning", "session"}
)
_LAST: Final = ("xcom", "asset_event")
"""Read last: what is in memory of a task, or in another table, may come to stand here meanwhile."""

_RECENT: Final = {"xcom": "timestamp", "asset_event": "timestamp"}
_RUN: Final = {"asset_event": ("source_dag_id", "source_run_id")}
_WHOSE: Final = ("dag_id", "source_dag_id", "run_id", "source_run_id", "task_id", "source_task_id", "map_index", "key")
_SHORTEST: Final = 64
_LONG: Final = 512
_AT_ONCE: Final = 1000


class Mention(NamedTuple):
    """A text that may name artifacts. ``dag_id`` and ``run_id`` are None where it belongs to no Dag run; ``where`` is for people."""

    table: str
    dag_id: str | None
    run_id: str | None
    where: str
    text: str
    row_id: int | None = None


def mentions(*, since: dt.datetime | None = None) -> Iterator[Mention]:
    """All texts that are long enough to name an artifact; with ``since``, only XComs and asset events that were written since.

    Each table is read in a transaction of its own, and rows come in portions: nothing is locked, and memory stays small.

    Raises:
        CollectionRefusedError: something that may name artifacts is encrypted with a key that is not configured here.
    """
    for table in _tables():
        if since is None:
            yield from _of_table(table)
        elif table.name in _RECENT:
            yield from _of_table(table, table.c[_RECENT[table.name]] >= since)


def _tables() -> list[Table]:
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()
    found = [table for table in Base.metadata.tables.values() if table.name not in _SKIPPED and _searched(table)]
    return sorted(found, key=lambda table: (_LAST.index(table.name) if table.name in _LAST else -1, table.name))


def _searched(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if _holds_text(column) or _opened_by(column) is not None]


def _holds_text(column: Column[Any]) -> bool:
    if column.name == "context_carrier":  # ids of traces, in every row
        return False
    kind = getattr(column.type, "impl", column.type)
    kind = kind() if isinstance(kind, type) else kind
    if isinstance(kind, Text | JSON):
        return True
    return isinstance(kind, String) and not getattr(kind, "enums", None) and (kind.length or _LONG + 1) > _LONG


def _of_table(table: Table, *conditions: Any) -> Iterator[Mention]:
    columns = _searched(table)
    names = _RUN.get(table.name, ("dag_id", "run_id"))
    whose = [table.c[name] for name in _WHOSE if name in table.c]
    texts = [column if isinstance(column.type, LargeBinary) else cast(column, Text) for column in columns]
    row_id = [table.c["id"]] if table.name == "asset_event" else []
    query = select(*whose, *row_id, *texts).where(or_(*(func.length(text) >= _SHORTEST for text in texts)), *conditions)
    with create_session(scoped=False) as session:
        for row in session.execute(query.execution_options(yield_per=_AT_ONCE)):
            known = {column.name: value for column, value in zip(whose, row, strict=False)}
            dag_id, run_id = (known.get(name) for name in names)
            parts = [
                str(value) for name, value in known.items() if value is not None and (name, value) != ("map_index", -1)
            ]
            number = row[len(whose)] if row_id else None
            for column, value in zip(columns, row[len(whose) + len(row_id) :], strict=True):
                if value is not None and len(value) >= _SHORTEST:
                    where = (
                        f"{table.name}.{column.name} of {'/'.join(parts)}" if parts else f"{table.name}.{column.name}"
                    )
                    opened = _opened_by(column)
                    text = value if opened is None else opened(value, where)
                    yield Mention(table.name, dag_id, run_id, where, text, number)


def _opened_by(column: Column[Any]) -> Callable[[Any, str], str] | None:
    """How to read a column that is no plain text."""
    if (column.table.name, column.name) in (("variable", "val"), ("trigger", "kwargs")):
        return _decrypted
    if (column.table.name, column.name) == ("serialized_dag", "data_compressed"):
        return lambda value, _: zlib.decompress(value).decode(errors="replace")
    return None


def _decrypted(text: str, where: str) -> str:
    """The text of a column that Airflow encrypts where ``[core] fernet_key`` is set."""
    from airflow.models.crypto import get_fernet
    from cryptography.fernet import InvalidToken

    if not _looks_encrypted(text):
        return text
    fernet = get_fernet()
    if fernet.is_encrypted:
        try:
            return str(fernet.decrypt(text.encode()), "utf-8")
        except InvalidToken:
            pass
    raise CollectionRefusedError(
        f"{where} is encrypted with another key than [core] fernet_key here, so nobody can tell which artifacts it names: give this command the key that "
        "the other processes have, or delete what nobody can read any more"
    )


def _looks_encrypted(text: str) -> bool:
    """A Fernet token: base64 of version byte 0x80 and a time."""
    return text.startswith("gAAAA") and " " not in text and "{" not in text
