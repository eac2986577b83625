"""Which column flows into which, and which data set into which, as an event says it: by the facets ``columnLineage`` and ``lineage``.

A ``lineage`` facet is the more exact one: a data set that has one, in the job's facet or its own, is not looked at for ``columnLineage``. What a job
event reads and writes without either flows from each of its inputs into each of its outputs; of a run that is told by its edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple, TypeGuard

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.lineage.dataset_names import Name, canonical
from sematic_airflow_provider.lineage.events import MAX_NAME, Event
from sematic_airflow_provider.lineage.naming import dataset_key, short_key
from sematic_airflow_provider.lineage.shapes import items, mapping

MOST: Final = 20_000
"""Flows that are taken from one event: a table of thousands of columns has as many, an event that wants to do harm has more."""

_MAX_KIND: Final = 100


class Flow(NamedTuple):
    """A column into a column; with empty fields, a data set into a data set.

    ``kind`` is type and subtype of the transformation, such as ``DIRECT/IDENTITY``.
    """

    target: Name
    target_field: str
    source: Name
    source_field: str
    kind: str


def flows_of(event: Event) -> list[Flow]:
    """The flows that an event tells, each once, in one order."""
    names = _Names(event)
    return sorted(set(islice(_flows(event, names), MOST)))


def flow_key(flow: Flow) -> str:
    """24 characters that stand for a flow."""
    fields = {
        "out": dataset_key(*flow.target),
        "out_field": flow.target_field,
        "in": dataset_key(*flow.source),
        "in_field": flow.source_field,
        "kind": flow.kind,
    }
    return short_key(digest_record("flow", fields))


def tells_flows(event: Event) -> bool:
    """Whether there can be flows in an event: a look at names alone."""
    payload = event.payload
    return (
        event.kind != "run"
        or "lineage" in _facets(payload.get("job"))
        or any("columnLineage" in _facets(output) for output in payload.get("outputs") or ())
    )


class _Names:
    """The names of data sets, by the links that the event tells of them."""

    def __init__(self, event: Event) -> None:
        payload = event.payload
        told = [*(payload.get("inputs") or ()), *(payload.get("outputs") or ()), payload.get("dataset")]
        self._links = {
            (one["namespace"], one["name"]): facets["symlinks"]
            for one in told
            if isinstance(one, Mapping) and (facets := _facets(one)).get("symlinks")
        }

    def of(self, holder: Mapping[str, Any]) -> Name | None:
        namespace, name = holder.get("namespace"), holder.get("name")
        if not (_is_name(namespace) and _is_name(name)):
            return None
        return canonical(namespace, name, self._links.get((namespace, name)))


def _flows(event: Event, names: _Names) -> Iterator[Flow]:
    payload = event.payload
    if event.kind == "dataset":
        own = payload["dataset"]
        yield from _of_dataset(own, names)
        return
    entries = _facets(payload.get("job")).get("lineage")
    told: set[Name | None] = set()
    for entry in items(mapping(entries).get("entries")):
        if isinstance(entry, Mapping) and entry.get("type", "DATASET") == "DATASET":
            target = names.of(entry)
            found = list(_of_lineage(target, entry, names)) if target is not None else []
            if found or not entry.get("inputs"):  # only to flow from a job says nothing of columns
                told.add(target)
            yield from found
    for output in payload.get("outputs") or ():
        target = names.of(output)
        if target is None or target in told:
            continue
        if "columnLineage" in _facets(output):
            yield from _of_dataset(output, names)
        elif event.kind == "job" and entries is None:
            for source in payload.get("inputs") or ():
                if (name := names.of(source)) is not None:
                    yield Flow(target, "", name, "", "")


def _of_dataset(dataset: Mapping[str, Any], names: _Names) -> Iterator[Flow]:
    target, facets = names.of(dataset), _facets(dataset)
    if target is None:
        return
    if isinstance(facets.get("lineage"), Mapping):
        yield from _of_lineage(target, facets["lineage"], names)
        return
    columns = mapping(facets.get("columnLineage"))
    for field, entry in sorted(mapping(columns.get("fields")).items()):
        for source in items(mapping(entry).get("inputFields")):
            # Before 1-1-0 the transformation was told once for all inputs of a field.
            old = mapping(entry).get("transformationType")
            yield from _flow(target, field, source, names, old)
    for source in items(columns.get("dataset")):
        yield from _flow(target, "", source, names)


def _of_lineage(target: Name, entry: Mapping[str, Any], names: _Names) -> Iterator[Flow]:
    for source in items(entry.get("inputs")):
        yield from _flow(target, "", source, names)
    for field, told in sorted(mapping(entry.get("fields")).items()):
        for source in items(mapping(told).get("inputs")):
            yield from _flow(target, field, source, names)


def _flow(target: Name, field: str, source: Any, names: _Names, old: Any = None) -> Iterator[Flow]:
    if not isinstance(source, Mapping) or source.get("type", "DATASET") != "DATASET" or "\0" in field:
        return
    name, column = names.of(source), source.get("field")
    if name is None or not (column is None or _is_name(column) or column == ""):
        return
    kinds = {_kind(one) for one in items(source.get("transformations")) if isinstance(one, Mapping)}
    if not kinds and isinstance(old, str):
        kinds = {_text(old)}
    for kind in kinds or {""}:
        yield Flow(target, field, name, column or "", kind)


def _kind(transformation: Mapping[str, Any]) -> str:
    return "/".join(filter(None, (_text(transformation.get(part)) for part in ("type", "subtype"))))[:_MAX_KIND]


def _text(value: Any) -> str:
    return value[:_MAX_KIND] if isinstance(value, str) and "\0" not in value else ""


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and "\0" not in value


def _facets(holder: Any) -> Mapping[str, Any]:
    return mapping(mapping(holder).get("facets"))
