"""Which inputs an output came from, where a run says so by OpenLineage's ``lineage`` facet of its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sematic_airflow_provider.lineage.dataset_names import canonical
from sematic_airflow_provider.lineage.naming import dataset_key
from sematic_airflow_provider.lineage.shapes import items, mapping


def told_inputs(facets: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """By key of output the keys of the inputs that it came from.

    An output that the facet says nothing of is not in it, nor is one that came from jobs too: nobody can tell which data those handed over.

    Args:
        facets: the run's, with the job's under ``job``.
    """
    found: dict[str, set[str]] = {}
    unknown: set[str] = set()
    for entry in _entries(facets):
        output = _key(entry)
        if output is None:
            continue
        found.setdefault(output, set())
        for source in _sources(entry):
            key = _key(source)
            if key is None:
                unknown.add(output)
            else:
                found[output].add(key)
    return {output: frozenset(keys) for output, keys in found.items() if output not in unknown}


def _entries(facets: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    entries = mapping(mapping(facets.get("job")).get("lineage")).get("entries")
    return (
        entry for entry in items(entries) if isinstance(entry, Mapping) and ("inputs" in entry or "fields" in entry)
    )


def _sources(entry: Mapping[str, Any]) -> Iterator[Any]:
    yield from items(entry.get("inputs"))
    for told in mapping(entry.get("fields")).values():
        yield from items(mapping(told).get("inputs"))


def _key(holder: Any) -> str | None:
    """The key of a data set; None for what is none."""
    told = mapping(holder)
    namespace, name = told.get("namespace"), told.get("name")
    if told.get("type", "DATASET") != "DATASET" or not (isinstance(namespace, str) and isinstance(name, str)):
        return None
    return dataset_key(*canonical(namespace, name))
