"""Stable identity: what is equal has one digest, in every process; what differs in anything that comes back has another.

"Equal" means that nobody who loads the one could tell it from the other: types, dtypes, order where order is part of the value, and the bits of numbers. So
1, 1.0 and True are three values, 0.0 and -0.0 are two, and text is not normalised. How a value lies in memory, or came to be, is no part of it, but for one
thing that users of NumPy can see and rely on: whether an array is in C or in Fortran order.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.codecs import registry
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.repository import Repository
from tests.contracts.codec_contract import CodecContract

_GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "digests.json").read_text())
_HEADER = """
import datetime as dt, decimal, zoneinfo
import numpy as np, pandas as pd, polars as pl, pyarrow as pa
wide = np.arange(40).reshape(4, 10)
points = np.dtype([('a', 'i1'), ('b', 'f8')], align=True)
def filled(dtype, byte):
    array = np.frombuffer(bytearray([byte]) * (dtype.itemsize * 3), dtype)
    for name in dtype.names:
        array[name] = range(3)
    return array
nested = np.dtype([('x', 'u1'), ('y', points)])
def nested_filled(byte):
    array = np.frombuffer(bytearray([byte]) * (nested.itemsize * 3), nested)
    array['x'], array['y']['a'], array['y']['b'] = 1, 2, 3.0
    return array
def noted(metadata):
    return pa.table([[1]], pa.schema([pa.field('a', pa.int64(), metadata=metadata)]))
def reals(byte):
    array = np.frombuffer(bytearray([byte]) * 48, 'longdouble')
    array[:] = [1.5, 2.5, -0.5]
    array.view('u1').reshape(3, 16)[:, 10:] = byte
    return array
def under_mask(hidden):
    return pd.DataFrame({'n': pd.arrays.IntegerArray(np.array([1, hidden]), np.array([False, True]))})
def null_slots(hidden):
    return pa.table({'n': pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b'\\1'), pa.py_buffer(np.array([5, hidden]))])})
def grown():
    frame = pd.DataFrame({'a': [1, 2, 3]})
    frame['b'] = [1.5, 2.5, 3.5]
    frame['c'] = [4, 5, 6]
    frame['s'] = ['x', 'y', 'z']
    return frame
def with_attrs(attrs):
    frame = pd.DataFrame({'a': [1]})
    frame.attrs = attrs
    return frame
words = [f'word {n % 7}' for n in range(1000)]
berlin = zoneinfo.ZoneInfo('Europe/Berlin')
"""

_EQUAL = {
    "dicts in any order": ["{'a': 1, 'b': {'c': 2, 'd': 3}}", "dict([('b', dict(d=3, c=2)), ('a', 1)])"],
    "dicts with other keys": ["{1: 'x', (2, 3): 'y', None: 'z'}", "{None: 'z', (2, 3): 'y', 1: 'x'}"],
    "sets": [
        "{'alpha', 'beta', 'gamma', 'delta'}",
        "set(['delta', 'gamma', 'beta', 'alpha'])",
        "{'beta'} | {'gamma', 'delta', 'alpha'}",
    ],
    "sets of sets": [
        "{frozenset({'a', 'b'}), frozenset({'c', 'd'})}",
        "{frozenset({'d', 'c'}), frozenset({'b', 'a'})}",
    ],
    "zones": [
        "dt.datetime(2020, 7, 1, tzinfo=berlin)",
        "dt.datetime(2020, 7, 1, tzinfo=zoneinfo.ZoneInfo.no_cache('Europe/Berlin'))",
    ],
    "NaN of JSON": ["float('nan')", "-float('nan')", "np.frombuffer(b'\\1\\0\\0\\0\\0\\0\\xf8\\x7f', 'f8')[0].item()"],
    "manifests": ["{'b': np.arange(3), 'a': [np.arange(3)]}", "dict(a=[np.arange(6)[:3]], b=np.arange(3))"],
    "strides": [
        "wide[::2, ::3].copy()",
        "wide[::2, ::3]",
        "wide[::-2, ::-3][::-1, ::-1][:, [0, 1, 2, 3]] * 0 + wide[::2, ::3]",
    ],
    "reversed": ["np.arange(5)[::-1]", "np.array([4, 3, 2, 1, 0])"],
    "broadcast": ["np.broadcast_to(np.float32(2), (2, 3))", "np.full((2, 3), 2, 'f4')"],
    "one row is in both orders": ["np.ones((1, 5))", "np.asfortranarray(np.ones((1, 5)))"],
    "spelling of a dtype": ["np.arange(3, dtype='i8')", "np.arange(3, dtype='=q')", "np.arange(3, dtype=np.longlong)"],
    "bytes between fields": ["filled(points, 0)", "filled(points, 255)", "filled(points, 7)"],
    "bytes behind long doubles": ["reals(0)", "reals(255)"],
    "gaps at any depth": ["np.array([(1, (2, 3.0))] * 3, nested)", "nested_filled(9)"],
    "complex long doubles": [
        "reals(0) + 1j",
        "(lambda a: (a.view('u1').reshape(6, 16)[:, 10:].fill(9), a)[1])(reals(0) + 1j)",
    ],
    "a long double alone": ["reals(0)[0]", "reals(255)[0]"],
    "blocks": [
        "grown()",
        "grown().copy()",
        "pd.DataFrame({'a': [1, 2, 3], 'b': [1.5, 2.5, 3.5], 'c': [4, 5, 6], 's': ['x', 'y', 'z']})",
    ],
    "parts of frames": [
        "pd.DataFrame({'a': range(10), 's': words[:10]}).iloc[3:7]",
        "pd.DataFrame({'a': range(3, 7), 's': words[3:7]}, index=pd.RangeIndex(3, 7))",
    ],
    "parts put together": [
        "pd.DataFrame({'s': words})",
        "pd.concat([pd.DataFrame({'s': words[:1]}), pd.DataFrame({'s': words[1:]})], ignore_index=True)",
    ],
    "columns from arrays": [
        "pd.DataFrame({'a': wide[0], 'b': wide[1]})",
        "pd.DataFrame(wide[:2].T, columns=['a', 'b'])",
        "pd.DataFrame(wide[:2].T.copy(), columns=['a', 'b'])",
    ],
    "under a mask": ["under_mask(0)", "under_mask(77)"],
    "NaN of frames": ["pd.DataFrame({'a': [1.0, float('nan')]})", "pd.DataFrame({'a': [1.0, -float('nan')]})"],
    "attrs": ["with_attrs({'a': 1, 'b': {'x': 1, 'y': 2}})", "with_attrs({'b': {'y': 2, 'x': 1}, 'a': 1})"],
    "time zones of frames": [
        "pd.DataFrame({'t': pd.date_range('2020', periods=2, tz='Europe/Berlin')})",
        "pd.DataFrame({'t': pd.date_range('2020', periods=2, tz=berlin)})",
    ],
    "categories": ["pd.Series(pd.Categorical(['b', 'a'], ['a', 'b']))", "pd.Series(['b', 'a']).astype('category')"],
    "null slots": ["null_slots(0)", "null_slots(99)", "pa.table({'n': [5, None]})"],
    "metadata of tables": [
        "pa.table({'a': [1]}).replace_schema_metadata({'k': '1', 'l': '2'})",
        "pa.table({'a': [1]}).replace_schema_metadata({'l': '2', 'k': '1'})",
    ],
    "metadata of columns": ["noted({'k': '1', 'l': '2'})", "noted({'l': '2', 'k': '1'})"],
    "chunks": [
        "pa.table({'s': words})",
        "pa.concat_tables([pa.table({'s': words[:10]}), pa.table({'s': words[10:]})])",
        "pa.table({'s': ['x', *words, 'y']}).slice(1, 1000)",
    ],
    "polars in chunks": [
        "pl.DataFrame({'s': words})",
        "pl.concat([pl.DataFrame({'s': words[:9]}), pl.DataFrame({'s': words[9:]})], rechunk=False)",
        "pl.DataFrame({'s': ['x', *words]})[1:]",
    ],
    "polars of arrow": ["pl.DataFrame({'n': [5, None]})", "pl.from_arrow(null_slots(99))"],
    "text of polars": [
        "pl.Series(['a long text that is not in the view', 'b'])",
        "pl.Series(['b', 'x', 'a long text that is not in the view'])[::-1].gather([0, 2])",
    ],
}

_DIFFERENT = {
    "types": [
        "1",
        "1.0",
        "True",
        "np.int64(1)",
        "'1'",
        "[1]",
        "(1,)",
        "{1}",
        "frozenset({1})",
        "decimal.Decimal(1)",
        "decimal.Decimal('1.0')",
    ],
    "zero": ["0.0", "-0.0", "0"],
    "zero of arrays": ["np.zeros(2)", "-np.zeros(2)", "np.zeros(2, 'f4')"],
    "text is not normalised": ["'\\u00e9'", "'e\\u0301'"],
    "zones by name": [
        "dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)",
        "dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo('UTC'))",
        "dt.datetime(2020, 1, 1)",
    ],
    "fold": [
        "dt.datetime(2013, 10, 27, 2, 30, tzinfo=berlin)",
        "dt.datetime(2013, 10, 27, 2, 30, tzinfo=berlin, fold=1)",
    ],
    "dicts nested and flat": ["{'a': {'b': 1}}", "{'a.b': 1}", "{'a': {}, 'b': 1}"],
    "shapes": [
        "np.arange(6)",
        "np.arange(6).reshape(2, 3)",
        "np.arange(6).reshape(3, 2)",
        "np.arange(6).reshape(1, 6)",
    ],
    "dtypes": [
        "np.arange(3)",
        "np.arange(3, dtype='>i8')",
        "np.arange(3, dtype='u8')",
        "np.arange(3).astype('m8[s]')",
        "np.arange(3).astype('m8[ms]')",
    ],
    "order in memory": ["wide", "np.asfortranarray(wide)"],
    "NaN of arrays is bits": ["np.array([np.nan])", "np.frombuffer(bytearray(b'\\1\\0\\0\\0\\0\\0\\xf8\\x7f'), 'f8')"],
    "text dtypes": [
        "pd.Series(['x', None], dtype=object)",
        "pd.Series(['x', None], dtype='str')",
        "pd.Series(['x', None], dtype='string')",
    ],
    "categories": [
        "pd.Series(pd.Categorical(['a'], ['a', 'b']))",
        "pd.Series(pd.Categorical(['a'], ['b', 'a']))",
        "pd.Series(pd.Categorical(['a'], ['a', 'b'], ordered=True))",
        "pd.Series(pd.Categorical(['a']))",
        "pd.Series(['a'])",
    ],
    "index": [
        "pd.DataFrame({'a': [1, 2]})",
        "pd.DataFrame({'a': [1, 2]}, index=[0, 1])",
        "pd.DataFrame({'a': [1, 2]}, index=['0', '1'])",
        "pd.DataFrame({'a': [1, 2]}).rename_axis('n')",
    ],
    "columns": ["pd.DataFrame({'a': [1], 'b': [1]})", "pd.DataFrame({'b': [1], 'a': [1]})"],
    "frames": [
        "pd.DataFrame({'a': [1]})",
        "pd.Series([1], name='a')",
        "pa.table({'a': [1]})",
        "pl.DataFrame({'a': [1]})",
        "pl.Series('a', [1])",
    ],
    "missing": [
        "pd.DataFrame({'a': [1.0, None]})",
        "pd.DataFrame({'a': [1, None]}, dtype='Int64')",
        "pd.DataFrame({'a': [1.0, None]}, dtype='Float64')",
    ],
    "zones of frames": [
        "pd.Series(pd.date_range('2020', periods=2))",
        "pd.Series(pd.date_range('2020', periods=2, tz='UTC'))",
        "pd.Series(pd.date_range('2020', periods=2, tz='Europe/Berlin'))",
    ],
}


@pytest.fixture
def repository() -> Repository:
    return Repository(FsspecStore("memory://identity"), inline_limit=0, previews=False)


def _namespace() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(_HEADER, namespace)
    return namespace


@pytest.mark.parametrize("name", _EQUAL)
def test_equal_values_have_one_digest(repository: Repository, name: str) -> None:
    assert len({repository.save(eval(source, _namespace())).digest for source in _EQUAL[name]}) == 1


@pytest.mark.parametrize("name", _DIFFERENT)
def test_what_can_be_told_apart_has_another_digest(repository: Repository, name: str) -> None:
    sources = _DIFFERENT[name]
    assert len({repository.save(eval(source, _namespace())).digest for source in sources}) == len(sources)


_ELSEWHERE = """
import random, sys
sys.path.insert(0, {root!r})
# things met, allocated and freed before, in another order in each process
before = [bytearray(random.randrange(1, 5000)) for _ in range(random.randrange(20_000))]
{header}
met = pl.Series(random.sample(words, 20), dtype=pl.Categorical)
del before[::2]
from sematic_airflow_provider.artifacts.repository import open_repository
repository = open_repository("memory://elsewhere", inline_limit=0, create=True, previews=False)
for source in {sources!r}:
    print(repository.save(eval(source)).digest)
"""


@pytest.mark.parametrize("seed", ["0", "1", "4321"])
def test_digests_are_the_same_in_every_process(repository: Repository, tmp_path: Path, seed: str) -> None:
    sources = [sources[0] for sources in (*_EQUAL.values(), *_DIFFERENT.values())]
    code = _ELSEWHERE.format(root=str(Path(__file__).parents[2]), header=_HEADER, sources=sources)
    zone = {"0": "UTC", "1": "Asia/Kolkata", "4321": "America/New_York"}[seed]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": seed, "PATH": "", "TZ": zone, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == [repository.save(eval(source, _namespace())).digest for source in sources]


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.dates()
)
_VALUES = st.recursive(
    _SCALARS,
    lambda members: st.lists(members, max_size=4)
    | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5) | st.integers(), members, max_size=6)
    | st.frozensets(_SCALARS, max_size=6)
    | st.tuples(members, members),
    max_leaves=15,
)  # fmt: skip


def _refilled(value: Any, order: Any) -> Any:
    """An equal value whose dicts and sets were filled in another order."""
    if isinstance(value, dict):
        return {key: _refilled(value[key], order) for key in order.sample(list(value), len(value))}
    if isinstance(value, frozenset):
        return frozenset(order.sample(list(value), len(value)))
    return type(value)(_refilled(member, order) for member in value) if isinstance(value, (list, tuple)) else value


@settings(max_examples=150, deadline=None)
@given(value=_VALUES, order=st.randoms(use_true_random=False))
def test_the_order_in_which_values_were_filled_does_not_count(value: Any, order: Any) -> None:
    assert _digest(_refilled(value, order)) == _digest(value)


@settings(max_examples=100, deadline=None)
@given(
    numbers=st.lists(st.floats(width=32), min_size=1, max_size=12),
    dtype=st.sampled_from(["f4", "f8", ">f8", "c8"]),
    step=st.sampled_from([-3, -1, 1, 2, 5]),
    offset=st.integers(0, 7),
)
def test_where_an_array_lies_does_not_count(numbers: list[float], dtype: str, step: int, offset: int) -> None:
    whole = np.array(numbers, dtype)
    memory = np.zeros(len(numbers) * abs(step) * whole.itemsize + offset, "u1")
    view = memory[offset:].view(dtype)  # mostly not where the processor wants it
    spread = view[:: abs(step)][:: 1 if step > 0 else -1]
    spread[...] = whole
    assert _digest(spread) == _digest(whole)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.none() | st.floats(), st.none() | st.text(st.characters(codec="utf-8"), max_size=9)), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)  # fmt: skip
def test_how_a_table_was_put_together_does_not_count(rows: list[tuple[Any, Any]], cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    whole = pa.table(
        {"n": pa.array([n for n, _ in rows], pa.float64()), "s": pa.array([s for _, s in rows], pa.string())}
    )
    parts = pa.concat_tables([whole.slice(a, b - a) for a, b in pairwise(bounds)])
    assert _digest(parts) == _digest(whole)
    assert _digest(pl.from_arrow(parts)) == _digest(pl.DataFrame(pl.from_arrow(whole)).rechunk())
    frame = whole.to_pandas()
    pieces = [frame.iloc[a:b] for a, b in pairwise(bounds) if a < b]
    assert _digest(pd.concat(pieces)) == _digest(frame)


def _digest(value: Any) -> str:
    return Repository(FsspecStore("memory://identity"), inline_limit=0, previews=False).save(value).digest


def _contracts() -> Iterator[type[CodecContract]]:
    for module in _CONTRACTS:
        try:
            found = import_module(f"tests.artifacts.{module}")
        except pytest.skip.Exception:  # its library is not installed
            continue
        yield from (
            c
            for c in vars(found).values()
            if isinstance(c, type) and issubclass(c, CodecContract) and hasattr(c, "codec")
        )


_CONTRACTS = (
    "test_codecs",
    "test_codecs_json",
    "test_codecs_models",
    "test_codecs_polars",
    "test_codecs_boosting",
    "test_codecs_figures",
    "test_codecs_torch",
)
_ONLY_WHERE_ASKED_FOR = {"pickle/1"}
_NOT_INSTALLED_HERE = set() if find_spec("torch") else {"safetensors/1"}
_LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow",
    "polars",
    "scikit-learn",
    "skops",
    "scipy",
    "xgboost-cpu",
    "lightgbm",
    "matplotlib",
    "plotly",
    "pillow",
)


def test_every_codec_keeps_the_contract() -> None:
    tested = {contract.codec for contract in _contracts()}
    assert set(registry.built_in_names()) - tested == _ONLY_WHERE_ASKED_FOR | _NOT_INSTALLED_HERE


@pytest.mark.parametrize("name", registry.built_in_names())
def test_what_a_codec_says_of_its_bytes_is_declared(name: str) -> None:
    codec = registry.codec_named(name)
    assert type(codec.deterministic) is bool
    assert all(type(distribution) is str for distribution in registry.depends_on(codec))
    assert codec.deterministic != (name in ("pickle/1", "picture/1"))
    for_ever = codec.deterministic and not registry.depends_on(codec)
    assert for_ever == (name in _GOLDEN), "bytes that never change are held by golden digests, and no others are"


@pytest.mark.parametrize("name", sorted(set(registry.built_in_names()) - _ONLY_WHERE_ASKED_FOR - _NOT_INSTALLED_HERE))
def test_no_version_stands_in_the_bytes_of_a_codec_that_does_not_say_so(name: str) -> None:
    contract = next(contract for contract in _contracts() if contract.codec == name)
    codec, file = registry.codec_named(name), io.BytesIO()
    codec.encode(contract().make(contract.sources[0]), file)
    found = {library for library in _LIBRARIES if version(library).encode() in file.getvalue()}
    assert found <= set(registry.depends_on(codec))
