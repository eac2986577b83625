"""All events of one run, in any order and any number of copies, folded into what they say about it.

OpenLineage's rules for consumers: a facet is replaced as a whole by a later one of its name, inputs and outputs are the union over all events, an
end is final. Events are ordered by their own time, ties by content, never by arrival; so every order and every duplication gives the same record.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import InvalidRefError
from sematic_airflow_provider.lineage.events import Event

Direction = Literal["read", "write"]

_STATES: Final = {"COMPLETE": "success", "FAIL": "failed", "ABORT": "failed", "START": "running", "RUNNING": "running"}
_ENDS: Final = ("COMPLETE", "FAIL", "ABORT")
_OWN_FACETS: Final = ("version", "schema", "outputStatistics", "datasetType", "inputStatistics")


@dataclass(frozen=True, slots=True)
class DataRecord:
    """One artifact or data set that a run read or wrote. ``ref`` is there for artifacts, and then identity; else namespace, name and version are."""

    direction: Direction
    namespace: str
    name: str
    version: str | None
    label: str
    ref: ArtifactRef | None
    facets: Mapping[str, Any]

    @property
    def node_id(self) -> str:
        """``artifact:<digest>`` or ``dataset:<digest of its names>``."""
        if self.ref is not None:
            return f"artifact:{self.ref.digest}"
        return f"dataset:{digest_record('dataset', {'namespace': self.namespace, 'name': self.name})}"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the events of one run say. Airflow's names are None where the run is not of Airflow; ``task_id`` is None for a Dag run."""

    run_id: str
    namespace: str
    name: str
    state: str
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    parent_run_id: str | None
    dag_id: str | None
    dag_run_id: str | None
    task_id: str | None
    map_index: int
    try_number: int
    facets: Mapping[str, Any]
    data: tuple[DataRecord, ...]
    event_count: int


def fold(events: Iterable[Event]) -> RunRecord:
    """The record of a run.

    Raises:
        ValueError: there is no event, or they are of several runs.
    """
    unique = {event.digest: event for event in events if event.kind == "run"}
    ordered = sorted(unique.values(), key=lambda e: (e.time, e.digest))
    run_ids = {event.run_id for event in ordered}
    run_id = run_ids.pop() if len(run_ids) == 1 else None
    if run_id is None:
        raise ValueError("fold takes the events of exactly one run")
    last = ordered[-1]
    facets = _latest(_mapping(_mapping(e.payload["run"]).get("facets")) for e in ordered)
    job_facets = _latest(_mapping(_mapping(e.payload["job"]).get("facets")) for e in ordered)
    starts = [e.time for e in ordered if e.type == "START"]
    ends = [e for e in ordered if e.type in _ENDS]
    ended = ends[-1] if ends else None
    identity = _airflow_identity(facets)
    return RunRecord(
        run_id=run_id,
        namespace=last.namespace,
        name=last.name,
        state=_STATES[ended.type]
        if ended
        else ("running" if starts or any(e.type == "RUNNING" for e in ordered) else "unknown"),
        started_at=min(starts) if starts else None,
        ended_at=ended.time if ended else None,
        parent_run_id=_parent(facets),
        facets={**facets, **{name: job_facets[name] for name in ("sourceCode",) if name in job_facets}},
        data=tuple(_data(ordered, _mapping(facets.get("sematic_step")))),
        event_count=len(ordered),
        **identity,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _latest(facets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in facets:
        found.update({name: facet for name, facet in group.items() if facet is not None})
    return found


def _airflow_identity(facets: Mapping[str, Any]) -> dict[str, Any]:
    """Dag, run, task, map index and try, from the facets that Airflow's OpenLineage provider sends."""
    airflow = _mapping(facets.get("airflow")) or _mapping(facets.get("airflowDagRun"))
    task, instance = _mapping(airflow.get("task")), _mapping(airflow.get("taskInstance"))
    return {
        "dag_id": _optional_text(_mapping(airflow.get("dag")).get("dag_id")),
        "dag_run_id": _optional_text(_mapping(airflow.get("dagRun")).get("run_id")),
        "task_id": _optional_text(task.get("task_id")),
        "map_index": _whole(instance.get("map_index"), -1),
        "try_number": _whole(instance.get("try_number"), 0),
    }


def _optional_text(value: Any) -> str | None:
    return value[:250] if isinstance(value, str) and value else None


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 else default


def _parent(facets: Mapping[str, Any]) -> str | None:
    value = _mapping(_mapping(facets.get("parent")).get("run")).get("runId")
    return value[:36] if isinstance(value, str) else None


def _data(events: list[Event], step: Mapping[str, Any]) -> Iterator[DataRecord]:
    """Union over the events of what was read and written, facets of the same entry by the rule for facets."""
    found: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for event in events:
        for field, direction in (("inputs", "read"), ("outputs", "write")):
            for dataset in event.payload.get(field) or ():
                facets = {**_mapping(dataset.get("facets")), **_mapping(dataset.get(field[:-1] + "Facets"))}
                version = _version(facets)
                key = (direction, dataset["namespace"], dataset["name"], version or "")
                found.setdefault(key, {}).update({name: facet for name, facet in facets.items() if facet is not None})
    named_with_version = {key[:3] for key in found if key[3]}
    for key, facets in sorted(found.items()):
        direction, namespace, name, version = key
        if not version and key[:3] in named_with_version:
            continue  # an early event named it, a later one knew its version
        ref = _ref(_mapping(facets.get("sematic_artifact")), name)
        kept = {facet: content for facet, content in facets.items() if facet in _OWN_FACETS}
        for label in _labels(step, direction, name, ref):
            yield DataRecord(
                "read" if direction == "read" else "write", namespace, name, version or None, label, ref, kept
            )


def _version(facets: Mapping[str, Any]) -> str | None:
    value = _mapping(facets.get("version")).get("datasetVersion")
    return value[:250] if isinstance(value, str) and value else None


def _ref(facet: Mapping[str, Any], name: str) -> ArtifactRef | None:
    if not facet:
        return None
    record = {"sematic": 1, "name": name, **{k: facet.get(k) for k in ("digest", "codec", "type", "size")}}
    if facet.get("hasValue"):
        record["value"] = facet.get("value")
    try:
        return ArtifactRef.from_json(record)
    except InvalidRefError:
        return None  # redacted or foreign: it is a data set then


def _labels(step: Mapping[str, Any], direction: str, name: str, ref: ArtifactRef | None) -> list[str]:
    """The arguments that an artifact was passed as, or the output it was returned as."""
    if ref is not None:
        ports = _mapping(step.get("arguments" if direction == "read" else "outputs"))
        labels = [port for port, value in sorted(ports.items()) if _mapping(value).get("digest") == ref.digest]
        if direction == "write" and len(labels) > 1:
            labels = [label for label in labels if name.endswith(f".{label}")] or labels
        if labels:
            return labels
    return [name.rsplit(".", 1)[-1]] if direction == "write" and ref is not None else [""]
