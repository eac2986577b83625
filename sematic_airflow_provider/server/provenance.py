"""What was true when a run ran, put together from our facet and from those in which OpenLineage and its Airflow provider have the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_RUN = {
    "runType": "run_type",
    "triggeredBy": "triggering_user_name",
    "logicalDate": "logical_date",
    "dataIntervalStart": "data_interval_start",
    "dataIntervalEnd": "data_interval_end",
    "conf": "conf",
}
_OF_TASK_INSTANCE = {"tryNumber": "try_number", "mapIndex": "map_index"}
_OF_TASK = {"queue": "queue", "priorityWeight": "priority_weight"}


def provenance_of(facets: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content of ``sematic_provenance``, with ``airflow``, ``environment`` and ``parameters``; None for a run that is no step of ours."""
    own = facets.get("sematic_provenance")
    if not isinstance(own, Mapping):
        return None
    found = {name: value for name, value in own.items() if not name.startswith("_")}
    airflow = _mapping(facets.get("airflow"))
    found["airflow"] = {
        **_renamed(airflow.get("dagRun"), _OF_RUN),
        **_renamed(airflow.get("taskInstance"), _OF_TASK_INSTANCE),
        **_renamed(airflow.get("task"), _OF_TASK),
    }
    found["environment"] = _pairs(facets.get("environmentVariables"), "environmentVariables", "name")
    found["parameters"] = _pairs(facets.get("executionParameters"), "parameters", "key")
    return found


def _renamed(content: Any, names: Mapping[str, str]) -> dict[str, Any]:
    found = _mapping(content)
    return {name: found[theirs] for name, theirs in names.items() if found.get(theirs) is not None}


def _pairs(facet: Any, field: str, key: str) -> dict[str, Any]:
    entries = _mapping(facet).get(field)
    if not isinstance(entries, list):
        return {}
    return {str(entry[key]): entry.get("value") for entry in entries if isinstance(entry, Mapping) and key in entry}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
