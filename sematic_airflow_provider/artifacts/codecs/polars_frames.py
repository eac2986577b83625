"""``polars-parquet/1``: polars frames and series, as the Parquet that polars itself writes, and pyarrow and pandas read.

Categories of a Categorical are numbered in the order in which a process met them, so these columns are stored as text, and the schema is kept beside: an Arrow
stream of the frame without rows, in the metadata of the file.
"""

from __future__ import annotations

import base64
import io
import re
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_KIND, _SCHEMA = "sematic.kind", "sematic.schema"
_SAMPLE = 50
_GROUP_BYTES = 4 << 20
_TEXT_WIDTH = 16


class PolarsCodec:
    """Dtypes, column order and missing values come back as they were; what would not is refused when it is saved.

    Row groups end at the same rows however long the frame is, so that a frame that grew begins with the bytes that it had.
    """

    name = "polars-parquet/1"
    deterministic = True
    depends_on = ("polars",)
    chunked = True
    compressed = True

    def handles(self, value: object) -> bool:
        """Frames and series; lazy ones only to say what to do with them."""
        polars = sys.modules.get("polars")
        return polars is not None and type(value) in (polars.DataFrame, polars.Series, polars.LazyFrame)

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the frame, once a sample of it has come back as it was."""
        import polars as pl

        if isinstance(value, pl.LazyFrame):
            raise NoCodecError("a LazyFrame is a plan and has no rows to store: return frame.collect()")
        frame, kind = (value, "frame") if isinstance(value, pl.DataFrame) else (value.to_frame(), "series")
        sample = frame.head(_SAMPLE)
        written = io.BytesIO()
        _write(sample, kind, written)
        back = self.decode(written.getbuffer())
        back = back if kind == "frame" else back.to_frame()
        changed = [name for name, dtype in sample.schema.items() if back.schema.get(name) != dtype]
        changed = changed or [name for name in sample.columns if not sample[name].equals(back[name], null_equal=True)]
        if changed or back.shape != sample.shape:
            raise NoCodecError(f"polars does not keep these columns in Parquet: {', '.join(changed)}. Cast them first")
        _write(frame, kind, file)

    def decode(self, data: memoryview) -> Any:
        """The frame or series."""
        pl = _polars()
        file = io.BytesIO(data)
        try:
            metadata = pl.read_parquet_metadata(file)
            file.seek(0)
            return _as_noted(pl.read_parquet(file), metadata)
        except pl.exceptions.PanicException as error:  # no Exception: nobody above would expect it
            raise ValueError(f"polars cannot read this file: {error}") from error

    def decode_columns(self, file: Any, columns: list[str] | None) -> Any:
        """The frame or series; with ``columns`` only those of it.

        Of the file only their bytes are read where pyarrow is installed, which reads from any file; polars alone reads all of it.

        Raises:
            LookupError: it has no such column.
        """
        frame = _read_by_pyarrow(file, columns)
        if frame is None:
            file.seek(0)
            frame = self.decode(memoryview(file.read()))
            if columns is not None:
                _check_columns(columns, frame.columns)
                frame = frame.select(columns)
        return frame


def _read_by_pyarrow(file: Any, columns: list[str] | None) -> Any:
    """What ``decode_columns`` gives; None without pyarrow, and where the file has a type that only polars has."""
    pl = _polars()
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return None
    try:
        with pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=True) as parquet:
            metadata = {
                key.decode(): text.decode()
                for key, text in (parquet.metadata.metadata or {}).items()
                if key != b"ARROW:schema"
            }
            _check_columns(columns, parquet.schema_arrow.names)
            return _as_noted(pl.from_arrow(parquet.read(columns)), metadata)
    except (pa.ArrowException, pl.exceptions.PolarsError):
        return None


def _polars() -> Any:
    try:
        import polars as pl
    except ImportError as error:
        raise MissingExtraError("reading a polars table", "polars") from error
    return pl


def _check_columns(wanted: list[str] | None, names: list[str]) -> None:
    if missing := sorted(set(wanted or ()) - set(names)):
        raise LookupError(f"the table has no columns {', '.join(missing)}; it has {', '.join(names)[:2000]}")


def _write(frame: Any, kind: str, file: BinaryIO) -> None:
    import polars as pl

    schema = io.BytesIO()
    plain = {name: _without_categories(dtype) for name, dtype in frame.schema.items()}
    try:
        frame.clear().write_ipc_stream(schema)
        metadata = {_KIND: kind, _SCHEMA: base64.b64encode(schema.getvalue()).decode()}
        frame.cast({name: dtype for name, dtype in plain.items() if dtype != frame.schema[name]}).write_parquet(
            file, compression="zstd", row_group_size=_rows_in_group(frame.schema), metadata=metadata
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        dtypes = ", ".join(f"{name} ({dtype})" for name, dtype in frame.schema.items())
        raise NoCodecError(
            f"polars cannot store this table as Parquet: {error}. Its columns: {dtypes[:2000]}"
        ) from error


def _as_noted(frame: Any, metadata: dict[str, str]) -> Any:
    import polars as pl

    kind = metadata.get(_KIND)
    if kind not in ("frame", "series"):
        raise ValueError(f"a Parquet file of unknown kind {str(kind)[:40]!r}")
    schema = pl.read_ipc_stream(io.BytesIO(base64.b64decode(metadata[_SCHEMA], validate=True))).schema
    frame = frame.cast({name: schema[name] for name, dtype in frame.schema.items() if schema[name] != dtype})
    return frame if kind == "frame" else frame.to_series()


def _without_categories(dtype: Any) -> Any:
    """The dtype with text in place of categories, at any depth."""
    import polars as pl

    if isinstance(dtype, pl.Categorical):
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(_without_categories(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(_without_categories(dtype.inner), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _without_categories(field.dtype) for field in dtype.fields})
    return dtype


def _rows_in_group(schema: Any) -> int:
    """A power of two that makes groups of about 4 MiB. It must not depend on the rows: groups of a frame that grew would end elsewhere."""
    width = sum(_width(dtype) for dtype in schema.values())
    return int(min(1 << 18, max(1 << 13, 1 << ((_GROUP_BYTES // max(width, 1)).bit_length() - 1))))


def _width(dtype: Any) -> int:
    """Bytes of one value, about."""
    bits = re.search(r"\d+$", str(dtype)) if dtype.is_numeric() else None
    return int(bits[0]) // 8 if bits else 8 if dtype.is_temporal() else _TEXT_WIDTH
