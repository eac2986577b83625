"""pyarrow as ``tables`` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sematic_airflow_provider.artifacts.previews.tables import Extremes, Sort


class ArrowSource:
    """See ``tables.Source``."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.rows, self.width = table.num_rows, table.num_columns

    def name(self, number: int) -> str:
        """See Source."""
        return str(self._table.schema.field(number).name)

    def dtype(self, number: int) -> str:
        """See Source."""
        return str(self._table.schema.field(number).type)

    def sort(self, number: int) -> Sort:
        """See Source."""
        import pyarrow as pa

        kind = self._table.schema.field(number).type
        if pa.types.is_boolean(kind):
            return "flag"
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return "number"
        if pa.types.is_temporal(kind):
            return "time"
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        return "text" if _is_text(kind) else "other"

    def bytes_each(self, number: int) -> float:
        """See Source."""
        return float(self._table.column(number).get_total_buffer_size() / max(1, self.rows))

    def extremes(self, number: int, *, cheap: bool) -> Extremes | None:
        """See Source. Arrow keeps the number of nulls."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        column, sort = self._table.column(number), self.sort(number)
        if sort not in ("number", "time"):
            return Extremes(column.null_count)
        if cheap:
            return None
        try:
            found = pc.min_max(column)
        except NotImplementedError:  # pyarrow's own error for types that it does not order
            return Extremes(column.null_count)
        ends = [found[end].as_py() for end in ("min", "max")]
        if pa.types.is_float32(column.type) and ends[0] is not None:
            ends = [np.float32(end) for end in ends]  # which know the digits of their precision
        return Extremes(column.null_count, *ends)

    def sample(self, number: int, rows: Any) -> tuple[Any, int]:
        """See Source."""
        import pyarrow as pa

        taken = self._table.column(number).take(pa.array(rows))
        there = taken.drop_null()
        if self.sort(number) != "number":
            return there.to_pylist(), taken.null_count
        if pa.types.is_decimal(there.type):
            there = there.cast(pa.float64())
        return there.to_numpy(), taken.null_count

    def head(self, number: int, rows: int) -> Sequence[Any]:
        """See Source."""
        import pyarrow as pa

        column = self._table.column(number).slice(0, rows)
        if pa.types.is_float32(column.type) and not column.null_count:
            return list(column.to_numpy())  # which know the digits of their precision
        return list(column.to_pylist())

    def index(self, rows: int) -> Sequence[Any] | None:
        """See Source."""
        return None


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
