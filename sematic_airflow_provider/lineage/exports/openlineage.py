"""The original events, as JSON lines that any consumer of OpenLineage takes in."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.lineage.events import Event
from sematic_airflow_provider.lineage.exports.facts import Readable, without_hidden_origin
from sematic_airflow_provider.lineage.graph import LOCKED
from sematic_airflow_provider.lineage.shapes import mapping

MEDIA_TYPE: Final = "application/x-ndjson"
_UNNAMED: Final = {"namespace": LOCKED, "name": LOCKED}

Hidden = Callable[[str, str], bool]
"""Whether the asker may not read a run of this id, of a job of this name."""


def line_of(event: Event, readable: Readable, hidden: Hidden) -> bytes:
    """One event as a line: byte for byte the canonical JSON that was stored, but for the names of what the asker may not read.

    Args:
        event: an event of a run that the asker may read.
        readable: which Dags the asker may read.
        hidden: asked about the runs that this one names as its parent and root: they may be of another Dag, which started it.
    """
    facets = mapping(mapping(event.payload.get("run")).get("facets"))
    changed = dict(facets)
    cache = mapping(facets.get("sematic_cache"))
    if (shown := without_hidden_origin(cache, readable)) is not cache:
        changed["sematic_cache"] = shown
    parent = mapping(facets.get("parent"))
    if (kept := _parent(parent, hidden)) is not parent:
        changed["parent"] = kept
    if changed == facets:
        return (
            event.text.encode() or canonical_json(dict(event.payload))
        ) + b"\n"  # of a rolled-up one there is no text
    run = {**mapping(event.payload.get("run")), "facets": changed}
    return canonical_json({**event.payload, "run": run}) + b"\n"


def runs_named_by(event: Event) -> set[str]:
    """The ids of the runs that an event names as its run's parent and root."""
    parent = mapping(mapping(mapping(event.payload.get("run")).get("facets")).get("parent"))
    return {found for found in (_run_id(parent), _run_id(mapping(parent.get("root")))) if found is not None}


def _parent(parent: Mapping[str, Any], hidden: Hidden) -> Mapping[str, Any]:
    """The facet without the names of jobs whose runs are hidden; their ids stay, as everywhere."""
    found = parent
    if _is_hidden(parent, hidden):
        found = {**found, "job": dict(_UNNAMED)}
    root = mapping(parent.get("root"))
    if _is_hidden(root, hidden):
        found = {**found, "root": {**root, "job": dict(_UNNAMED)}}
    return found


def _is_hidden(holder: Mapping[str, Any], hidden: Hidden) -> bool:
    job = mapping(holder.get("job"))
    return bool(job) and hidden(_run_id(holder) or "", str(job.get("name")))


def _run_id(holder: Mapping[str, Any]) -> str | None:
    value = mapping(holder.get("run")).get("runId")
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None
