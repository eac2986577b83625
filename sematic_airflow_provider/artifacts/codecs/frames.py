"""pandas frames as pyarrow tables and back, with a note in the table's metadata of what pyarrow and Parquet forget.

They forget categories that are not text or not used, the unit of seconds, that text was held as Python objects, the frequency of an index, and flags.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sematic_airflow_provider.errors import NoCodecError

_NOTE = b"sematic.pandas"
_CATEGORIES = b"sematic.categories"
_LARGE = 64 << 20
_GROUPS = 4

# What pandas calls the content of a column of Python objects, where all of it comes back: lists would come back as arrays, dicts with each other's keys.
_KEPT_OBJECTS = frozenset({"string", "bytes", "decimal", "date", "time", "boolean", "empty"})


def as_frame(value: Any) -> tuple[str, Any]:
    """The kind of a frame or series, and a frame that holds it."""
    import pandas as pd

    if not isinstance(value, pd.Series):
        return "frame", value
    return ("unnamed series", value.to_frame("value")) if value.name is None else ("series", value.to_frame())


def check_columns(frame: Any) -> None:
    """See that every column can be stored.

    Raises:
        NoCodecError: naming those that cannot, and what to do.
    """
    from pandas.api.types import infer_dtype

    if not all(type(name) is str for name in frame.columns) or not frame.columns.is_unique:
        raise NoCodecError(
            f"a table needs column names that are text, each once; these are {list(frame.columns)[:20]!r}. Rename them: frame.columns = [...]"
        )
    if not all(name is None or type(name) is str for name in frame.index.names):
        raise NoCodecError(
            "Parquet keeps only text as names of an index: use frame.reset_index() before you return it, or rename it"
        )
    objects = [
        (name, infer_dtype(column, skipna=True)) for name, column in frame.items() if str(column.dtype) == "object"
    ]
    bad = [f"{name} (Python objects: {content})" for name, content in objects if content not in _KEPT_OBJECTS]
    if bad:
        raise NoCodecError(
            f"Parquet does not keep these columns as they are: {', '.join(bad)}. "
            "Give them a dtype (frame.astype(...)), or return a pyarrow table, which keeps lists and records"
        )


def to_arrow(frame: Any) -> Any:
    """The table, with our note.

    Raises:
        NoCodecError: pyarrow has no form for it.
    """
    import pandas as pd
    import pyarrow as pa

    categorical = {name: dtype for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)}
    as_codes = {
        n: frame[n].cat.codes for n, dtype in categorical.items() if isinstance(dtype.categories, pd.IntervalIndex)
    }
    try:
        table = pa.Table.from_pandas(frame.assign(**as_codes) if as_codes else frame, preserve_index=None)
    except (TypeError, ValueError, KeyError, NotImplementedError) as error:  # pyarrow's own errors are these
        reason = "; ".join(str(part) for part in error.args)
        raise NoCodecError(f"the table cannot be stored as Parquet: {reason}") from error
    dtypes = {name: str(dtype) for name, dtype in frame.dtypes.items() if _is_forgotten(dtype)}
    note: dict[str, Any] = {"dtypes": dtypes, "freq": getattr(frame.index, "freqstr", None)}
    if not frame.flags.allows_duplicate_labels:
        note["unique_labels"] = True
    metadata = {**(table.schema.metadata or {}), _NOTE: json.dumps(note, sort_keys=True).encode()}
    if frame.attrs:  # a dict, whose order does not count
        metadata[b"pandas"] = json.dumps(json.loads(metadata[b"pandas"]), sort_keys=True).encode()
    if categorical:
        metadata[_CATEGORIES] = _write_categories(categorical)
    return table.replace_schema_metadata(metadata)


def read(parquet: Any, metadata: dict[bytes, bytes], columns: list[str] | None) -> Any:
    """The frame that ``to_arrow`` was given, from its file; with ``columns`` only those of it, and its index."""
    about = json.loads(metadata[b"pandas"])
    index = [name for name in about["index_columns"] if isinstance(name, str)]
    names = [name for name in parquet.schema_arrow.names if name not in index and (columns is None or name in columns)]
    groups = range(parquet.num_row_groups)
    if sum(parquet.metadata.row_group(n).total_byte_size for n in groups) < _LARGE:
        frame = parquet.read(names + index).replace_schema_metadata(metadata).to_pandas()
    else:
        frame = _read_piecewise(parquet, metadata, names, index)
    return _as_noted(frame, metadata)


def _read_piecewise(parquet: Any, metadata: dict[bytes, bytes], names: list[str], index: list[str]) -> Any:
    """A large frame, some row groups at a time: as a whole, the arrow table and the frame would be in memory together.

    Numbers go to where the frame has them. The rest (text, categories) pandas mostly takes over as arrow has it.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    of_numbers = {name: dtype for name, dtype in _numpy_dtypes(parquet, metadata).items() if name in names}
    if len(of_numbers) == len(names) and names and not index:
        del of_numbers[names[0]]  # a table without columns would not know how long it is
    arrays = {name: np.empty(parquet.metadata.num_rows, dtype) for name, dtype in of_numbers.items()}
    rest, start = [], 0
    for piece in pieces(parquet, names + index):
        for name, array in arrays.items():
            array[start : start + piece.num_rows] = piece.column(name).to_numpy()
        start += piece.num_rows
        rest.append(piece.drop_columns(list(arrays)))
    remaining = pa.concat_tables(rest).replace_schema_metadata(metadata).to_pandas()
    columns = {name: arrays[name] if name in arrays else remaining[name] for name in names}
    frame = pd.DataFrame(columns, index=remaining.index, copy=False)
    frame.attrs = remaining.attrs
    frame.columns = frame.columns.set_names(remaining.columns.names)
    return frame


def pieces(parquet: Any, columns: list[str] | None) -> Iterator[Any]:
    """The table, some row groups at a time: in the order in which they lie in the file, each byte is read once."""
    for first in range(0, parquet.num_row_groups, _GROUPS):
        yield parquet.read_row_groups(list(range(first, min(first + _GROUPS, parquet.num_row_groups))), columns)
        _pool().release_unused()


@contextmanager
def opened(file: Any, *, pre_buffer: bool) -> Iterator[Any]:
    """A Parquet file to read, whose columns come to lie in memory that is taken in one piece each and given back.

    Of what Arrow takes its memory from by default, text in many row groups fills a third more, in twice the time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    before = pa.default_memory_pool()
    pa.set_memory_pool(_pool())  # a reader keeps the one that it was made with
    try:
        parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=pre_buffer)
    finally:
        pa.set_memory_pool(before)
    with parquet:
        yield parquet


@cache
def _pool() -> Any:
    import pyarrow as pa

    try:
        return pa.jemalloc_memory_pool()
    except NotImplementedError:  # not on every platform
        return pa.system_memory_pool()


def _numpy_dtypes(parquet: Any, metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Those columns that are plain NumPy arrays in the frame, and need no conversion."""
    import numpy as np

    empty, places = parquet.schema_arrow.empty_table(), {}
    for number in range(parquet.metadata.num_columns):
        places[parquet.schema.column(number).path] = number
    frame = empty.replace_schema_metadata(metadata).to_pandas()
    found = {}
    for name, dtype in frame.dtypes.items():
        same = isinstance(dtype, np.dtype) and dtype.kind in "iufmM" and empty.column(name).to_numpy().dtype == dtype
        if same and (dtype.kind not in "iu" or _without_nulls(parquet.metadata, places[name])):
            found[name] = dtype
    return found


def _without_nulls(metadata: Any, column: int) -> bool:
    """Whole numbers that miss some are floats in pandas."""
    groups = (metadata.row_group(n).column(column).statistics for n in range(metadata.num_row_groups))
    return all(found is not None and found.has_null_count and found.null_count == 0 for found in groups)


def _as_noted(frame: Any, metadata: dict[bytes, bytes]) -> Any:
    """With what the notes say put right."""
    import pandas as pd

    note = json.loads(metadata.get(_NOTE, b"{}"))
    attributes = frame.attrs
    changed = {
        name: dtype
        for name, dtype in note.get("dtypes", {}).items()
        if name in frame and str(frame[name].dtype) != dtype
    }
    frame = frame.astype(changed) if changed else frame
    for name, dtype in _read_categories(metadata[_CATEGORIES]).items() if _CATEGORIES in metadata else ():
        if name in frame and not _same_categories(frame[name].dtype, dtype):
            codes = isinstance(dtype.categories, pd.IntervalIndex)  # Parquet has no form for a column of these
            column = (
                pd.Categorical.from_codes(frame[name], dtype=dtype)
                if codes
                else pd.Categorical(frame[name], dtype=dtype)
            )
            frame.isetitem(int(frame.columns.get_loc(name)), pd.Series(column, frame.index))
    frame.attrs = attributes
    if note.get("freq") and isinstance(frame.index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        frame.index = type(frame.index)(frame.index, freq=note["freq"])
    return frame.set_flags(allows_duplicate_labels=False) if note.get("unique_labels") else frame


def check_same(one: Any, other: Any) -> None:
    """See that a sample of a frame is what came back.

    Raises:
        NoCodecError: naming what would change, and what to do.
    """
    before, after = one.dtypes.to_dict(), other.dtypes.to_dict()
    changed = [
        f"{name} ({dtype!r} would come back as {after[name]!r})"
        for name, dtype in before.items()
        if dtype != after[name]
    ]
    changed += [
        name
        for name in before
        if name not in changed and before[name] == after[name] and not one[name].equals(other[name])
    ]
    if changed:
        raise NoCodecError(
            f"Parquet does not keep these columns as they are: {', '.join(changed)}. Convert them before you return the table"
        )
    index = one.index
    if (
        not index.equals(other.index)
        or list(index.names) != list(other.index.names)
        or not _same_dtypes(index, other.index)
    ):
        raise NoCodecError(
            "Parquet does not keep this table's index as it is: use frame.reset_index() before you return it"
        )
    if one.attrs != other.attrs:
        raise NoCodecError("the table's attrs are not plain JSON, so they would be lost: frame.attrs = {}")


def _same_dtypes(one: Any, other: Any) -> bool:
    if one.nlevels > 1 or other.nlevels > 1:
        return one.nlevels == other.nlevels and list(one.dtypes) == list(other.dtypes)
    return bool(one.dtype == other.dtype and getattr(one, "freq", None) == getattr(other, "freq", None))


def _same_categories(one: Any, other: Any) -> bool:
    """Dtypes of equal categories are equal whatever their order: for us it counts."""
    return bool(one == other and one.categories.equals(other.categories))


def _is_forgotten(dtype: Any) -> bool:
    return str(dtype) == "object" or str(dtype).startswith("datetime64[s")


def _write_categories(dtypes: dict[str, Any]) -> bytes:
    """Per column one list of its categories, as an Arrow stream: their type is then kept whatever it is."""
    import pyarrow as pa

    columns, fields = [], []
    for name, dtype in dtypes.items():
        values = pa.array(dtype.categories)
        columns.append(pa.LargeListArray.from_arrays([0, len(values)], values))
        note = {b"ordered": str(int(dtype.ordered)).encode(), b"dtype": str(dtype.categories.dtype).encode()}
        fields.append(pa.field(name, columns[-1].type, metadata=note))
    batch = pa.record_batch(columns, schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return base64.b64encode(sink.getvalue())


def _read_categories(data: bytes) -> dict[str, Any]:
    import pandas as pd
    import pyarrow as pa

    table = pa.ipc.open_stream(base64.b64decode(data)).read_all()
    dtypes = {}
    for field in table.schema:
        values = table.column(field.name).chunk(0).flatten().to_pandas()
        wanted = field.metadata[b"dtype"].decode()
        categories = pd.Index(values.astype(wanted) if str(values.dtype) != wanted else values)
        dtypes[field.name] = pd.CategoricalDtype(categories, ordered=field.metadata[b"ordered"] == b"1")
    return dtypes
