"""Each codec, by contract; and what each promises beyond it."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.codecs.json import from_json, is_plain, to_json
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.codec_contract import CodecContract


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


class TestJson(CodecContract):
    codec = "json/1"
    header = "import datetime, decimal, uuid, zoneinfo"

    def same(self, one: Any, other: Any) -> bool:
        return super().same(one, other) and getattr(one, "tzinfo", None) == getattr(other, "tzinfo", None)

    sources = (
        "None", "True", "1", "1.0", "'text ü'", "[1, [2.5, None]]", "{'b': 1, 'a': {'c': []}}", "(1, 'x')", "{3, 1, 2}", "frozenset({'a', 'b', 'c'})",
        "b'\\x00\\xff'", "{1: 'a', (2, 3): 'b'}", "{'$type': 'not a tag'}", "datetime.date(2013, 1, 1)", "datetime.timedelta(days=-1, microseconds=5)",
        "datetime.datetime(2013, 1, 1, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))", "datetime.time(1, 2, 3, 4)",
        "datetime.datetime(2013, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'), fold=1)", "datetime.datetime(2013, 1, 1, fold=1)",
        "10**5000", "-7**9000", "decimal.Decimal('1.10')", "uuid.UUID(int=5)", "float('inf')", "1e308", "10**30",
    )  # fmt: skip


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


class TestSkops(CodecContract):
    codec = "skops/1"
    header = """
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X = np.random.default_rng(0).random((80, 3))
y = (X.sum(axis=1) > 1.5).astype(int)
"""
    sources = (
        "make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)",
        "HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, y)",
        "RandomForestRegressor(n_estimators=3, random_state=0).fit(X, y)",
        "StandardScaler()",
    )

    def same(self, one: Any, other: Any) -> bool:
        if type(one) is not type(other) or str(one.get_params()) != str(other.get_params()):
            return False
        features = np.random.default_rng(1).random((20, 3))
        return not hasattr(one, "predict") or np.array_equal(one.predict(features), other.predict(features))


_keys = st.text(max_size=5)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=15,
)


def _alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


@given(_values)
def test_any_plain_value_comes_back_type_by_type(value: Any) -> None:
    assert _alike(from_json(json.loads(canonical_json(to_json(value)))), value)


@given(st.dictionaries(_keys | st.integers(), _values, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[Any, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(to_json(dict(items))) == canonical_json(to_json(value))


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), ([1], (1,)), ({1}, [1]), (None, "null"), ("", b"")]
)
def test_values_of_different_types_have_different_digests(repository: Repository, one: Any, other: Any) -> None:
    assert repository.save(one).digest != repository.save(other).digest


def test_a_value_that_holds_itself_is_refused(repository: Repository) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NoCodecError, match="holding itself"):
        repository.save(loop)


@pytest.mark.parametrize(
    "value", [dt.datetime(2013, 1, 1, tzinfo=dt.timezone.utc), (1,), {1}, float("nan"), {"$type": 1}, object()]
)
def test_tagged_values_are_not_plain(value: Any) -> None:
    try:
        form = to_json(value)
    except NoCodecError:
        return
    assert not is_plain(form, value)


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
    stored = repository.store.put(lambda file: file.write(out.getvalue()))
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


def test_a_model_with_foreign_types_is_refused(repository: Repository) -> None:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    with pytest.raises(NoCodecError, match="not of scikit-learn"):
        repository.save(Pipeline([("mine", FunctionTransformer(_alike))]))


def test_a_crafted_model_file_is_not_loaded(repository: Repository) -> None:
    import skops.io as sio
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    data = sio.dumps(Pipeline([("mine", FunctionTransformer(_alike))]))
    honest = repository.save(Pipeline([("s", FunctionTransformer())]))
    stored = repository.store.put(lambda file: file.write(data))
    with pytest.raises(Exception, match="not trusted"):
        repository.load(type(honest)(stored.digest, "skops/1", honest.type, stored.size))


def _calling(module: str, name: str, content: dict[str, Any]) -> dict[str, Any]:
    """A node of a model file that calls what it names."""
    return {
        "__class__": name,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "__id__": 999,
        "content": content,
    }


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.testing._private.utils", "runstring"), ("numpy", "memmap"), ("sklearn.utils._testing", "TempMemmap"), ("sklearn.metrics", "f1_score"),
        ("sklearn.externals._packaging.version", "Version"), ("sklearn.datasets._base", "urlretrieve"), ("os", "system"), ("sklearn", "nothing"),
    ],
)  # fmt: skip
def test_a_model_file_cannot_call_what_it_likes(repository: Repository, tmp_path: Path, module: str, name: str) -> None:
    """skops calls what such a node names, so a trusted prefix would be a way to run code."""
    import skops.io as sio
    from sklearn.preprocessing import StandardScaler

    witness = tmp_path / "ran"
    honest = repository.save(StandardScaler())
    data = sio.dumps(StandardScaler(with_mean=(f"open({str(witness)!r}, 'w')", {})))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
    attributes = schema["content"]["content"]
    attributes["with_mean"] = _calling(module, name, attributes["with_mean"])
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    stored = repository.store.put(lambda file: file.write(forged.getvalue()))
    with pytest.raises(ArtifactError, match="not trusted"):
        repository.load(type(honest)(stored.digest, "skops/1", honest.type, stored.size))
    assert not witness.exists()


def test_a_model_that_skops_cannot_write_is_refused_with_its_reason(repository: Repository) -> None:
    from sklearn.cluster import Birch

    with pytest.raises(NoCodecError, match="Birch"):
        repository.save(Birch())


@pytest.mark.parametrize(
    "source",
    [
        "ensemble.HistGradientBoostingRegressor(max_iter=2)", "neighbors.KNeighborsClassifier(algorithm='kd_tree')", "calibration.CalibratedClassifierCV()",
        "gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.RBF())", "feature_selection.SelectKBest(k=1)",
        "neural_network.MLPClassifier(max_iter=3)",
        "preprocessing.SplineTransformer()", "cluster.FeatureAgglomeration()", "cluster.BisectingKMeans(2)", "impute.SimpleImputer()", "svm.SVC()",
        "linear_model.TweedieRegressor()", "ensemble.GradientBoostingClassifier(n_estimators=2)", "feature_extraction.DictVectorizer()",
    ],
)  # fmt: skip
def test_what_scikit_learn_fits_can_be_stored(repository: Repository, source: str) -> None:
    """The wall around model files lets real ones through."""
    import importlib

    name = source.split(".", 1)[0]
    module = importlib.import_module(f"sklearn.{name}")
    model = eval(source, {name: module})
    features = np.random.default_rng(0).random((40, 3))
    if name == "feature_extraction":
        model.fit([{"a": 1, "b": 2}])
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(features, (features[:, 0] > 0.5).astype(int))
    assert str(repository.load(repository.save(model)).get_params()) == str(model.get_params())
