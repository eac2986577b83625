"""polars as ``tables`` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sematic_airflow_provider.artifacts.previews.tables import Extremes, Sort


class PolarsSource:
    """See ``tables.Source``."""

    def __init__(self, value: Any) -> None:
        import polars as pl

        self._columns = [value] if isinstance(value, pl.Series) else value.get_columns()
        self.rows, self.width = len(value), len(self._columns)

    def name(self, number: int) -> str:
        """See Source."""
        return str(self._columns[number].name)

    def dtype(self, number: int) -> str:
        """See Source."""
        return str(self._columns[number].dtype)

    def sort(self, number: int) -> Sort:
        """See Source."""
        import polars as pl

        dtype = self._columns[number].dtype
        if dtype == pl.Boolean:
            return "flag"
        if dtype.is_numeric():
            return "number"
        if dtype.is_temporal():
            return "time"
        return "text" if dtype in (pl.String, pl.Categorical, pl.Enum) else "other"

    def bytes_each(self, number: int) -> float:
        """See Source."""
        return float(self._columns[number].estimated_size() / max(1, self.rows))

    def extremes(self, number: int, *, cheap: bool) -> Extremes | None:
        """See Source. polars keeps the number of nulls."""
        import numpy as np
        import polars as pl

        column, sort = self._columns[number], self.sort(number)
        if sort not in ("number", "time"):
            return Extremes(column.null_count())
        if cheap:
            return None
        ends = [column.min(), column.max()]
        if column.dtype == pl.Float32 and ends[0] is not None:
            ends = [np.float32(end) for end in ends]  # which know the digits of their precision
        return Extremes(column.null_count(), *ends)

    def sample(self, number: int, rows: Any) -> tuple[Any, int]:
        """See Source."""
        import polars as pl

        taken = self._columns[number].gather(rows)
        there = taken.drop_nulls()
        if self.sort(number) != "number":
            return there.to_list(), taken.null_count()
        unknown_to_numpy = there.dtype.is_decimal() or str(there.dtype).endswith("128")
        return (there.cast(pl.Float64) if unknown_to_numpy else there).to_numpy(), taken.null_count()

    def head(self, number: int, rows: int) -> Sequence[Any]:
        """See Source."""
        import polars as pl

        column = self._columns[number].head(rows)
        return list(column.to_numpy()) if column.dtype == pl.Float32 and not column.null_count() else column.to_list()

    def index(self, rows: int) -> Sequence[Any] | None:
        """See Source."""
        return None
