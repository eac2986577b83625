"""Models: what is fitted comes back, the same artifact each time; crafted files are walls to run into."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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


def _mine(value: Any) -> Any:
    """A function that is not scikit-learn's."""
    return value


def _parameters(model: Any) -> dict[str, str]:
    return {name: str(sorted(value) if isinstance(value, set) else value) for name, value in model.get_params().items()}


class TestSkops(CodecContract):
    codec = "skops/1"
    header = """
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler
from scipy.special import expit
X = np.random.default_rng(0).random((80, 3))
y = (X.sum(axis=1) > 1.5).astype(int)
frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(carrier=["AA", "UA", "DL", "B6"] * 20)
columns = ColumnTransformer([("codes", OrdinalEncoder(), ["carrier"]), ("numbers", "passthrough", ["a", "b", "c"])])
"""
    sources = (
        "make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)",
        "HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, y)",
        "RandomForestRegressor(n_estimators=3, random_state=0).fit(X, y)",
        "StandardScaler()",
        "make_pipeline(columns, HistGradientBoostingClassifier(max_iter=3, random_state=0)).fit(frame, y)",
        "make_pipeline(FunctionTransformer(np.log1p), FunctionTransformer(expit), FunctionTransformer(np.mean))",
        "CountVectorizer(vocabulary={'some', 'words', 'of', 'a', 'set'})",
        "LogisticRegression(class_weight={0: 2.0, 1: 0.5, np.int64(7): 3.0, 'x': 1.0, np.str_('y'): 2.0})",
    )

    def same(self, one: Any, other: Any) -> bool:
        if type(one) is not type(other) or _parameters(one) != _parameters(other):
            return False
        features: Any = np.random.default_rng(1).random((20, 3))
        if hasattr(other, "feature_names_in_"):
            features = pd.DataFrame(features, columns=["a", "b", "c"]).assign(carrier=["UA", "DL"] * 10)
        return (
            not hasattr(other, "n_features_in_")
            or not hasattr(one, "predict")
            or np.array_equal(one.predict(features), other.predict(features))
        )


def test_a_model_with_foreign_types_is_refused(repository: Repository) -> None:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    with pytest.raises(NoCodecError, match="not of scikit-learn"):
        repository.save(Pipeline([("mine", FunctionTransformer(_mine))]))


def test_a_crafted_model_file_is_not_loaded(repository: Repository) -> None:
    import skops.io as sio
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    data = sio.dumps(Pipeline([("mine", FunctionTransformer(_mine))]))
    honest = repository.save(Pipeline([("s", FunctionTransformer())]))
    stored = repository.store.put(of_bytes(data))
    with pytest.raises(Exception, match="not trusted"):
        repository.load(ArtifactRef(stored.digest, "skops/1", honest.type, stored.size))


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
    stored = repository.store.put(of_bytes(forged.getvalue()))
    with pytest.raises(ArtifactError, match="not trusted"):
        repository.load(ArtifactRef(stored.digest, "skops/1", honest.type, stored.size))
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
    ref = repository.save(model)
    loaded = repository.load(ref)
    assert str(loaded.get_params()) == str(model.get_params())
    assert repository.save(loaded).digest == ref.digest


def test_equal_models_are_equal_whatever_order_they_were_set_in(repository: Repository) -> None:
    from sklearn.linear_model import LogisticRegression

    one = LogisticRegression(class_weight={"b": 1, "a": 2}).set_params(C=2.0)
    other = LogisticRegression(C=2.0, class_weight={"a": 2, "b": 1})
    one.extra, one.later = np.arange(3), {"x", "y", "z", "w"}
    other.later, other.extra = {"w", "z", "y", "x"}, np.arange(3)
    assert repository.save(one).digest == repository.save(other).digest


def test_keys_of_several_types_stay_with_their_types(repository: Repository) -> None:
    from sklearn.linear_model import LogisticRegression

    weights = {2: 0.1, "b": 0.2, 1: 0.3, "a": 0.4}
    assert repository.load(repository.save(LogisticRegression(class_weight=weights))).class_weight == weights
    with pytest.raises(NoCodecError, match="equal as text"):
        repository.save(LogisticRegression(class_weight={1: 0.1, "1": 0.2}))
    for key in (False, None, (1, 2), np.bool_(False)):
        with pytest.raises(NoCodecError, match=r"keys|skops"):
            repository.save(LogisticRegression(class_weight={key: 0.1}))


def test_what_two_parts_of_a_model_share_they_share_afterwards(repository: Repository) -> None:
    """A random state that two steps draw from in turn is one; two that are only equal stay two."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import Pipeline

    def pair(first: Any, second: Any) -> Any:
        return Pipeline([("one", SGDClassifier(random_state=first)), ("two", SGDClassifier(random_state=second))])

    state = np.random.RandomState(0)
    shared = repository.save(pair(state, state))
    apart = repository.save(pair(np.random.RandomState(0), np.random.RandomState(0)))
    assert shared.digest != apart.digest
    steps = repository.load(shared).named_steps
    assert steps["one"].random_state is steps["two"].random_state
    steps = repository.load(apart).named_steps
    assert steps["one"].random_state is not steps["two"].random_state


def test_a_function_that_a_users_module_imported_first_keeps_its_name(repository: Repository) -> None:
    """skops looks for SciPy's functions in all loaded modules and takes the first that has it."""
    import sys
    from types import ModuleType

    import scipy.special
    from sklearn.preprocessing import FunctionTransformer

    expected = repository.save(FunctionTransformer(scipy.special.expit)).digest
    mine = ModuleType("mine_with_expit")
    mine.expit = scipy.special.expit  # type: ignore[attr-defined]
    before = dict(sys.modules)
    try:
        sys.modules.clear()
        sys.modules.update({"mine_with_expit": mine, **before})
        assert repository.save(FunctionTransformer(scipy.special.expit)).digest == expected
    finally:
        sys.modules.clear()
        sys.modules.update(before)


def test_skops_itself_reads_what_is_stored(repository: Repository) -> None:
    import skops.io as sio
    from sklearn.ensemble import RandomForestClassifier

    features, labels = np.random.default_rng(0).random((50, 3)), np.arange(50) % 2
    model = RandomForestClassifier(3, random_state=np.random.RandomState(7)).fit(features, labels)
    data = bytes(repository.store.get(repository.save(model).digest))
    theirs = sio.loads(data, trusted=sio.get_untrusted_types(data=data))
    assert np.array_equal(theirs.predict_proba(features), model.predict_proba(features))


def test_a_model_file_that_would_grow_is_refused(repository: Repository) -> None:
    from sklearn.preprocessing import StandardScaler

    ref = repository.save(StandardScaler().fit(np.random.default_rng(0).random((5, 3))))
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(repository.store.get(ref.digest))) as source, zipfile.ZipFile(packed, "w") as bomb:
        for name in source.namelist():
            bomb.writestr(name, source.read(name), zipfile.ZIP_DEFLATED)
    stored = repository.store.put(of_bytes(packed.getvalue()))
    with pytest.raises(ArtifactError, match="compressed"):
        repository.load(ArtifactRef(stored.digest, ref.codec, ref.type, stored.size))
