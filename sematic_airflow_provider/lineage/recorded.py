"""Events made from Airflow's own record, for runs that told nothing of their end, or nothing at all.

What is made of one record is the same wherever and whenever it is made: its time is the record's, its content only what the record says. So several that
make it make one event, and a rebuild from the log needs no Airflow.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sematic_airflow_provider.lineage.ends import RECONCILED, RECORDED_STATES
from sematic_airflow_provider.lineage.naming import PRODUCER

SCHEMA: Final = (
    "https://raw.githubusercontent.com/sematic-ai/sematic-airflow-provider/main/sematic_airflow_provider/lineage/schemas/"
    f"{RECONCILED}.json"
)
_EVENT: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final = "https://openlineage.io/spec/facets"


@dataclass(frozen=True, slots=True)
class Recorded:
    """How one run ended by Airflow's record: a try of a task instance, or a Dag run (``task_id`` None).

    ``parent`` holds the facet's ``run``, ``job`` and ``root``; it is None where the run is part of nothing. ``superseded`` is a Dag run that was cleared
    before it had ended: it goes on as another run.
    """

    run_id: str
    namespace: str
    state: str
    at: dt.datetime
    dag_id: str
    dag_run_id: str
    task_id: str | None = None
    map_index: int = -1
    try_number: int = 0
    started_at: dt.datetime | None = None
    operator: str | None = None
    executed: bool = False
    superseded: bool = False
    parent: Mapping[str, Any] | None = None

    @property
    def reason(self) -> str:
        """Why the run needs Airflow's record, as far as that tells."""
        if self.superseded:
            return "the Dag run was cleared before it had ended"
        if self.task_id is None:
            return "the Dag run told no end"
        if self.executed:
            return "the task was skipped while it ran" if self.state == "skipped" else "the task's process told no end"
        return _NOT_EXECUTED[self.state]


_NOT_EXECUTED: Final = {
    "success": "the task has nothing to execute, or was set to success",
    "failed": "the task failed before it was executed, or was set to failed",
    "skipped": "the task was skipped before it was executed",
    "upstream_failed": "a task before it failed",
    "removed": "the Dag has the task no longer",
}


def event_of(record: Recorded) -> dict[str, Any]:
    """The OpenLineage event, as JSON."""
    name = record.dag_id if record.task_id is None else f"{record.dag_id}.{record.task_id}"
    job_type = {
        "_producer": PRODUCER,
        "_schemaURL": f"{_FACETS}/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
        "processingType": "BATCH",
        "integration": "AIRFLOW",
        "jobType": "DAG" if record.task_id is None else "TASK",
    }
    facets: dict[str, Any] = {RECONCILED: _facet(record)}
    if record.parent is not None:
        schema = f"{_FACETS}/1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet"
        facets["parent"] = {"_producer": PRODUCER, "_schemaURL": schema, **record.parent}
    return {
        "eventType": "ABORT" if record.superseded else RECORDED_STATES[record.state],
        "eventTime": _text(record.at),
        "producer": PRODUCER,
        "schemaURL": _EVENT,
        "run": {"runId": record.run_id, "facets": facets},
        "job": {"namespace": record.namespace, "name": name, "facets": {"jobType": job_type}},
        "inputs": [],
        "outputs": [],
    }


def _facet(record: Recorded) -> dict[str, Any]:
    return {
        "_producer": PRODUCER,
        "_schemaURL": SCHEMA,
        "state": record.state,
        "reason": record.reason,
        "dagId": record.dag_id,
        "dagRunId": record.dag_run_id,
        "taskId": record.task_id,
        "mapIndex": record.map_index,
        "tryNumber": record.try_number,
        "operator": record.operator,
        "startedAt": None if record.started_at is None else _text(record.started_at),
    }


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.timezone.utc).isoformat(timespec="microseconds")
