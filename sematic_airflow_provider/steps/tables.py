"""Tables against pandera models: ``pandera.typing.DataFrame[Schema]`` and its polars counterparts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

_MOST = 10


def table_check(origin: Any, model: Any) -> Callable[[Any], None]:
    """A check of a whole table, which names every column and check that failed.

    What a schema would change (``coerce``, added or dropped columns, defaults) is not applied: a value arrives as it was sent, or not at all.
    """
    library = "polars" if "polars" in origin.__module__ else "pandas"
    frame = origin.__name__
    if not hasattr(model, "to_schema"):
        return lambda table: _check_type(table, library, frame)
    schema: Any = None

    def check(table: Any) -> None:
        nonlocal schema
        from pandera.errors import SchemaErrors

        _check_type(table, library, frame)
        schema = schema or _unchanging(model.to_schema())
        try:
            schema.validate(table, lazy=True)
        except SchemaErrors as error:
            raise ValueError(_told(error, model.__name__)) from None

    return check


def _check_type(table: Any, library: str, frame: str) -> None:
    if type(table).__module__.split(".")[0] != library or type(table).__name__ != frame:
        raise ValueError(f"must be a {library}.{frame}")


def _unchanging(schema: Any) -> Any:
    schema = copy.deepcopy(schema)
    parts = [schema, *schema.columns.values()]
    index = getattr(schema, "index", None)
    parts += [index, *getattr(index, "indexes", [])] if index is not None else []
    for part in parts:
        for option in ("coerce", "_coerce"):
            if getattr(part, option, None) is True:
                setattr(part, option, False)
    schema.drop_invalid_rows = False
    return schema


def _told(error: Any, schema: str) -> str:
    """Column, check and a few of the values that failed, one line for each check."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in _rows(error.failure_cases):
        key = (str(row.get("column") or ""), str(row.get("check") or ""))
        found.setdefault(key, []).append(str(row.get("failure_case")))
    lines = []
    for (column, check), cases in list(found.items())[:_MOST]:
        few = ", ".join(case if len(case) <= 40 else f"{case[:40]}…" for case in cases[:3])
        more = f" and {len(cases) - 3} more" if len(cases) > 3 else ""
        lines.append(f"{'column ' + column if column and column != 'None' else 'table'}: {check}: {few}{more}")
    if len(found) > _MOST:
        lines.append(f"and {len(found) - _MOST} more checks")
    return f"it does not follow {schema}:\n  " + "\n  ".join(lines)


def _rows(failures: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = failures.to_dicts() if hasattr(failures, "to_dicts") else failures.to_dict("records")
    return rows
