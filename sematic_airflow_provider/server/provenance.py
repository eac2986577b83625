"""What was true when a run ran, put together from our facet and from those in which OpenLineage and its Airflow provider have the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sematic_airflow_provider.lineage.shapes import mapping, pairs

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
    airflow = mapping(facets.get("airflow"))
    found["airflow"] = {
        **_renamed(airflow.get("dagRun"), _OF_RUN),
        **_renamed(airflow.get("taskInstance"), _OF_TASK_INSTANCE),
        **_renamed(airflow.get("task"), _OF_TASK),
    }
    found["environment"] = pairs(facets.get("environmentVariables"), "environmentVariables", "name")
    found["parameters"] = pairs(facets.get("executionParameters"), "parameters", "key")
    return found


def _renamed(content: Any, names: Mapping[str, str]) -> dict[str, Any]:
    found = mapping(content)
    return {name: found[theirs] for name, theirs in names.items() if found.get(theirs) is not None}
