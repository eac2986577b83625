"""XGBoost and LightGBM models: all wrappers, what they know of features and rounds, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.codec_contract import CodecContract


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


_DATA = """
import numpy as np
import pandas as pd
X = np.random.default_rng(0).random((120, 3)).astype("float32")
y = (X.sum(axis=1) + np.tile([1.0, 0.0], 60) > 2).astype(int)
words = np.array(["late", "early"])[y]
frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(carrier=pd.Categorical(["AA", "UA", "DL", "B6"] * 30))
group = [40, 40, 40]
"""


def _features(model: Any) -> Any:
    if isinstance(model, lgb.Booster):
        names = model.feature_name()
    else:
        names = model.feature_names if isinstance(model, xgb.Booster) else getattr(model, "feature_names_in_", None)
    features: Any = np.random.default_rng(1).random((40, 3)).astype("float32")
    if names is None or "carrier" not in list(names):
        return features
    frame = pd.DataFrame(features, columns=["a", "b", "c"])
    return frame.assign(carrier=pd.Categorical(["UA", "B6"] * 20, categories=["AA", "B6", "DL", "UA"]))


class TestXgboost(CodecContract):
    codec = "xgboost/1"
    header = f"""{_DATA}
import xgboost as xgb
few = dict(n_estimators=3, max_depth=3, n_jobs=1)
matrix = xgb.DMatrix(X, y, nthread=1)
"""
    sources = (
        "xgb.train({'max_depth': 2, 'nthread': 1}, matrix, 3)",
        "xgb.train({'max_depth': 2, 'nthread': 1}, xgb.DMatrix(frame, y, enable_categorical=True, nthread=1), 3)",
        "xgb.train({'booster': 'gblinear', 'nthread': 1, 'updater': 'coord_descent'}, matrix, 3)",
        "xgb.train({'booster': 'dart', 'rate_drop': 0.5, 'seed': 3, 'nthread': 1}, matrix, 5)",
        "xgb.XGBClassifier(**few).fit(X, y)",
        "xgb.XGBClassifier(**few).fit(X, np.arange(120) % 3)",
        "xgb.XGBClassifier(**few, enable_categorical=True).fit(frame, y)",
        "xgb.XGBClassifier(**few, early_stopping_rounds=1, eval_metric=['auc', 'logloss']).fit(X, y, eval_set=[(X, y)], verbose=False)",
        "xgb.XGBRegressor(**few, missing=-1.0, base_score=0.25).fit(X, y * 2.5)",
        "xgb.XGBRegressor(**few, multi_strategy='multi_output_tree').fit(X, np.c_[y, 1 - y])",
        "xgb.XGBRanker(**few).fit(X, y, group=group)",
        "xgb.XGBRFClassifier(n_estimators=3, max_depth=3, n_jobs=1, random_state=1).fit(X, y)",
        "xgb.XGBRFRegressor(n_estimators=3, max_depth=3, n_jobs=1, random_state=1).fit(X, y)",
        "xgb.XGBModel(**few, objective='reg:absoluteerror').fit(X, y)",
    )

    def same(self, one: Any, other: Any) -> bool:
        features = _features(other)
        if type(one) is not type(other):
            return False
        if isinstance(one, xgb.Booster):
            matrix = xgb.DMatrix(features, feature_names=other.feature_names, enable_categorical=True)
            assert (one.feature_names, one.feature_types) == (other.feature_names, other.feature_types)
            assert one.attributes() == other.attributes()
            return np.array_equal(one.predict(matrix), other.predict(matrix))
        assert sorted(map(str, one.get_params().items())) == sorted(map(str, other.get_params().items()))
        assert vars(one).keys() == vars(other).keys()
        assert getattr(one, "evals_result_", None) == getattr(other, "evals_result_", None)
        assert one.get_booster().attributes() == other.get_booster().attributes()
        if hasattr(other, "predict_proba"):
            assert np.array_equal(one.predict_proba(features), other.predict_proba(features))
        return np.array_equal(one.predict(features), other.predict(features))


class TestLightgbm(CodecContract):
    codec = "lightgbm/1"
    header = f"""{_DATA}
import lightgbm as lgb
few = dict(n_estimators=3, num_leaves=4, n_jobs=1, verbose=-1, min_child_samples=5, min_data_per_group=5, deterministic=True)
told = {{'verbose': -1, 'num_threads': 1, 'num_leaves': 4, 'deterministic': True}}
stop = lgb.early_stopping(1, verbose=False)
test = lgb.Dataset(X, 1 - y, free_raw_data=False)
"""
    sources = (
        "lgb.train(told, lgb.Dataset(X, y), 3)",
        "lgb.train(told, lgb.Dataset(frame, y), 3)",
        "lgb.train({**told, 'linear_tree': True}, lgb.Dataset(X, y), 3)",
        "lgb.train({**told, 'metric': 'l2'}, (d := lgb.Dataset(X, y)), 6, valid_sets=[lgb.Dataset(X, 1 - y, reference=d)], callbacks=[stop])",
        "lgb.LGBMClassifier(**few).fit(X, y)",
        "lgb.LGBMClassifier(**few).fit(X, words)",
        "lgb.LGBMClassifier(**few).fit(X, np.arange(120) % 3)",
        "lgb.LGBMClassifier(**few, class_weight={0: 2.0, 1: 1.0}).fit(frame, y)",
        "lgb.LGBMClassifier(**few).fit(X, words, eval_set=[(X, words[::-1])], callbacks=[stop])",
        "lgb.LGBMRegressor(**few).fit(frame, y * 2.5)",
        "lgb.LGBMRanker(**few).fit(X, y, group=group)",
        "lgb.LGBMModel(**few, objective='l1').fit(X, y)",
    )

    def same(self, one: Any, other: Any) -> bool:
        features = _features(other)
        if type(one) is not type(other):
            return False
        inside, expected = (model if isinstance(model, lgb.Booster) else model.booster_ for model in (one, other))
        assert inside.feature_name() == expected.feature_name()
        assert (inside.best_iteration, inside.best_score) == (expected.best_iteration, expected.best_score)
        assert (inside.pandas_categorical, inside.num_trees()) == (expected.pandas_categorical, expected.num_trees())
        if not isinstance(one, lgb.Booster):
            assert sorted(map(str, one.get_params().items())) == sorted(map(str, other.get_params().items()))
            assert vars(one).keys() == vars(other).keys()
            assert one.best_score_ == other.best_score_
            assert one.evals_result_ == other.evals_result_
        if hasattr(other, "predict_proba"):
            assert np.array_equal(one.classes_, other.classes_)
            assert np.array_equal(one.predict_proba(features), other.predict_proba(features))
        return np.array_equal(one.predict(features), other.predict(features))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is stored for one model of each library, with splits by category."""
    repository = Repository(LocalStore(tmp_path_factory.mktemp("models")))
    kept = {TestXgboost: TestXgboost.sources[6], TestLightgbm: TestLightgbm.sources[9]}
    refs = {contract.codec: repository.save(contract().make(source)) for contract, source in kept.items()}
    return {codec: bytes(repository.store.get(ref.digest)) for codec, ref in refs.items()}


@pytest.mark.parametrize(
    "model",
    [xgb.XGBClassifier(), xgb.XGBRanker(), lgb.LGBMRegressor(), lgb.LGBMModel()],
    ids=lambda m: type(m).__name__,
)
def test_a_model_that_is_not_fitted_is_refused_with_advice(repository: Repository, model: Any) -> None:
    with pytest.raises(NoCodecError, match=rf"{type(model).__name__} is not fitted.*get_params"):
        repository.save(model)


def test_what_cannot_be_stored_beside_the_trees_is_named(repository: Repository) -> None:
    features, labels = np.random.default_rng(0).random((50, 2)), np.arange(50) % 2

    def mine(truth: Any, guess: Any) -> float:
        return float(np.mean(truth == guess))

    model = xgb.XGBClassifier(n_estimators=1, eval_metric=mine, n_jobs=1)
    model.fit(features, labels, eval_set=[(features, labels)], verbose=False)
    with pytest.raises(NoCodecError, match=r"XGBClassifier.eval_metric .* Set it to None"):
        repository.save(model)
    model.eval_metric = None
    assert np.array_equal(repository.load(repository.save(model)).predict(features), model.predict(features))


def test_the_libraries_themselves_read_what_is_stored(stored: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "model.ubj").write_bytes(stored["xgboost/1"])
    (tmp_path / "model.txt").write_bytes(stored["lightgbm/1"])
    classifier = xgb.XGBClassifier()
    classifier.load_model(tmp_path / "model.ubj")
    booster = lgb.Booster(model_file=tmp_path / "model.txt")
    assert (classifier.get_booster().num_boosted_rounds(), booster.num_trees()) == (3, 3)


def test_rounds_after_the_best_one_are_kept(repository: Repository) -> None:
    booster = TestLightgbm().make(TestLightgbm.sources[0])
    booster.best_iteration = 1
    loaded = repository.load(repository.save(booster))
    assert (loaded.num_trees(), loaded.best_iteration) == (3, 1)


@pytest.mark.parametrize("contract", [TestXgboost, TestLightgbm])
def test_a_loaded_wrapper_can_be_cloned_and_fitted_to_the_same_model(repository: Repository, contract: Any) -> None:
    from sklearn.base import clone

    model = contract().make(contract.sources[4])
    namespace: dict[str, Any] = {}
    exec(contract.header, namespace)
    again = clone(repository.load(repository.save(model))).fit(namespace["X"], namespace["y"])
    assert repository.save(again).digest == repository.save(model).digest


def _refused(repository: Repository, codec: str, data: bytes) -> None:
    found = repository.store.put(of_bytes(data))
    with pytest.raises(ArtifactError, match=codec):
        repository.load(ArtifactRef(found.digest, codec, "model", found.size))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"split_feature=", b"split_feature=9"), (b"right_child=", b"right_child=7"), (b"left_child=", b"left_child=0"), (b"num_leaves=", b"num_leaves=1"),
        (b"tree_sizes=", b"tree_sizes=1"), (b"Tree=1", b"Tree=2"), (b"num_class=1", b"num_class=99999999999"), (b"leaf_value=", b"leaf_value=x"),
        (b"cat_boundaries=0", b"cat_boundaries=5"), (b"[lambda_l1: 0]", b"[lambda_lx: 0]"), (b"[lambda_l1: 0]", b"[lambda_l1: 0"), (b"num_cat=", b"num_cat=1"),
        (b"version=v4\n", b"version=v4\nnum_class=1\n"), (b'"class":"LGBMRegressor"', b'"class":"LGBMOther"'),
        (b'"attributes":{', b'"attributes":{"__class__":1,'),
        (b'"attributes":{', b'"attributes":{"predict":1,'),
    ],
)  # fmt: skip
def test_a_crafted_lightgbm_text_does_not_reach_lightgbm(
    repository: Repository, stored: dict[str, bytes], old: bytes, new: bytes
) -> None:
    data = stored["lightgbm/1"]
    assert old in data
    _refused(repository, "lightgbm/1", data.replace(old, new, 1))


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big", signed=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("left_children", 10**9), ("left_children", -5), ("left_children", 0), ("right_children", 10**9), ("parents", 10**6), ("split_indices", 77),
        ("categories_nodes", 10**6), ("categories", 2**31 - 1), ("feature_segments", 5), ("sorted_idx", 99),
    ],
)  # fmt: skip
def test_a_crafted_xgboost_file_does_not_reach_xgboost(
    repository: Repository, stored: dict[str, bytes], name: str, value: int
) -> None:
    data = stored["xgboost/1"]
    at = data.index(name.encode() + b"[$l#L") + len(name) + 13
    assert int.from_bytes(data[at - 8 : at], "big") > 0, "an array that holds something"
    _refused(repository, "xgboost/1", data[:at] + _number(value) + data[at + 4 :])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"L\x00\x00\x00\x00\x00\x00\x00\x04name", b"L\x7f\x00\x00\x00\x00\x00\x00\x04name"), lambda data: b"{L" + data,
        lambda data: data + b"}", lambda data: data.replace(b"XGBClassifier", b"XGBClassifieR"), lambda data: b'{"learner":{}}', lambda data: b"{" * 5000,
        lambda data: data.replace(b"num_feature", b"num_class\x00\x00"), lambda data: b"[#L\x00\x00\x00\x00\x00\x00\x00\x01" * 500,
    ],
)  # fmt: skip
def test_a_file_that_is_no_xgboost_model_is_refused(
    repository: Repository, stored: dict[str, bytes], damage: Any
) -> None:
    _refused(repository, "xgboost/1", damage(stored["xgboost/1"]))
