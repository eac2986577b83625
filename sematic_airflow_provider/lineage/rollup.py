"""What is kept of a run when its events are removed: those of them that count, with the main facts alone.

It is kept as one text in the log, so a run is folded from it as from its events: a late event falls into its place among those that are gone, whatever
its time. Which facets are kept is told by ``RUN_FACETS``, ``JOB_FACETS`` and ``DATA_FACETS``, and by names of our own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.lineage.canonical import Member, canonical_event
from sematic_airflow_provider.lineage.essence import essence
from sematic_airflow_provider.lineage.events import Event, parse_time
from sematic_airflow_provider.lineage.shapes import mapping

KIND: Final = "rollup"
"""The kind of such an entry of the log."""

RUN_FACETS: Final = frozenset(
    {
        "airflow",
        "airflowDagRun",
        "errorMessage",
        "executionParameters",
        "externalQuery",
        "nominalTime",
        "parent",
        "processing_engine",
        "tags",
        "test",
    }
)
JOB_FACETS: Final = frozenset({"jobType", "lineage", "ownership", "sourceCodeLocation"})
DATA_FACETS: Final = frozenset(
    {"datasetType", "inputStatistics", "lineage", "outputStatistics", "schema", "symlinks", "version"}
)
OWN: Final = "sematic_"
"""Facets of ours are kept: they name artifacts."""

_OF_AIRFLOW: Final[Mapping[str, tuple[str, ...]]] = {
    "dag": ("dag_id",),
    "dagRun": ("run_id", "run_type", "logical_date", "data_interval_start", "data_interval_end", "clear_number"),
    "task": ("task_id", "operator_class", "mapped"),
    "taskInstance": ("map_index", "try_number", "state"),
}
_OF_ERROR: Final = ("message", "programmingLanguage")
_FORM: Final = "roll-up/1"


class RollUp(NamedTuple):
    """A text for the log, its digest, and where facets stand in it."""

    text: str
    digest: Digest
    members: tuple[Member, ...]


def reduced(event: Event) -> Event:
    """An event of a run with the main facts alone. It keeps its digest, by which it is told among others of its time."""
    payload = event.payload
    run, job = payload["run"], payload["job"]
    kept: dict[str, Any] = {
        name: payload[name] for name in ("eventTime", "eventType", "producer", "schemaURL") if payload.get(name)
    }
    kept["run"] = {"runId": event.run_id, "facets": _run_facets(mapping(run.get("facets")))}
    kept["job"] = {**_names(job), "facets": _kept(mapping(job.get("facets")), JOB_FACETS)}
    for direction, more in (("inputs", "inputFacets"), ("outputs", "outputFacets")):
        kept[direction] = [
            {
                **_names(dataset),
                **{
                    group: _kept(mapping(dataset.get(group)), DATA_FACETS)
                    for group in ("facets", more)
                    if dataset.get(group)
                },
            }
            for dataset in payload.get(direction) or ()
        ]
    return replace(event, payload=kept, text="", members=())


def rolled_up(run_id: str, events: Iterable[Event], count: int) -> RollUp:
    """What is kept of a run.

    Args:
        run_id: of the run.
        events: its events, or those of an earlier roll-up and the ones that came later.
        count: how many it has had.
    """
    pieces = [f'{{"count":{count},"events":[']
    members: list[Member] = []
    length = len(pieces[0])
    ordered = sorted(essence(map(reduced, events)), key=lambda event: (event.time, event.digest))
    for number, event in enumerate(ordered):
        text, found = canonical_event(dict(event.payload))
        start = f'{"," if number else ""}["{event.digest}",'
        shift = length + len(start)
        members += [Member(begin + shift, end + shift, value) for begin, end, value in found]
        pieces += (start, text, "]")
        length = shift + len(text) + 1
    pieces.append(f'],"form":"{_FORM}","run":"{run_id}"}}')
    whole = "".join(pieces)
    return RollUp(whole, digest_bytes(whole.encode()), tuple(members))


def events_in(text: bytes) -> tuple[list[Event], int]:
    """The events that a roll-up stands for, as far as they are kept, and how many there were.

    Raises:
        ValueError: it is of another form.
    """
    record = json.loads(text)
    if record.get("form") != _FORM:
        raise ValueError(f"a roll-up in the log has a form that is not known: {str(record.get('form'))[:40]!r}")
    return [_event(digest, record["run"], payload) for digest, payload in record["events"]], record["count"]


def same_but_facets(one: Any, other: Any) -> bool:
    """Whether two records of a run say the same, facets of the run aside."""
    return bool(replace(one, facets={}, event_count=0) == replace(other, facets={}, event_count=0))


def _event(digest: str, run_id: str, payload: Mapping[str, Any]) -> Event:
    job = payload["job"]
    return Event(
        Digest(digest),
        "run",
        parse_time(payload.get("eventTime"), "eventTime"),
        payload.get("eventType") or "OTHER",
        run_id,
        job["namespace"],
        job["name"],
        payload,
        "",
        (),
    )


def _run_facets(facets: Mapping[str, Any]) -> dict[str, Any]:
    found = _kept(facets, RUN_FACETS)
    for name in ("airflow", "airflowDagRun"):
        if name in found:
            found[name] = {
                group: _some(mapping(found[name].get(group)), names)
                for group, names in _OF_AIRFLOW.items()
                if isinstance(found[name].get(group), Mapping)
            }
    if "errorMessage" in found:
        found["errorMessage"] = _some(found["errorMessage"], _OF_ERROR)
    return found


def _kept(facets: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {
        name: facet
        for name, facet in facets.items()
        if isinstance(facet, Mapping) and (name in names or name.startswith(OWN))
    }


def _some(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}


def _names(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"namespace": record["namespace"], "name": record["name"]}
