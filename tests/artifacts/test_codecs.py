"""Each codec, by contract; and what each promises beyond it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.codec_contract import CodecContract


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


class TestNpy(CodecContract):
    codec = "npy/1"
    header = "import numpy as np"
    sources = (
        "np.arange(6).reshape(2, 3)", "np.asfortranarray(np.ones((3, 4)))", "np.array(['a', 'bc'])", "np.array([], dtype='f4')", "np.float32(2.5)",
        "np.array(['2013-01-01'], dtype='datetime64[D]')", "np.array([(1, 2.0)], dtype=[('a', 'i4'), ('b', 'f8')])", "np.array(7)[()]", "np.array(7)",
        "np.zeros((0, 3), order='F')", "np.array(['', ''])", "np.array([True, False])", "np.arange(4, dtype='>i8')",
        "np.zeros(2, dtype=[(f'field{n}', 'i4') for n in range(3000)])", "np.array([('x',)], dtype=[('ü', 'U1')])", "np.array('text')[()]",
        "np.ones((3, 4), dtype='c16').T", "np.array(['NaT', '2013-01-01'], dtype='M8[ns]')", "np.arange(3, dtype='f2')",
    )  # fmt: skip

    def same(self, one: Any, other: Any) -> bool:
        return (
            type(one) is type(other)
            and one.dtype == other.dtype
            and one.flags.f_contiguous == other.flags.f_contiguous
            and np.asarray(one).tobytes() == np.asarray(other).tobytes()
        )


class TestParquet(CodecContract):
    codec = "parquet/1"
    header = "import datetime, numpy as np, pandas as pd, pyarrow as pa"
    sources = (
        "pd.DataFrame({'b': [1, 2], 'a': ['x', None], 'c': [1.5, np.nan]})",
        "pd.DataFrame({'a': pd.Categorical(['u', 'v', 'u']), 'd': pd.to_datetime(['2013-01-01', None, '2014-01-01'])}, index=[7, 5, 3])",
        "pd.DataFrame({'a': [1, None]}, dtype='Int64')",
        "pd.DataFrame({'a': [1, 2]}, index=pd.MultiIndex.from_tuples([('x', 1), ('y', 2)], names=['k', 'n']))",
        "pd.DataFrame({'a': []})",
        "pd.Series([1, 2], name='s')",
        "pd.Series([1.5, 2.5])",
        "pa.table({'a': [1, 2], 'b': [['x'], []]})",
        "pa.table({'a': [1]}).replace_schema_metadata({'k': 'v'})",
        "pd.DataFrame({'a': [1, 2]}, index=pd.date_range('2013-01-01', periods=2, freq='D'))",
        "pd.DataFrame({'a': [1, 2]}, index=pd.timedelta_range('1s', periods=2, freq='s'))",
        "pd.DataFrame({'c': pd.Categorical([3, 1, None], categories=[5, 3, 1], ordered=True)})",
        "pd.DataFrame({'c': pd.Categorical([], categories=['z', 'b'])})",
        "pd.DataFrame({'c': pd.Categorical([str(n) for n in range(300000)], categories=[str(n) for n in reversed(range(300000))])})",
        "pd.DataFrame({'c': pd.cut([1, 5, 9], 3)})",
        "pd.Series(pd.Categorical(pd.to_datetime(['2013', '2014'])), name='c')",
        "pd.DataFrame({'o': pd.Series(['x', 'y'], dtype=object), 'd': [datetime.date(2013, 1, 1), None]})",
        "pd.DataFrame({'s': np.array(['2013-01-01'], dtype='M8[s]'), 't': pd.to_datetime(['2013-01-01']).tz_localize('Europe/Berlin')})",
        "pd.DataFrame({'p': pd.period_range('2013-01', periods=2, freq='M'), 'i': pd.interval_range(0, 2), 'f': pd.array([1.5, None], dtype='Float64')})",
        "pd.DataFrame({'a': [1]}).set_flags(allows_duplicate_labels=False)",
    )

    def same(self, one: Any, other: Any) -> bool:
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
            assert (one.flags, one.attrs) == (other.flags, other.attrs)
            for name, dtype in other.dtypes.items():
                if isinstance(dtype, pd.CategoricalDtype):
                    assert one[name].dtype.categories.equals(dtype.categories), "their order is kept too"
        elif isinstance(one, pd.Series):
            pd.testing.assert_series_equal(one, other)
        else:
            return bool(one.equals(other) and one.schema.metadata == other.schema.metadata)
        return True


def test_an_array_of_objects_is_refused_with_advice(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match=r"astype\(str\)"):
        repository.save(np.array([object()]))


def test_an_array_that_is_a_view_with_gaps_comes_back_without_them(repository: Repository) -> None:
    loaded = repository.load(repository.save(np.arange(24).reshape(4, 6)[::2, ::3]))
    assert np.array_equal(loaded, [[0, 3], [12, 15]])
    assert loaded.flags.c_contiguous


@pytest.mark.parametrize(
    "array",
    [np.arange(12.0).reshape(3, 4), np.ones((2, 3), order="F"), np.array(5), np.array([], "i2"), np.array(["x"])],
)
def test_what_is_stored_is_what_numpy_itself_would_write(repository: Repository, array: Any) -> None:
    theirs = io.BytesIO()
    np.save(theirs, array)
    data = repository.store.get(repository.save(array).digest)
    assert data == theirs.getvalue() or array.ndim == 0
    assert np.array_equal(np.load(io.BytesIO(data)), array)


def test_a_loaded_array_can_be_changed_and_the_artifact_stays(repository: Repository) -> None:
    ref = repository.save(np.zeros(3))
    repository.load(ref)[0] = 1
    assert repository.load(ref)[0] == 0


@pytest.mark.parametrize("header", ["(-1,)", "(10**9, 10**9)", "(2,)", "(4,)", "(3, 0)"])
def test_an_array_file_that_says_another_shape_is_refused(repository: Repository, header: str) -> None:
    out = io.BytesIO()
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {header}, }}".ljust(117) + "\n"
    out.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(24))
    stored = repository.store.put(of_bytes(out.getvalue()))
    with pytest.raises(ArtifactError, match="npy/1"):
        repository.load(ArtifactRef(stored.digest, "npy/1", "numpy.ndarray", stored.size))


def test_a_table_with_numbers_as_column_names_is_refused_with_advice(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match="Rename"):
        repository.save(pd.DataFrame({1: [1]}))


@pytest.mark.parametrize(
    "column",
    [
        [1, "x"],
        [[1], [2, 3]],
        [{"a": 1}, {"b": 2}],
        ["x"] * 60 + [1],
        [1j],
        [object()],
        pd.arrays.SparseArray([0, 1]),
        pd.Series([1, 2], dtype=object),
    ],
)
def test_a_column_that_parquet_would_change_is_named(repository: Repository, column: Any) -> None:
    with pytest.raises(NoCodecError, match="odd"):
        repository.save(pd.DataFrame({"fine": range(len(column)), "odd": column}))


def test_an_index_or_attrs_that_parquet_would_change_are_refused(repository: Repository) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index([1, 2], name=5))
    with pytest.raises(NoCodecError, match="reset_index"):
        repository.save(frame)
    frame = pd.DataFrame({"a": [1, 2]})
    frame.attrs = {"kept": [1, 2]}
    assert repository.load(repository.save(frame)).attrs == {"kept": [1, 2]}
    frame.attrs = {"lost": (1, 2)}
    with pytest.raises(NoCodecError, match="attrs"):
        repository.save(frame)


def test_a_table_column_that_parquet_would_change_is_named(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match="Cast"):
        repository.save(pa.table({"odd": pa.array([3, 1, 3]).dictionary_encode()}))


def test_equal_tables_are_equal_however_they_were_put_together(repository: Repository) -> None:
    whole = pa.table({"a": range(10_000), "s": [str(n) for n in range(10_000)]})
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 5000), whole.slice(5003)])
    assert repository.save(parts).digest == repository.save(whole).digest
    frame = whole.to_pandas()
    pieces = pd.concat([frame.iloc[:7], frame.iloc[7:]])
    pieces.index = frame.index
    assert repository.save(pieces).digest == repository.save(frame).digest


class TestParquetInParts(TestParquet):
    """Large tables are put together row group by row group: here all are."""

    @pytest.fixture(autouse=True)
    def _all_are_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sematic_airflow_provider.artifacts.codecs.frames._LARGE", 0)
