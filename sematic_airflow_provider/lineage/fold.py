"""All events of one run, in any order and any number of copies, folded into what they say about it.

OpenLineage's rules for consumers: a facet is replaced as a whole by a later one of its name, inputs and outputs are the union over all events, an
end is final. Events are ordered by their own time, ties by content, never by arrival; so every order and every duplication gives the same record.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.lineage.dataset_names import canonical
from sematic_airflow_provider.lineage.ends import RECONCILED, end_of, is_recorded
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.shapes import mapping
from sematic_airflow_provider.lineage.told import Direction, artifact_of, datasets_of, node_id, symlinks_of, version_of

_CACHE: Final = ("hit", "miss", "off", "refreshed")
_OWN_FACETS: Final = ("schema", "outputStatistics", "datasetType", "inputStatistics")


@dataclass(frozen=True, slots=True)
class DataRecord:
    """One artifact or data set that a run read or wrote. ``ref`` is there for artifacts, and then identity; else namespace, name and version are.

    ``seen_at`` is the time of the first event that names it.
    """

    direction: Direction
    namespace: str
    name: str
    version: str | None
    label: str
    ref: ArtifactRef | None
    facets: Mapping[str, Any]
    seen_at: dt.datetime

    @property
    def node_id(self) -> str:
        """``artifact:<digest>`` or ``dataset:<digest of its names and version>``."""
        return node_id(self.namespace, self.name, self.version, self.ref)

    @property
    def dataset_type(self) -> str | None:
        """What kind of data set it is, such as ``MODEL``, where that was told."""
        return _optional_text(mapping(self.facets.get("datasetType")).get("datasetType"), 40)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the events of one run say. Airflow's names are None where the run is not of Airflow; ``task_id`` is None for a Dag run.

    ``cache`` is what the step cache had for it: ``hit``, ``miss``, ``refreshed``, ``off``; None for what no cache was asked for. ``first_at`` is the start,
    or the time of the first event where no start was told. ``facets`` are the run's, and the job's under ``job``.
    """

    run_id: str
    namespace: str
    name: str
    state: str
    first_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    parent_run_id: str | None
    root_run_id: str | None
    dag_id: str | None
    dag_run_id: str | None
    task_id: str | None
    map_index: int
    try_number: int
    cache: str | None
    integration: str | None
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
    recorded = [event for event in ordered if is_recorded(event)]
    told = [event for event in ordered if not is_recorded(event)]
    run_ids = {event.run_id for event in ordered}
    run_id = run_ids.pop() if len(run_ids) == 1 else None
    if run_id is None:
        raise ValueError("fold takes the events of exactly one run")
    last = (told or recorded)[-1]
    in_rank = recorded + told  # what Airflow's record says gives way to what the run itself said
    facets = _latest(mapping(mapping(e.payload["run"]).get("facets")) for e in in_rank)
    job_facets = _without_deleted(_latest(mapping(mapping(e.payload["job"]).get("facets")) for e in in_rank))
    starts = [e.time for e in told if e.type == "START"]
    end = end_of(told, recorded)
    if not starts and end is not None and end.started_at is not None:
        starts = [end.started_at]
    return RunRecord(
        run_id=run_id,
        namespace=last.namespace,
        name=last.name,
        state=end.state if end else ("running" if starts or any(e.type == "RUNNING" for e in told) else "unknown"),
        first_at=min(starts) if starts else ordered[0].time,
        started_at=min(starts) if starts else None,
        ended_at=end.at if end else None,
        parent_run_id=_run_id(mapping(facets.get("parent"))),
        root_run_id=_run_id(mapping(mapping(facets.get("parent")).get("root"))),
        cache=_cache_status(facets),
        integration=_optional_text(mapping(job_facets.get("jobType")).get("integration"), 40),
        facets={**facets, "job": job_facets} if job_facets else facets,
        data=tuple(_data(ordered, mapping(facets.get("sematic_step")))),
        event_count=len(ordered),
        **_airflow_identity(facets, last.name),
    )


def dag_of(event: Event) -> str | None:
    """The Dag that an event, taken alone, is of."""
    if event.kind != "run":
        return None
    facets = _latest([mapping(mapping(event.payload["run"]).get("facets"))])
    dag_id: str | None = _airflow_identity(facets, event.name)["dag_id"]
    return dag_id


def _latest(facets: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in facets:
        found.update({name: facet for name, facet in group.items() if facet is not None})
    return found


def _without_deleted(facets: dict[str, Any]) -> dict[str, Any]:
    """A facet of a job or data set that was told as deleted is no more, whatever was told before."""
    return {name: facet for name, facet in facets.items() if mapping(facet).get("_deleted") is not True}


def _airflow_identity(facets: Mapping[str, Any], job_name: str) -> dict[str, Any]:
    """Dag, run, task, map index and try, from the facets that Airflow's OpenLineage provider sends."""
    airflow = mapping(facets.get("airflow")) or mapping(facets.get("airflowDagRun"))
    own = mapping(facets.get("sematic_task")) or mapping(facets.get(RECONCILED))
    if not airflow and own:
        return _own_identity(own)
    instance = mapping(airflow.get("taskInstance"))
    dag_id = _optional_text(mapping(airflow.get("dag")).get("dag_id"))
    task_id = _optional_text(mapping(airflow.get("task")).get("task_id"))
    if dag_id is None:
        dag_id, task_id = _identity_of_job(facets, job_name)
    return {
        "dag_id": dag_id,
        "dag_run_id": _optional_text(mapping(airflow.get("dagRun")).get("run_id")),
        "task_id": task_id,
        "map_index": _whole(instance.get("map_index"), -1),
        "try_number": _whole(instance.get("try_number"), 0),
    }


def _own_identity(facet: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dag_id": _optional_text(facet.get("dagId")),
        "dag_run_id": _optional_text(facet.get("dagRunId")),
        "task_id": _optional_text(facet.get("taskId")),
        "map_index": _whole(facet.get("mapIndex"), -1),
        "try_number": _whole(facet.get("tryNumber"), 0),
    }


def _identity_of_job(facets: Mapping[str, Any], job_name: str) -> tuple[str | None, str | None]:
    """Dag and task by the names of the jobs: all that there is when the scheduler or a person ended a task that had never started."""
    dag_id = mapping(mapping(facets.get("parent")).get("job")).get("name")
    if mapping(facets.get("processing_engine")).get("name") != "Airflow" or not isinstance(dag_id, str):
        return None, None
    if not dag_id or not job_name.startswith(f"{dag_id}."):
        return None, None
    return _optional_text(dag_id), _optional_text(job_name[len(dag_id) + 1 :])


def _optional_text(value: Any, most: int = 250) -> str | None:
    return value[:most] if isinstance(value, str) and value and "\0" not in value else None


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 else default


def _cache_status(facets: Mapping[str, Any]) -> str | None:
    status = mapping(facets.get("sematic_cache")).get("status")
    return status if isinstance(status, str) and status in _CACHE else None


def _run_id(holder: Mapping[str, Any]) -> str | None:
    value = mapping(holder.get("run")).get("runId")
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


@dataclass(slots=True)
class _Entry:
    """What the events say about one data set in one direction."""

    seen_at: dt.datetime
    facets: dict[str, Any] = field(default_factory=dict)


def _data(events: list[Event], step: Mapping[str, Any]) -> Iterator[DataRecord]:
    """Union over the events of what was read and written, facets of the same entry by the rule for facets."""
    found: dict[tuple[Direction, str, str, str | None], _Entry] = {}
    links = symlinks_of(events)
    for event in events:
        for direction, dataset, facets in datasets_of(event):
            told = (dataset["namespace"], dataset["name"])
            entry = found.setdefault(
                (direction, *canonical(*told, links.get(told)), version_of(facets)), _Entry(event.time)
            )
            entry.facets.update({name: facet for name, facet in facets.items() if facet is not None})
    for (direction, namespace, name, version), entry in sorted(
        _settled(found).items(), key=lambda item: (*item[0][:3], item[0][3] or "")
    ):
        facets = _without_deleted(entry.facets)
        ref = artifact_of(mapping(facets.get("sematic_artifact")), name)
        kept = {
            facet: {key: value for key, value in content.items() if not key.startswith("_")}
            for facet, content in facets.items()
            if facet in _OWN_FACETS and isinstance(content, Mapping)
        }
        for label in _labels(step, direction, name, ref):
            yield DataRecord(direction, namespace, name, version, label, ref, kept, entry.seen_at)


def _settled(
    found: Mapping[tuple[Direction, str, str, str | None], _Entry],
) -> dict[tuple[Direction, str, str, str | None], _Entry]:
    """Entries without a version are those with one, where another event knew it: often only the last event does."""
    settled = {key: entry for key, entry in found.items() if key[3] is not None}
    versions: dict[tuple[str, ...], list[tuple[Direction, str, str, str | None]]] = {}
    for key in settled:
        versions.setdefault(key[:3], []).append(key)
    for key, entry in found.items():
        if key[3] is None and key[:3] not in versions:
            settled[key] = entry
        elif key[3] is None:
            for versioned in versions[key[:3]]:
                known = settled[versioned]
                settled[versioned] = _Entry(min(known.seen_at, entry.seen_at), {**entry.facets, **known.facets})
    return settled


def _labels(step: Mapping[str, Any], direction: str, name: str, ref: ArtifactRef | None) -> list[str]:
    """The arguments that an artifact was passed as, or the output it was returned as."""
    if ref is not None:
        ports = mapping(step.get("arguments" if direction == "read" else "outputs"))
        if direction == "read":  # of a member that a mapped task got, its collection was read
            ports = {port: mapping(value).get("within") or value for port, value in ports.items()}
        labels = [
            port
            for port, value in sorted(ports.items())
            if mapping(value).get("digest") == ref.digest and "\0" not in port
        ]
        if direction == "read":  # equal values of two tasks, passed as two arguments
            named = [label for label in labels if mapping(ports[label]).get("name") == name]
        else:
            named = [label for label in labels if name.endswith(f".{label}")]
        if labels:
            return named or labels
    return [name.rsplit(".", 1)[-1]] if direction == "write" and ref is not None else [""]
