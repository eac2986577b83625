"""``parquet/1``: pandas frames and series, and pyarrow tables, as Parquet."""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_KIND = b"sematic.kind"


class ParquetCodec:
    """Column order, dtypes and index come back as they were: what would not is refused when it is saved, never changed silently.

    The bytes depend on the version of pyarrow, which stands in the file.
    """

    name = "parquet/1"
    deterministic = True

    def handles(self, value: object) -> bool:
        """Frames, series and tables; libraries that are not loaded cannot have made the value."""
        pandas, pyarrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
        if pandas is not None and type(value) in (pandas.DataFrame, pandas.Series):
            return True
        return pyarrow is not None and isinstance(value, pyarrow.Table)

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        kind, table = ("table", value) if isinstance(value, pa.Table) else _from_pandas(value)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KIND: kind.encode()})
        sink = pa.PythonFile(file, mode="w")
        pq.write_table(table, sink, compression="zstd", store_schema=True, version="2.6")

    def decode(self, data: bytes | bytearray) -> Any:
        """The frame, series or table."""
        try:
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtraError("reading a table", "pandas") from error
        table = pq.read_table(io.BytesIO(data))
        metadata = dict(table.schema.metadata or {})
        kind = metadata.pop(_KIND, b"").decode()
        table = table.replace_schema_metadata(metadata or None)
        if kind == "table":
            return table
        if kind not in ("frame", "series", "unnamed series"):
            raise ValueError(f"a Parquet file of unknown kind {kind!r}")
        frame = _to_pandas(table)
        if kind == "frame":
            return frame
        series = frame.iloc[:, 0]
        return series.rename(None) if kind == "unnamed series" else series


def _from_pandas(value: Any) -> tuple[str, Any]:
    import pandas as pd
    import pyarrow as pa

    kind, frame = "frame", value
    if isinstance(value, pd.Series):
        kind = "unnamed series" if value.name is None else "series"
        frame = value.to_frame("value" if value.name is None else value.name)
    if not all(isinstance(name, str) for name in frame.columns) or not frame.columns.is_unique:
        raise NoCodecError(
            f"a table needs column names that are text, each once; these are {list(frame.columns)[:20]!r}. Rename them: frame.columns = [...]"
        )
    try:
        table = pa.Table.from_pandas(frame, preserve_index=None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise NoCodecError(
            f"the table cannot be stored as Parquet: {'; '.join(str(part) for part in error.args)}"
        ) from error
    if not _to_pandas(table.slice(0, 50)).dtypes.equals(frame.dtypes):
        back = _to_pandas(table.slice(0, 50)).dtypes
        changed = [
            f"{name} ({old} would come back as {back[name]})" for name, old in frame.dtypes.items() if back[name] != old
        ]
        raise NoCodecError(
            f"Parquet does not keep these columns as they are: {', '.join(changed)}. Convert them before you return the table"
        )
    return kind, table


def _to_pandas(table: Any) -> Any:
    return table.to_pandas()
