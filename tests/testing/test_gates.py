"""What gates judge stands in the lineage, as OpenLineage's facet for tests."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, task

from sematic_airflow_provider import Bounds, check_bounds, sematic_task
from sematic_airflow_provider.lineage.exports.checks import Check, checks_of_facet
from sematic_airflow_provider.testing import DagResult, run_dag

QUALITY = {"auc": Bounds(min=0.6), "late_share": Bounds(min=0.02, max=0.6), "rows": Bounds(max=10)}


@sematic_task
def approve(metrics: dict[str, float]) -> int:
    check_bounds(metrics, QUALITY)
    return 1


@task
def plain(metrics: dict[str, float]) -> int:
    check_bounds(metrics, {"auc": QUALITY["auc"]})
    return 1


@sematic_task
def no_gate() -> int:
    return 1


@pytest.fixture(scope="module")
def result() -> DagResult:
    with DAG("gates") as dag:
        approve.override(task_id="open")({"auc": 0.75, "late_share": 0.3, "rows": 4})
        approve.override(task_id="closed")({"auc": 0.5, "late_share": 0.3})
        plain({"auc": 0.9})
        no_gate()
    return run_dag(dag, raise_on_failure=False)


def _checks(result: DagResult, task_id: str) -> Any:
    return checks_of_facet(result.records[task_id].facets.get("test"))


def test_an_open_gate_tells_values_and_bounds(result: DagResult) -> None:
    assert _checks(result, "open") == (
        Check("auc", "0.75", "at least 0.6", True),
        Check("late_share", "0.3", "0.02 to 0.6", True),
        Check("rows", "4.0", "at most 10", True),
    )


def test_a_closed_gate_tells_all_that_it_judged_and_what_was_missing(result: DagResult) -> None:
    assert result.records["closed"].state == "failed"
    assert _checks(result, "closed") == (
        Check("auc", "0.5", "at least 0.6", False),
        Check("late_share", "0.3", "0.02 to 0.6", True),
        Check("rows", "missing", "at most 10", False),
    )


def test_a_gate_in_a_plain_task_tells_too_and_who_has_none_tells_nothing(result: DagResult) -> None:
    assert _checks(result, "plain") == (Check("auc", "0.9", "at least 0.6", True),)
    assert "test" not in result.records["no_gate"].facets
