"""The step cache under a real scheduler on PostgreSQL: every task is a process of its own. What is executed writes its name into a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.postgresql import PostgreSQL
from integration.test_demo_end_to_end import _eventually
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port

HELPER = "def weight(value):\n    return {result}\n"
FLOW = """
import os, time
from airflow.sdk import dag
from sematic_airflow_provider import sematic_task
from weights_helper import weight


def note(name):
    with open(os.environ["EXECUTED"], "a") as file:
        file.write(name + "\\n")


@sematic_task(cache=True)
def numbers(count: int) -> list[int]:
    note("numbers")
    return list(range(count))


@sematic_task(cache=True)
def weigh(value: int) -> int:
    note("weigh")
    return weight(value)


@sematic_task(cache=True)
def total(values: list[int]) -> int:
    note("total")
    return sum(values)


@sematic_task(cache=True)
def slow(seconds: float) -> float:
    note("slow")
    time.sleep(seconds)
    return seconds


@dag(schedule=None)
def cached_flow():
    total(weigh.expand(value=numbers(2)))


@dag(schedule=None)
def slow_flow():
    slow(12.0)


@dag(schedule=None)
def patient_flow():
    slow.override(deferrable=True)(20.0)


cached_flow()
slow_flow()
patient_flow()
"""


@dataclass
class Flow:
    """An Airflow with two Dags, and what was executed of them."""

    airflow: LocalAirflow
    folder: Path

    def edit_helper(self, result: str) -> None:
        (self.folder / "weights_helper.py").write_text(HELPER.format(result=result))

    def executed(self) -> list[str]:
        """Since this was asked last."""
        path = self.airflow.home / "executed"
        found = sorted(path.read_text().split()) if path.exists() else []
        path.write_text("")
        return found

    def start(self, dag_id: str = "cached_flow", **conf: Any) -> str:
        self.airflow.unpause(dag_id)
        body = {"logical_date": None, "conf": conf}
        return str(self.airflow.post(f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run(self, **conf: Any) -> str:
        run_id = self.start(**conf)
        self.follow(run_id)
        return run_id

    def follow(self, run_id: str, dag_id: str = "cached_flow") -> None:
        states = dict(self.airflow.follow(dag_id, run_id))
        assert set(states.values()) == {"success"}, states

    def explained(self, task_id: str, run_id: str, *more: str) -> dict[str, Any]:
        """What ``airflow sematic cache explain`` says, once the lineage of the run has arrived."""

        def explain() -> Any:
            arguments = ("sematic", "cache", "explain", "cached_flow", task_id, "--run", run_id, "-o", "json", *more)
            done = self.airflow.command(*arguments, check=False)
            return json.loads(done.stdout)[0] if done.returncode == 0 else None

        found = _eventually(explain, 120)
        assert found, f"nothing is known of {task_id} in {run_id}"
        return dict(found)


@pytest.fixture(scope="module")
def flow(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    home, folder = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("cache-dags")
    extra = {"EXECUTED": str(home / "executed")}
    made = Flow(LocalAirflow(home, folder, free_port(18480), database=postgresql.create("cache"), extra=extra), folder)
    made.edit_helper("value + 1")
    (folder / "cached_flow.py").write_text(FLOW)
    made.airflow.migrate()
    try:
        made.airflow.start()
        made.airflow.wait_until_healthy()
        made.airflow.wait_for_dag("cached_flow")
        made.airflow.wait_for_dag("slow_flow")
        yield made
    finally:
        made.airflow.stop()


@pytest.fixture(scope="module")
def first(flow: Flow) -> str:
    run_id = flow.run()
    assert flow.executed() == ["numbers", "total", "weigh", "weigh"]
    return run_id


def test_a_second_run_hits_everywhere_and_says_who_computed_it(flow: Flow, first: str) -> None:
    second = flow.run()
    assert flow.executed() == []
    for task in ("numbers", "total"):
        found = flow.explained(task, second)
        assert found["status"] == "hit"
        assert found["computed_by"].startswith(f"cached_flow/{first}/{task}")
    assert flow.explained("weigh", second, "--map-index", "1")["status"] == "hit"


def test_an_edited_helper_module_executes_what_reaches_it_and_what_its_new_output_reaches(
    flow: Flow, first: str
) -> None:
    flow.edit_helper("1 + value")
    run_id = flow.run()
    assert flow.executed() == ["weigh", "weigh"], "its output is the same: what follows hits"
    found = flow.explained("weigh", run_id, "--map-index", "0")
    assert [change["part"] for change in found["changed"]] == ["code weights_helper:weight"]
    flow.edit_helper("value + 100")
    flow.run()
    assert flow.executed() == ["total", "weigh", "weigh"]


def test_a_run_that_says_so_uses_no_cache(flow: Flow, first: str) -> None:
    run_id = flow.run(sematic={"cache": False})
    assert flow.executed() == ["numbers", "total", "weigh", "weigh"]
    assert flow.explained("total", run_id)["status"] == "off"


def test_a_task_instance_that_a_person_clears_executes(flow: Flow, first: str) -> None:
    run_id = flow.run()
    assert flow.executed() == []
    body = {"dry_run": False, "only_failed": False, "dag_run_id": run_id, "task_ids": ["total"]}
    assert flow.airflow.post("/api/v2/dags/cached_flow/clearTaskInstances", body)["total_entries"] == 1
    assert _eventually(lambda: (flow.airflow.home / "executed").read_text() == "total\n", 120)
    flow.follow(run_id)
    assert flow.executed() == ["total"]
    assert _eventually(lambda: flow.explained("total", run_id)["status"] == "refreshed", 60)


def test_two_runs_at_once_compute_a_step_once(flow: Flow) -> None:
    runs = [flow.start("slow_flow") for _ in range(2)]
    for run_id in runs:
        flow.follow(run_id, "slow_flow")
    assert flow.executed() == ["slow"]
    (row,) = json.loads(flow.airflow.command("sematic", "cache", "ls", "--dag-id", "slow_flow", "-o", "json").stdout)
    assert row["run"] in runs


def test_a_step_that_may_be_deferred_waits_for_another_run_without_a_slot(flow: Flow) -> None:
    runs = [flow.start("patient_flow") for _ in range(2)]
    tasks = [f"/api/v2/dags/patient_flow/dagRuns/{run_id}/taskInstances/slow" for run_id in runs]
    assert _eventually(lambda: "deferred" in [flow.airflow.get(task)["state"] for task in tasks], 60)
    for run_id in runs:
        flow.follow(run_id, "patient_flow")
    assert flow.executed() == ["slow"]


def test_what_is_purged_is_computed_again(flow: Flow, first: str) -> None:
    flow.airflow.command("sematic", "cache", "purge", "--task-id", "total", "--delete")
    flow.run()
    assert flow.executed() == ["total"]
