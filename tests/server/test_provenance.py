"""Provenance as the API tells it: ours, and what OpenLineage has a facet of its own for."""

from __future__ import annotations

import json
from typing import Any

from sematic_airflow_provider.server.provenance import provenance_of
from tests.lineage.test_recorded_events import EVENTS


def _recorded() -> dict[str, Any]:
    events = json.loads((EVENTS / "mixed_with_plain_tasks.json").read_text())
    (found,) = [
        e["run"]["facets"]
        for e in events
        if e["eventType"] == "COMPLETE" and e["job"]["name"] == "mixed_with_plain_tasks.highest"
    ]
    facets: dict[str, Any] = found
    return facets


def test_an_event_of_an_earlier_version_is_read() -> None:
    found = provenance_of(_recorded())
    assert found is not None
    assert found["python"].startswith("3.")
    assert "cpuModel" not in found
    assert (found["environment"], found["parameters"]) == ({}, {})


def test_what_airflow_tells_of_the_run_is_not_told_twice_in_events_but_stands_together_here() -> None:
    found = provenance_of(_recorded())
    assert found is not None
    airflow = found["airflow"]
    assert airflow["runType"] == "manual"
    assert (airflow["queue"], airflow["priorityWeight"], airflow["triggeredBy"]) == ("default", 1, "dag_test")
    assert airflow["logicalDate"].startswith("2026-11-23T")
    assert airflow["tryNumber"] >= 0


def test_variables_and_parameters_come_from_openlineages_own_facets() -> None:
    facets = {
        "sematic_provenance": {"_producer": "p", "python": "3.11.7"},
        "environmentVariables": {"environmentVariables": [{"name": "OMP_NUM_THREADS", "value": "4"}]},
        "executionParameters": {"parameters": [{"key": "month", "value": "2024-01"}, {"key": "n"}, "odd"]},
    }
    assert provenance_of(facets) == {
        "python": "3.11.7",
        "airflow": {},
        "environment": {"OMP_NUM_THREADS": "4"},
        "parameters": {"month": "2024-01", "n": None},
    }


def test_a_run_that_is_no_step_has_no_provenance() -> None:
    assert provenance_of({"airflow": {"dagRun": {"run_type": "manual"}}}) is None
    assert provenance_of({"sematic_provenance": "***"}) is None
