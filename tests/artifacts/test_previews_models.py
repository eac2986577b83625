"""Previews of models."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from tests.artifacts.preview_checks import shown


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    return features, (features["a"] > 0).astype(int)


def _facts(facts: Any) -> dict[str, Any]:
    return {fact.name: fact.value for fact in facts}


def test_an_estimator_shows_parameters_and_what_it_has_learned(data: Any) -> None:
    made = shown(LogisticRegression(C=0.1 + 0.2).fit(*data))
    assert _facts(made.params)["C"] == 0.1 + 0.2
    assert made.library.startswith("sklearn 1.")
    assert (made.feature_count, made.feature_names) == (3, ["a", "b", "c"])
    assert _facts(made.fitted)["classes_"] == "[0, 1] int64"
    assert (made.importance_type, made.importances[0].name) == ("coefficient", "a")


def test_a_pipeline_shows_its_steps_and_what_matters_to_the_last(data: Any) -> None:
    features, wanted = data
    features = features.assign(kind=["u", "v"] * 100)
    first = make_column_transformer((StandardScaler(), ["a", "b", "c"]), (OneHotEncoder(), ["kind"]))
    made = shown(make_pipeline(first, RandomForestClassifier(5, random_state=0)).fit(features, wanted))
    assert [step.name for step in made.steps] == [
        "columntransformer", "columntransformer.standardscaler", "columntransformer.onehotencoder", "randomforestclassifier",
    ]  # fmt: skip
    assert _facts(made.steps[3].params)["n_estimators"] == 5
    assert made.importances[0].name == "standardscaler__a"
    assert sum(fact.value for fact in made.importances) == pytest.approx(1)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [1]}),
        VotingClassifier([("one", LogisticRegression())]),
        FunctionTransformer(np.log1p),
        xgboost.XGBClassifier(),
        lightgbm.LGBMClassifier(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_that_are_not_fitted_show_their_parameters(model: Any) -> None:
    made = shown(model)
    assert made.params
    assert made.importances is None


def test_a_pipeline_of_five_hundred_steps_is_cut() -> None:
    made = shown(Pipeline([(f"step{n}", StandardScaler()) for n in range(500)]))
    assert 2 <= len(made.steps) <= 30


def test_xgboost_shows_trees_and_gains(data: Any) -> None:
    model = xgboost.XGBClassifier(n_estimators=4, learning_rate=0.1 + 0.2).fit(*data)
    for found in (shown(model), shown(model.get_booster())):
        assert (found.trees, found.feature_count, found.importances[0].name) == (4, 3, "a")
        assert found.importance_type == "gain"
    assert _facts(shown(model).params)["learning_rate"] == 0.1 + 0.2


@pytest.mark.parametrize(("booster", "trees"), [("gblinear", None), ("dart", 3)])
def test_boosters_of_every_kind_are_shown(data: Any, booster: str, trees: int | None) -> None:
    assert shown(xgboost.XGBRegressor(booster=booster, n_estimators=3).fit(*data)).trees == trees


def test_lightgbm_shows_trees_and_gains(data: Any) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(*data)
    for found in (shown(model), shown(model.booster_)):
        assert (found.trees, found.feature_count, found.importances[0].name) == (4, 3, "a")
