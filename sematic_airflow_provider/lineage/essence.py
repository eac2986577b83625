"""Of a run's events those that count: what a storm of events says again and again, its first and last event say.

A facet is replaced as a whole by a later one of its name, and what was read and written is a union. So of events that name the same facets of the same
data sets, none between the first and the last can change what the run's events say together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sematic_airflow_provider.lineage.canonical import encode
from sematic_airflow_provider.lineage.ends import RECONCILED
from sematic_airflow_provider.lineage.events import Event

_BY_CONTENT: Final = frozenset({RECONCILED, "sematic_artifact", "sematic_task", "symlinks", "version"})
"""Facets of which not only the latest one counts."""


def essence(events: Iterable[Event]) -> list[Event]:
    """The first and the last of the events of each kind: they fold to what all fold to, but for the number of events."""
    first: dict[Any, Event] = {}
    last: dict[Any, Event] = {}
    for event in events:
        key = _kind(event)
        moment = (event.time, event.digest)
        if key not in first or moment < (first[key].time, first[key].digest):
            first[key] = event
        if key not in last or moment > (last[key].time, last[key].digest):
            last[key] = event
    return list({event.digest: event for event in (*first.values(), *last.values())}.values())


def _kind(event: Event) -> tuple[Any, ...]:
    payload = event.payload
    return (
        event.type,
        event.namespace,
        event.name,
        _facets(_of(payload.get("run"))),
        _facets(_of(payload.get("job"))),
        tuple(_dataset(dataset, "inputFacets") for dataset in payload.get("inputs") or ()),
        tuple(_dataset(dataset, "outputFacets") for dataset in payload.get("outputs") or ()),
    )


def _dataset(dataset: Mapping[str, Any], more: str) -> tuple[Any, ...]:
    others = dataset.get(more)
    facets = {**_of(dataset), **(others if isinstance(others, Mapping) else {})}
    return dataset["namespace"], dataset["name"], _facets(facets)


def _of(holder: Any) -> Mapping[str, Any]:
    facets = holder.get("facets") if isinstance(holder, Mapping) else None
    return facets if isinstance(facets, Mapping) else {}


def _facets(facets: Mapping[str, Any]) -> frozenset[Any]:
    return frozenset(
        (name, encode(facet)) if name in _BY_CONTENT else name for name, facet in facets.items() if facet is not None
    )
