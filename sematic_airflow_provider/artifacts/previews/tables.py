"""Previews of tables: pandas frames and series, pyarrow tables, polars frames and series."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from sematic_airflow_provider.artifacts.previews.cells import cell, cut
from sematic_airflow_provider.artifacts.previews.form import Cell, Column, TablePreview
from sematic_airflow_provider.artifacts.previews.summaries import most_common, spread, statistics

log = logging.getLogger(__name__)

COLUMNS = 100
HEAD = 20
SAMPLE = 10_000
_EXACT_CELLS = 50_000_000
_SAMPLE_BYTES = 4 << 20

Sort = Literal["number", "flag", "time", "text", "other"]


@dataclass(frozen=True, slots=True)
class Extremes:
    """Of all rows of a column."""

    nulls: int
    min: Any = None
    max: Any = None


class Source(Protocol):
    """A table of some library; columns by their position, since names may come twice. Anything but the counts may raise what the library raises."""

    rows: int
    width: int
    """How many columns there are."""

    def name(self, number: int) -> str:
        """Of a column."""

    def dtype(self, number: int) -> str:
        """Of a column, as the library writes it."""

    def sort(self, number: int) -> Sort:
        """What a column holds."""

    def bytes_each(self, number: int) -> float:
        """About how many bytes a value of a column takes."""

    def extremes(self, number: int, *, cheap: bool) -> Extremes | None:
        """Of all rows; with ``cheap`` only where that costs next to nothing."""

    def sample(self, number: int, rows: Any) -> tuple[Any, int]:
        """The values in these rows that are there (of numbers as a NumPy array), and how many are missing."""

    def head(self, number: int, rows: int) -> Sequence[Any]:
        """The first values of a column."""

    def index(self, rows: int) -> Sequence[Any] | None:
        """Labels of the first rows, where they have any but their numbers."""


def preview_of(value: object) -> TablePreview | None:
    """The preview of a table, None for anything else. Libraries that are not loaded cannot have made the value."""
    source = _source(value)
    if source is None:
        return None
    shown = range(min(source.width, COLUMNS))
    rows = spread(source.rows, SAMPLE)
    cheap = source.rows * len(shown) > _EXACT_CELLS
    heads = [_head(source, number) for number in shown]
    index = source.index(HEAD)
    return TablePreview(
        rows=source.rows,
        column_count=source.width,
        columns=[_column(source, number, rows, cheap=cheap) for number in shown],
        head=[[head[row] for head in heads] for row in range(min(source.rows, HEAD))],
        sample_rows=len(rows),
        index=None if index is None else [cell(label) for label in index],
    )


def _source(value: object) -> Source | None:
    pandas, pyarrow, polars = (sys.modules.get(name) for name in ("pandas", "pyarrow", "polars"))
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        from sematic_airflow_provider.artifacts.previews.table_pandas import PandasSource

        return PandasSource(value)
    if pyarrow is not None and isinstance(value, pyarrow.Table):
        from sematic_airflow_provider.artifacts.previews.table_arrow import ArrowSource

        return ArrowSource(value)
    if polars is not None and isinstance(value, (polars.DataFrame, polars.Series)):
        from sematic_airflow_provider.artifacts.previews.table_polars import PolarsSource

        return PolarsSource(value)
    return None


def _head(source: Source, number: int) -> list[Cell]:
    """The first cells of a column. One that its library cannot give as values of Python leaves the others their place."""
    try:
        return [cell(value) for value in source.head(number, HEAD)]
    except Exception as error:  # noqa: BLE001 - libraries raise what they like
        log.debug("the head of column %d cannot be shown: %s", number, error)
        return ["…"] * min(source.rows, HEAD)


def _column(source: Source, number: int, rows: Any, *, cheap: bool) -> Column:
    """All that can be told of a column; of one that its library cannot summarise, its name and type."""
    plain = Column(name=cut(source.name(number)), dtype=cut(source.dtype(number)), exact=False)
    try:
        return _described(plain, source, number, rows, cheap=cheap)
    except Exception as error:  # noqa: BLE001 - libraries raise what they like
        log.debug("column %s gets no statistics: %s", plain.name, error)
        return plain


def _described(plain: Column, source: Source, number: int, rows: Any, *, cheap: bool) -> Column:
    sort = source.sort(number)
    exact = source.extremes(number, cheap=cheap)
    if sort == "other":  # nested values and the like: only the head shows them
        return replace(plain, exact=exact is not None, nulls=exact.nulls if exact else None)
    if sort == "text":  # long ones are not all looked at
        rows = rows[:: max(1, int(len(rows) * source.bytes_each(number) / _SAMPLE_BYTES))]
    values, missing = source.sample(number, rows)
    low, high = map(cell, (exact.min, exact.max) if exact else _least_and_greatest(values, sort))
    if sort == "number" and low == "NaN":  # nothing else is there
        low = high = None
    top, distinct = most_common(values) if sort in ("text", "flag") else (None, None)
    return replace(
        plain,
        exact=exact is not None,
        nulls=exact.nulls if exact else missing,
        min=low,
        max=high,
        statistics=statistics(values) if sort == "number" else None,
        distinct=distinct,
        top=top,
    )


def _least_and_greatest(values: Any, sort: Sort) -> tuple[Any, Any]:
    if sort == "number":
        import numpy as np

        values = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        return (values.min(), values.max()) if values.size else (None, None)
    return (min(values), max(values)) if sort == "time" and len(values) else (None, None)
