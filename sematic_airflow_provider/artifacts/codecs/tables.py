"""``parquet/1``: pandas frames and series, and pyarrow tables, as Parquet (see ``frames`` for what is done so that pandas comes back exactly)."""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_KIND = b"sematic.kind"
_SAMPLE = 50


class ParquetCodec:
    """Column order, dtypes, categories, index, attrs and flags come back as they were.

    What would not is refused when it is saved, never changed silently, but for one thing: missing values in columns of Python objects come back as pandas
    reads them (None or NaN). The bytes depend on the versions of pyarrow and pandas, which stand in the file.
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
        """Write the table, once a sample of it has come back as it was."""
        try:
            import pyarrow as pa
        except ImportError as error:
            raise MissingExtraError("storing a table", "pandas") from error
        if isinstance(value, pa.Table):
            sample = value.slice(0, _SAMPLE)
            _check_table(sample, _read(_written(sample, "table")))
            _write(value, "table", file)
            return
        from sematic_airflow_provider.artifacts.codecs import frames

        kind, frame = frames.as_frame(value)
        frames.check_columns(frame)
        sample = frame.iloc[:_SAMPLE]
        frames.check_same(sample, frames.to_pandas(_read(_written(frames.to_arrow(sample), kind))[1]))
        _write(frames.to_arrow(frame), kind, file)

    def decode(self, data: memoryview) -> Any:
        """The frame, series or table."""
        kind, table = _read(data)
        if kind == "table":
            return table
        if kind not in ("frame", "series", "unnamed series"):
            raise ValueError(f"a Parquet file of unknown kind {kind!r}")
        from sematic_airflow_provider.artifacts.codecs import frames

        frame = frames.to_pandas(table)
        if kind == "frame":
            return frame
        series = frame.iloc[:, 0]
        return series.rename(None) if kind == "unnamed series" else series


def _write(table: Any, kind: str, file: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KIND: kind.encode()})
    # where chunks end decides where pages do: equal tables must not differ by how they were put together
    table = table.combine_chunks()
    pq.write_table(table, pa.PythonFile(file, mode="w"), compression="zstd", store_schema=True, version="2.6")


def _written(table: Any, kind: str) -> bytes:
    file = io.BytesIO()
    try:
        _write(table, kind, file)
    except (TypeError, ValueError, NotImplementedError) as error:  # pyarrow's own errors are these
        raise NoCodecError(f"the table cannot be stored as Parquet: {error}") from error
    return file.getvalue()


def _read(data: bytes | memoryview) -> tuple[str, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("reading a table", "pandas") from error
    table = pq.read_table(pa.BufferReader(data))
    metadata = dict(table.schema.metadata or {})
    kind = metadata.pop(_KIND, b"").decode()
    return kind, table.replace_schema_metadata(metadata or None)


def _check_table(sample: Any, back: tuple[str, Any]) -> None:
    fields = zip(sample.schema, back[1].schema, strict=True)
    changed = [f"{old.name} ({old.type} would come back as {new.type})" for old, new in fields if old != new]
    if changed:
        raise NoCodecError(
            f"Parquet does not keep these columns as they are: {', '.join(changed)}. Cast them before you return the table"
        )
