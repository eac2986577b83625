"""How a run ended: by what it told, and where it told nothing by Airflow's own record.

Airflow's OpenLineage provider sends the same event for a task that was skipped as for one that succeeded, and none at all for one whose process was
killed, or that never had one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.events import Event, parse_time
from sematic_airflow_provider.lineage.shapes import mapping

RECONCILED: Final = "sematic_reconciled"
"""The run facet of events that were made from Airflow's own record."""

ENDS: Final = {"COMPLETE": "success", "FAIL": "failed", "ABORT": "failed"}
RECORDED_STATES: Final = {
    "success": "COMPLETE",
    "failed": "FAIL",
    "skipped": "COMPLETE",
    "upstream_failed": "ABORT",
    "removed": "ABORT",
}
"""States of Airflow's record, and the type of the event that tells each."""


class End(NamedTuple):
    """When and in which state a run ended; ``started_at`` where Airflow's record had to tell that too."""

    at: dt.datetime
    state: str
    started_at: dt.datetime | None = None


def is_recorded(event: Event) -> bool:
    """Whether an event was made from Airflow's own record, and not told by the run."""
    return isinstance(_run_facets(event).get(RECONCILED), Mapping)


def end_of(told: Sequence[Event], recorded: Sequence[Event]) -> End | None:
    """How a run ended; None while it has not. Airflow's record counts only where the run did not tell, and has not begun again after it.

    Args:
        told: the run's own events, by time.
        recorded: those made from Airflow's record, by time.
    """
    of_record = [found for found in map(_recorded_end, recorded) if found is not None]
    ends = [event for event in told if event.type in ENDS]
    if ends:
        last = ends[-1]
        skipped = last.type == "COMPLETE" and (
            any(_told_state(event) == "skipped" for event in told)
            or bool(of_record and of_record[-1].state == "skipped")
        )
        return End(last.time, "skipped" if skipped else ENDS[last.type])
    if not of_record or any(event.type == "START" and event.time > of_record[-1].at for event in told):
        return None
    return of_record[-1]


def _recorded_end(event: Event) -> End | None:
    facet = mapping(_run_facets(event).get(RECONCILED))
    state = facet.get("state")
    if event.type not in ENDS or not isinstance(state, str) or state not in RECORDED_STATES:
        return None
    try:
        started = parse_time(facet["startedAt"], "startedAt") if facet.get("startedAt") else None
    except EventRejectedError:
        started = None
    return End(event.time, state, started)


def _told_state(event: Event) -> Any:
    return mapping(_run_facets(event).get("sematic_task")).get("state")


def _run_facets(event: Event) -> Mapping[str, Any]:
    return mapping(mapping(event.payload["run"]).get("facets"))
