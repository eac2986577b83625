"""The demo's functions, tested as a user would: they are plain functions."""

from __future__ import annotations

import pandas as pd
import pytest

from dags_examples import flight_delays as flow
from sematic_airflow_provider import GateFailedError


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    tables = {name: flow.ingest(name) for name in ("flights", "weather", "planes", "airports")}
    flights = tables["flights"]
    sample = flights[flights["day"] % 4 == 1]
    return flow.featurise(sample, tables["weather"], tables["planes"], tables["airports"])


@pytest.fixture(scope="module")
def parts(features: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return flow.split(features, 6)


def test_a_flight_stays_one_row_and_those_that_never_landed_are_left_out(features: pd.DataFrame) -> None:
    flights = flow.ingest("flights")
    sample = flights[flights["day"] % 4 == 1]
    assert len(features) == sample["arr_delay"].notna().sum()


def test_the_split_is_by_time_and_hides_the_answer(parts: dict[str, pd.DataFrame]) -> None:
    assert parts["training"]["month"].max() == 5
    assert set(parts["test"]["month"]) == {6}
    assert set(parts["upcoming"]["month"]) == {7}
    assert "late" not in parts["upcoming"]


@pytest.mark.parametrize("month", [1, 12])
def test_a_month_without_past_or_future_is_refused(features: pd.DataFrame, month: int) -> None:
    with pytest.raises(ValueError, match="2 to 11"):
        flow.split(features, month)


def test_an_honest_model_passes_the_gate_and_predicts_chances(parts: dict[str, pd.DataFrame]) -> None:
    model = flow.train(parts["training"])
    metrics = flow.evaluate(model, parts["test"])
    assert flow.approve(model, metrics) is model
    predictions = flow.predict(model, parts["upcoming"])
    assert len(predictions) == len(parts["upcoming"])
    assert predictions["chance_late"].between(0, 1).all()


def test_a_model_trained_on_shuffled_labels_is_stopped_by_the_gate(parts: dict[str, pd.DataFrame]) -> None:
    shuffled = parts["training"].assign(late=parts["training"]["late"].sample(frac=1, random_state=1).to_numpy())
    model = flow.train(shuffled)
    metrics = flow.evaluate(model, parts["test"])
    with pytest.raises(GateFailedError, match=r"auc is .* below"):
        flow.approve(model, metrics)


@pytest.mark.parametrize(
    ("run_after", "month"),
    [
        ("2013-07-01T00:00:00+00:00", 6),
        ("2013-02-01T00:00:00+00:00", 2),
        ("2014-01-01T00:00:00+00:00", 11),
        ("2026-11-23T05:00:00+00:00", 11),
    ],
)
def test_the_month_to_test_is_the_one_that_has_ended(run_after: str, month: int) -> None:
    assert flow.month_to_test(run_after) == month
