"""``parquet/1``: pandas frames and series, and pyarrow tables, as Parquet (see ``frames`` for what is done so that pandas comes back exactly)."""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import MissingExtraError, MissingPartError, NoCodecError

_KIND = b"sematic.kind"
_SAMPLE = 50
_GROUP_BYTES = 4 << 20
_TEXT_WIDTH = 16
_FIRST_ROWS = 1 << 13


class ParquetCodec:
    """Column order, dtypes, categories, index, attrs and flags come back as they were.

    What would not is refused when it is saved, never changed silently, but for one thing: missing values in columns of Python objects come back as pandas
    reads them (None or NaN). Row groups end at the same rows however long the table is, so that a table that grew begins with the bytes that it had.
    """

    name = "parquet/1"
    deterministic = True
    depends_on = ("pyarrow", "pandas")  # their versions stand in the file
    chunked = True
    compressed = True

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
            _check_table(sample, self.decode(_written(sample, "table")))
            _write(value, "table", file)
            return
        from sematic_airflow_provider.artifacts.codecs import frames

        kind, frame = frames.as_frame(value)
        frames.check_columns(frame)
        sample = frame.iloc[:_SAMPLE]
        frames.check_same(sample, self.decode(_written(frames.to_arrow(sample), "frame")))
        _write(frames.to_arrow(frame), kind, file)

    def decode(self, data: memoryview) -> Any:
        """The frame, series or table."""
        return self.decode_columns(io.BytesIO(data), None)

    def decode_columns(self, file: Any, columns: list[str] | None) -> Any:
        """The frame, series or table; with ``columns`` only those of it, in this order (and a frame's index).

        Raises:
            MissingPartError: it has no such column.
        """
        try:
            import pyarrow as pa
        except ImportError as error:
            raise MissingExtraError("reading a table", "pandas") from error
        from sematic_airflow_provider.artifacts.codecs import frames

        with frames.opened(file, pre_buffer=columns is not None) as parquet:
            metadata = dict(parquet.schema_arrow.metadata or {})
            kind = metadata.pop(_KIND, b"").decode()
            names = parquet.schema_arrow.names
            if missing := sorted(set(columns or ()) - set(names)):
                raise MissingPartError(
                    f"the table has no columns {', '.join(missing)}; it has {', '.join(names)[:2000]}"
                )
            if kind == "table":
                table = pa.concat_tables(frames.pieces(parquet, columns)).replace_schema_metadata(metadata or None)
                return table if columns is None else table.select(columns)
            if kind not in ("frame", "series", "unnamed series"):
                raise ValueError(f"a Parquet file of unknown kind {kind!r}")
            frame = frames.read(parquet, metadata, columns)
        if kind == "frame":
            return frame if columns is None or list(frame) == columns else frame[columns]
        series = frame.iloc[:, 0]
        return series.rename(None) if kind == "unnamed series" else series


def _write(table: Any, kind: str, file: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # notes have no order: equal tables must not differ by it
    fields = [field.with_metadata(_sorted(field.metadata)) if field.metadata else field for field in table.schema]
    schema = pa.schema(fields, _sorted({**(table.schema.metadata or {}), _KIND: kind.encode()}))
    table = pa.Table.from_arrays(table.columns, schema=schema)
    # A dictionary of values that hardly repeat makes the file larger, and is not worth finding out for each row group.
    texts = [field.name for number, field in enumerate(table.schema) if _repeats(field.type, table.column(number))]
    options = {"compression": "zstd", "store_schema": True, "version": "2.6", "use_dictionary": texts or False}
    options["use_compliant_nested_type"] = False  # else the fields inside lists would come back with other names
    rows = _rows_in_group(table.schema)
    border = getattr(file, "border", lambda: None)  # row groups that stay the same are stored once
    with pq.ParquetWriter(pa.PythonFile(file, mode="w"), table.schema, **options) as writer:
        for start in range(0, max(table.num_rows, 1), rows):
            # where chunks end decides where pages do: equal tables must not differ by how they were put together
            writer.write_table(table.slice(start, rows).combine_chunks(), row_group_size=rows)
            border()


def _sorted(metadata: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return dict(sorted(metadata.items()))


def _rows_in_group(schema: Any) -> int:
    """A power of two that makes groups of about 4 MiB. It must not depend on the rows: groups of a table that grew would end elsewhere."""
    width = sum(_width(field.type) or _TEXT_WIDTH for field in schema)
    return int(min(1 << 18, max(1 << 13, 1 << ((_GROUP_BYTES // max(width, 1)).bit_length() - 1))))


def _repeats(type_: Any, column: Any) -> bool:
    """Whether a dictionary may pay: of text, by the first rows, which stay when a table grows; never of numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _width(type_):
        return False
    known = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    first = column.slice(0, _FIRST_ROWS)
    return not any(is_it(type_) for is_it in known) or 2 * pc.count_distinct(first).as_py() <= len(first)


def _width(type_: Any) -> int:
    """Bytes of one value of a type of fixed width, 0 for any other type."""
    try:
        return int(-(-type_.bit_width // 8))
    except ValueError:
        return 0


def _written(table: Any, kind: str) -> memoryview:
    file = io.BytesIO()
    try:
        _write(table, kind, file)
    except (TypeError, ValueError, NotImplementedError) as error:  # pyarrow's own errors are these
        raise NoCodecError(f"the table cannot be stored as Parquet: {error}") from error
    return file.getbuffer()


def _check_table(sample: Any, back: Any) -> None:
    fields = zip(sample.schema, back.schema, strict=True)
    changed = [f"{old.name} ({old.type} would come back as {new.type})" for old, new in fields if old != new]
    if changed:
        raise NoCodecError(
            f"Parquet does not keep these columns as they are: {', '.join(changed)}. Cast them before you return the table"
        )
