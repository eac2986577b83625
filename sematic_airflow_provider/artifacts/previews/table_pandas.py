"""pandas as ``tables`` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sematic_airflow_provider.artifacts.previews.summaries import extremes
from sematic_airflow_provider.artifacts.previews.tables import Extremes, Sort

_FEW_ROWS = 1_000_000


class PandasSource:
    """See ``tables.Source``."""

    def __init__(self, value: Any) -> None:
        import pandas as pd

        self._frame = (
            value.to_frame(name=value.name if value.name is not None else "value")
            if isinstance(value, pd.Series)
            else value
        )
        self.rows: int
        self.width: int
        self.rows, self.width = self._frame.shape
        self._dtypes = list(self._frame.dtypes)

    def name(self, number: int) -> str:
        """See Source."""
        return str(self._frame.columns[number])

    def dtype(self, number: int) -> str:
        """See Source."""
        return str(self._dtypes[number])

    def sort(self, number: int) -> Sort:
        """See Source."""
        import pandas as pd

        types, dtype = pd.api.types, self._dtypes[number]
        if types.is_bool_dtype(dtype):
            return "flag"
        if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
            return "number"
        if (
            types.is_datetime64_any_dtype(dtype)
            or types.is_timedelta64_dtype(dtype)
            or isinstance(dtype, pd.PeriodDtype)
        ):
            return "time"
        if isinstance(dtype, pd.CategoricalDtype):
            return "text"
        if types.is_object_dtype(dtype):
            first = self._frame.iloc[:1000, number].dropna()
            return "text" if all(isinstance(found, (str, int, float)) for found in first) else "other"
        return "text" if types.is_string_dtype(dtype) else "other"

    def bytes_each(self, number: int) -> float:
        """See Source."""
        column = self._frame.iloc[:, number]
        if column.dtype == object:  # as long as the first ones are
            found = [len(text) for text in column.iloc[:100] if isinstance(text, str)]
            return sum(found) / max(1, len(found))
        return float(column.memory_usage(index=False) / max(1, self.rows))

    def extremes(self, number: int, *, cheap: bool) -> Extremes | None:
        """See Source."""
        import numpy as np

        if cheap:
            return None
        column, sort = self._frame.iloc[:, number], self.sort(number)
        if sort == "number" and isinstance(column.dtype, np.dtype):
            low, high, nulls, _ = extremes(column.to_numpy())
            return Extremes(nulls, low, high)
        if column.dtype == object and self.rows > _FEW_ROWS:
            return None
        nulls = int(column.isna().sum())
        if sort in ("number", "time") and nulls < self.rows:
            return Extremes(nulls, column.min(), column.max())
        return Extremes(nulls)

    def sample(self, number: int, rows: Any) -> tuple[Any, int]:
        """See Source."""
        import numpy as np

        taken = self._frame.iloc[:, number].iloc[rows]
        there = taken.dropna()
        missing = len(taken) - len(there)
        if self.sort(number) != "number":
            return there.tolist(), missing
        dtype = getattr(there.dtype, "numpy_dtype", there.dtype)
        return there.to_numpy(
            dtype=dtype if isinstance(dtype, np.dtype) and dtype.kind in "iuf" else np.float64
        ), missing

    def head(self, number: int, rows: int) -> Sequence[Any]:
        """See Source."""
        column = self._frame.iloc[:rows, number]
        if column.dtype.kind in "fiu":
            return list(column.array)
        try:
            missing = column.isna()
        except ArithmeticError:  # a signalling NaN of decimal raises when it is compared
            return list(column.tolist())
        return [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]

    def index(self, rows: int) -> Sequence[Any] | None:
        """See Source."""
        import pandas as pd

        index = self._frame.index
        if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1:
            return None
        return list(index[:rows])
