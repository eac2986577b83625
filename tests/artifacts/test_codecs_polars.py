"""Frames and series of polars."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sematic_airflow_provider.artifacts.codecs.polars_frames import PolarsCodec
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.codec_contract import CodecContract


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


_HEADER = """
import datetime as dt
from decimal import Decimal
import polars as pl
Categories = pl.Categories("mine", namespace="here")
"""
_COLUMNS = {
    "text": "pl.Series(['x', None, 'y'])",
    "category": "pl.Series(['u', 'v', None], dtype=pl.Categorical)",
    "own categories": "pl.Series(['u', 'v', 'u'], dtype=pl.Categorical(Categories))",
    "enum": "pl.Series(['p', 'q', 'p'], dtype=pl.Enum(['q', 'p', 'unused']))",
    "decimal": "pl.Series([Decimal('1.10'), None, Decimal(2)], dtype=pl.Decimal(20, 3))",
    "duration ms": "pl.Series([dt.timedelta(1), None, dt.timedelta(0)], dtype=pl.Duration('ms'))",
    "duration ns": "pl.Series([dt.timedelta(1), None, dt.timedelta(0)], dtype=pl.Duration('ns'))",
    "list": "pl.Series([[1], [], None])",
    "struct": "pl.Series([{'a': 1, 'b': 'x'}, None, {'a': None, 'b': 'y'}])",
    "null": "pl.Series([None, None, None])",
    "zone": "pl.Series([dt.datetime(2013, 1, 1)] * 3, dtype=pl.Datetime('us', 'Europe/Berlin'))",
    "milliseconds": "pl.Series([dt.datetime(2013, 1, 1), None, None], dtype=pl.Datetime('ms'))",
    "nanoseconds": "pl.Series([dt.datetime(2013, 1, 1), None, None], dtype=pl.Datetime('ns'))",
    "time": "pl.Series([dt.time(1, 2, 3), None, None])",
    "date": "pl.Series([dt.date(2013, 1, 1), None, None])",
    "bytes": "pl.Series([b'x', b'', None])",
    "bool": "pl.Series([True, None, False])",
    "array": "pl.Series([[1, 2], [3, 4], None], dtype=pl.Array(pl.Int16, 2))",
    "cube": "pl.Series([[[1, 2], [3, 4]]] * 3, dtype=pl.Array(pl.Int8, (2, 2)))",
    "u8": "pl.Series([1, 2, 255], dtype=pl.UInt8)",
    "f32": "pl.Series([1.5, float('nan'), None], dtype=pl.Float32)",
    "i128": "pl.Series([1, 2**100, None], dtype=pl.Int128)",
    "categories in lists": "pl.Series([['a'], ['b', 'a'], []], dtype=pl.List(pl.Categorical))",
    "categories in structs": "pl.Series([{'c': 'a'}, {'c': 'b'}, None], dtype=pl.Struct({'c': pl.Categorical}))",
    "categories in arrays": "pl.Series([['a', 'b'], ['b', 'a'], None], dtype=pl.Array(pl.Categorical, 2))",
}


class TestPolars(CodecContract):
    codec = "polars-parquet/1"
    header = _HEADER
    sources = (
        "pl.DataFrame({'b': [1, 2], 'a': ['x', None], 'c': [1.5, float('nan')]})",
        "pl.DataFrame()",
        "pl.DataFrame({'': [], 'b': pl.Series([], dtype=pl.Int8)})",
        "pl.Series('s', [1, 2])",
        "pl.Series([1.5, 2.5])",
        *_COLUMNS.values(),
        "pl.DataFrame({" + ", ".join(f"{name!r}: {source}" for name, source in _COLUMNS.items()) + "})",
        "pl.DataFrame({'n': range(50_000), 's': [str(n % 100) for n in range(50_000)]})",
    )

    def same(self, one: Any, other: Any) -> bool:
        if type(one) is not type(other):
            return False
        if isinstance(one, pl.Series):
            return one.dtype == other.dtype and one.name == other.name and one.equals(other, null_equal=True)
        return one.schema == other.schema and one.columns == other.columns and one.equals(other)


def test_what_is_not_kept_is_refused_with_advice(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match=r"\.collect\(\)"):
        repository.save(pl.LazyFrame({"a": [1]}))
    with pytest.raises(NoCodecError, match="odd"):
        repository.save(pl.DataFrame({"odd": pl.Series([object()], dtype=pl.Object)}))


def test_categories_that_the_process_met_before_change_nothing(repository: Repository) -> None:
    wanted = repository.save(pl.Series(["third", "first"], dtype=pl.Categorical)).digest
    code = (
        "import sys, polars as pl\n"
        "from sematic_airflow_provider.artifacts.repository import open_repository\n"
        "before = pl.Series(['first', 'second', 'third'], dtype=pl.Categorical)\n"
        f"print(open_repository({str(repository.store.url)!r}).save(pl.Series(['third', 'first'], dtype=pl.Categorical)).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == wanted


def test_equal_frames_are_equal_however_they_were_put_together(repository: Repository) -> None:
    whole = pl.DataFrame({"a": range(20_000), "s": [str(n) for n in range(20_000)]})
    parts = pl.concat([whole[:3], whole[3:5000], whole[5000:]], rechunk=False)
    assert parts.n_chunks() == 3
    assert repository.save(parts).digest == repository.save(whole).digest


@pytest.mark.parametrize("pyarrow_is_there", [True, False])
def test_columns_are_loaded_alone(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, pyarrow_is_there: bool
) -> None:
    frame = TestPolars().make(TestPolars.sources[-2])
    ref = repository.save(frame)
    if not pyarrow_is_there:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    for names in [[name] for name in frame.columns] + [["text", "category", "u8"]]:
        part = repository.load_columns(ref, names)
        assert part.schema == frame.select(names).schema
        assert part.equals(frame.select(names))
    with pytest.raises(ArtifactError, match=r"no columns absent.*text"):
        repository.load_columns(ref, ["absent"])


def test_a_frame_that_grew_begins_with_the_bytes_that_it_had() -> None:
    def stored(rows: int) -> bytes:
        file = io.BytesIO()
        numbers = pl.Series("n", range(rows))
        PolarsCodec().encode(pl.DataFrame({"n": numbers, "square": numbers * numbers, "odd": numbers % 7}), file)
        return file.getvalue()

    short, longer = stored(1 << 19), stored((1 << 19) + 1000)
    shared = len(short) - 10_000  # without the footer
    assert short[:shared] == longer[:shared]


def test_pandas_and_pyarrow_read_what_is_stored(repository: Repository) -> None:
    import pandas as pd

    ref = repository.save(pl.DataFrame({"n": [1, 2], "c": pl.Series(["x", "y"], dtype=pl.Categorical)}))
    frame = pd.read_parquet(io.BytesIO(bytes(repository.store.get(ref.digest))))
    assert frame.to_dict("list") == {"n": [1, 2], "c": ["x", "y"]}
