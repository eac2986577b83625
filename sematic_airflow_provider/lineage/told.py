"""What events tell of data sets: which, under which names, with which version, and which artifact each is.

`told_data` is for the table of data. What a run's events say together may be other than what some of them had said before (a version, a link or another
artifact came later), and rows that were made from that may be of use to other runs. So each event counts alone there: more events can only add, and the
smallest rank holds, whatever came first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import InvalidRefError
from sematic_airflow_provider.lineage.canonical import encode
from sematic_airflow_provider.lineage.dataset_names import Name, canonical
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.shapes import mapping

Direction = Literal["read", "write"]

_MAX_SIZE: Final = 2**63 - 1
_MAX_VERSION: Final = 250


class Told(NamedTuple):
    """A node of data as one event tells it; ``seen_at`` is the time of the first event that names its data set. ``ref`` is there for artifacts."""

    node_id: str
    namespace: str
    name: str
    version: str | None
    ref: ArtifactRef | None
    seen_at: dt.datetime


def told_data(events: Iterable[Event]) -> Iterator[Told]:
    """What each event of one run tells of data, under all names that the run's events give them."""
    facts: dict[tuple[Name, str | None, str], dict[str, Any]] = {}
    names: dict[Name, set[Name]] = {}
    first: dict[Name, dt.datetime] = {}
    for event in events:
        for _, dataset, facets in datasets_of(event):
            own = (dataset["namespace"], dataset["name"])
            names.setdefault(own, set()).add(canonical(*own, facets.get("symlinks")))
            first[own] = min(first.get(own, event.time), event.time)
            version, artifact = version_of(facets), mapping(facets.get("sematic_artifact"))
            facts[own, version, encode(artifact) if artifact else ""] = artifact
    for (told, version, _), artifact in facts.items():
        for namespace, name in names[told]:
            ref = artifact_of(artifact, name)
            yield Told(node_id(namespace, name, version, ref), namespace, name, version, ref, first[told])


def node_id(namespace: str, name: str, version: str | None, ref: ArtifactRef | None) -> str:
    """``artifact:<digest>`` or ``dataset:<digest of its names and version>``."""
    if ref is not None:
        return f"artifact:{ref.digest}"
    return f"dataset:{digest_record('dataset', {'namespace': namespace, 'name': name, 'version': version})}"


def datasets_of(event: Event) -> Iterator[tuple[Direction, Mapping[str, Any], Mapping[str, Any]]]:
    """What an event of a run reads and writes, each with all its facets."""
    for dataset in event.payload.get("inputs") or ():
        yield "read", dataset, {**mapping(dataset.get("facets")), **mapping(dataset.get("inputFacets"))}
    for dataset in event.payload.get("outputs") or ():
        yield "write", dataset, {**mapping(dataset.get("facets")), **mapping(dataset.get("outputFacets"))}


def symlinks_of(events: Iterable[Event]) -> dict[Name, Any]:
    """The facet ``symlinks`` of each data set that has one in any event: a run tells the same name without it too."""
    return {
        (dataset["namespace"], dataset["name"]): facets["symlinks"]
        for event in events
        for _, dataset, facets in datasets_of(event)
        if facets.get("symlinks")
    }


def version_of(facets: Mapping[str, Any]) -> str | None:
    """The version of a data set, by its facets."""
    value = mapping(facets.get("version")).get("datasetVersion")
    return value[:_MAX_VERSION] if isinstance(value, str) and value and "\0" not in value else None


def artifact_of(facet: Mapping[str, Any], name: str) -> ArtifactRef | None:
    """The artifact that a facet of ours names; None where it is none, or was redacted: it is a data set then."""
    if not facet:
        return None
    record = {"sematic": 1, "name": name, **{k: facet.get(k) for k in ("digest", "codec", "type", "size")}}
    if facet.get("hasValue", facet.get("value") is not None):
        record["value"] = facet.get("value")
    try:
        ref = ArtifactRef.from_json(record)
    except InvalidRefError:
        return None
    return ref if ref.size <= _MAX_SIZE and "\0" not in ref.codec + ref.type else None
