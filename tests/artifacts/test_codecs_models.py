"""Models: what is fitted comes back, the same artifact each time; crafted files are walls to run into."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
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
    assert str(repository.load(repository.save(model)).get_params()) == str(model.get_params())
