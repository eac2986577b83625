"""The main job: from ``@sematic_task`` through the scheduler to the Lineage tab, on PostgreSQL, in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from integration.conftest import ROOT, SCREENSHOTS, FinishedRun
from sematic_airflow_provider.cli.demo import find_problems
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port

API = "/sematic/api/v1"
STEPS = {
    "ingest_flights", "ingest_weather", "ingest_planes", "ingest_airports", "featurise", "month_to_test", "split", "train", "evaluate", "approve", "predict",
}  # fmt: skip
ARTIFACTS = (STEPS - {"split"}) | {"split.training", "split.test", "split.upcoming"}


def _eventually(check: Callable[[], Any], seconds: float = 60) -> Any:
    """What a check returns once that is true; events arrive a moment after the task that they are of."""
    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def _graph(airflow: LocalAirflow, path: str) -> Any:
    return airflow.get(f"{API}{path}/graph")


def _run_path(run: str, dag_id: str = "flight_delays") -> str:
    return f"/dags/{dag_id}/runs/{quote(run, safe='')}"


def _blobs(airflow: LocalAirflow) -> dict[str, int]:
    return {blob.name: blob.stat().st_size for blob in (airflow.home / "sematic" / "blobs").glob("??/*")}


def test_every_step_succeeds(flight_run: FinishedRun) -> None:
    assert flight_run.states == {"": "success", **dict.fromkeys(STEPS, "success")}


def test_the_lineage_is_complete_and_leads_back_to_the_raw_tables(
    airflow: LocalAirflow, flight_run: FinishedRun
) -> None:
    assert find_problems(airflow, flight_run.run_id) == []


def test_events_went_by_way_of_the_disk_and_none_waits_or_was_rejected(
    airflow: LocalAirflow, flight_run: FinishedRun
) -> None:
    spool = airflow.home / "sematic-spool"
    assert _eventually(lambda: not list(spool.glob("*.json")), 30)
    assert f"delivered to {airflow.url}" in (spool / "delivery.log").read_text()
    assert not (spool / "rejected").exists()
    assert not (airflow.home / "sematic" / "spool").exists()


def test_an_approved_model_starts_the_inference_dag_which_receives_that_very_model(
    airflow: LocalAirflow, flight_run: FinishedRun
) -> None:
    def finished() -> Any:
        runs = airflow.get("/api/v2/dags/flight_delays_inference/dagRuns")["dag_runs"]
        return next((run for run in runs if run["state"] in ("success", "failed")), None)

    run = _eventually(finished, 120)
    assert run is not None, "the inference Dag did not start by itself"
    assert (run["state"], run["run_type"]) == ("success", "asset_triggered")

    def crossing() -> Any:
        graph = _graph(airflow, _run_path(run["dag_run_id"], "flight_delays_inference"))
        nodes = {node["id"]: node for node in graph["nodes"]}
        inputs = [
            nodes[edge["source"]]
            for edge in graph["edges"]
            if edge["label"] == "model" and nodes[edge["target"]].get("task_id") == "score"
        ]
        return inputs and "flight_delays.approve.return_value" in inputs[0]["names"]

    assert _eventually(crossing)


def test_clearing_a_task_instance_runs_it_again_and_both_tries_stand_in_the_lineage(
    airflow: LocalAirflow, flight_run: FinishedRun
) -> None:
    body = {"dry_run": False, "only_failed": False, "dag_run_id": flight_run.run_id, "task_ids": ["evaluate"]}
    cleared = airflow.post("/api/v2/dags/flight_delays/clearTaskInstances", body)
    assert cleared["total_entries"] == 1
    path = f"{_run_path(flight_run.run_id)}/tasks/evaluate"

    def both() -> Any:
        runs = [n for n in _graph(airflow, path)["nodes"] if n["kind"] == "run" and n["task_id"] == "evaluate"]
        return len(runs) == 2 and all(run["state"] == "success" for run in runs) and runs

    runs = _eventually(both, 120)
    assert runs, "the second try is missing"
    details = airflow.get(f"{API}/runs/{runs[-1]['run_id']}")
    assert [found["try_number"] for found in details["tries"]] == [1, 2]
    assert (
        len(
            {
                node["id"]
                for node in _graph(airflow, path)["nodes"]
                if node["label"] == "evaluate" and node["kind"] == "artifact"
            }
        )
        == 1
    )


def test_a_second_run_stores_no_new_bytes(airflow: LocalAirflow, flight_run: FinishedRun) -> None:
    before = _blobs(airflow)
    states = dict(airflow.follow("flight_delays", airflow.trigger("flight_delays")))
    assert states[""] == "success"
    assert _blobs(airflow) == before


def test_a_run_of_the_scheduler_can_be_reproduced(airflow: LocalAirflow, flight_run: FinishedRun) -> None:
    done = airflow.command("sematic", "reproduce", flight_run.run_id, "--dag-id", "flight_delays", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("identical") == len(ARTIFACTS)


def test_the_doctor_is_content(airflow: LocalAirflow) -> None:
    done = airflow.command("sematic", "doctor", check=False)
    assert done.returncode == 0, done.stdout


def test_metrics_and_resources_are_told(airflow: LocalAirflow, flight_run: FinishedRun) -> None:
    graph = _graph(airflow, f"{_run_path(flight_run.run_id)}/tasks/evaluate")
    run = next(node for node in graph["nodes"] if node.get("task_id") == "evaluate")
    details = airflow.get(f"{API}/runs/{run['run_id']}")
    assert 0.6 < details["metrics"]["auc"] < 1
    assert details["resources"]["durationSeconds"] > 0
    assert details["resources"]["peakMemoryBytes"] > 50e6
    assert "def evaluate" in details["source"]


def _open(page: Page, airflow: LocalAirflow, path: str, name: str) -> None:
    page.goto(airflow.url + path)
    expect(page.get_by_test_id("lineage-counts")).to_be_visible()
    page.wait_for_selector("[data-testid=node-run]")
    page.wait_for_timeout(700)  # the view settles after it was fitted
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture(scope="session", autouse=True)
def _screenshot_folder() -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_tab_of_the_run_shows_every_step_and_artifact_and_the_way_back(
    airflow: LocalAirflow, flight_run: FinishedRun, pages: dict[str, Page], mode: str
) -> None:
    page = pages[mode]
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    _open(page, airflow, f"{_run_path(flight_run.run_id)}/plugin/lineage-run", f"dag-run-{mode}")
    for step in STEPS:
        expect(page.locator("[data-testid=node-run]", has_text=step).first).to_be_visible()
    for artifact in ARTIFACTS:
        expect(page.locator("[data-testid=node-artifact]", has_text=artifact).first).to_be_visible()
    page.locator("[data-testid=node-artifact]", has_text="predict").first.click()
    panel = page.get_by_role("complementary", name="Details of predict")
    expect(panel.get_by_text("pandas.DataFrame", exact=True).first).to_be_visible()
    expect(panel.get_by_test_id("preview-table").get_by_text("chance_late")).to_be_visible()
    page.wait_for_timeout(700)
    page.screenshot(path=SCREENSHOTS / f"predictions-{mode}.png")
    for step in ("approve", "evaluate", "train", "split", "featurise", "ingest_flights"):
        panel.get_by_role("button", name=f"step {step}", exact=True).first.click()
        panel = page.get_by_role("complementary", name=f"Details of {step}")
        expect(panel.get_by_text("task instance and logs")).to_be_visible()
        if step == "evaluate":
            expect(panel.get_by_text("average_precision", exact=True)).to_be_visible()
            page.screenshot(path=SCREENSHOTS / f"step-{mode}.png")
    page.screenshot(path=SCREENSHOTS / f"raw-{mode}.png")
    expect(panel.get_by_text('"flights"')).to_be_visible()
    panel.get_by_text("task instance and logs").click()
    page.wait_for_url("**/tasks/ingest_flights")
    assert errors == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_panel_shows_what_an_artifact_looks_like(
    airflow: LocalAirflow, flight_run: FinishedRun, pages: dict[str, Page], mode: str
) -> None:
    page = pages[mode]
    _open(page, airflow, f"{_run_path(flight_run.run_id)}/plugin/lineage-run", f"dag-run-{mode}")
    page.locator("[data-testid=node-artifact]", has_text="featurise").first.click()
    panel = page.get_by_role("complementary", name="Details of featurise")
    table = panel.get_by_test_id("preview-table")
    expect(table.get_by_text("tailnum")).to_be_visible()
    expect(table.get_by_text("int64").first).to_be_visible()
    expect(panel.get_by_text("std. deviation").first).to_be_attached()
    panel.get_by_role("button", name="Widen").click()
    page.wait_for_timeout(700)
    page.screenshot(path=SCREENSHOTS / f"preview-table-{mode}.png")
    panel.get_by_role("button", name="Narrow").click()
    page.locator("[data-testid=node-artifact]", has_text="Pipeline").first.click()
    panel = page.get_by_role("complementary")
    expect(panel.get_by_text("Hyperparameters", exact=False)).to_be_attached()
    expect(panel.get_by_text("digest depends on the version of scikit-learn", exact=False)).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"preview-model-{mode}.png")


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("dag", "/dags/flight_delays/plugin/lineage"),
        ("task", "/dags/flight_delays/tasks/train/plugin/lineage-task"),
        ("task-instance", "{run}/tasks/train/plugin/lineage-ti"),
    ],
)
def test_the_tab_works_on_dag_task_and_task_instance_pages(
    airflow: LocalAirflow, flight_run: FinishedRun, pages: dict[str, Page], mode: str, name: str, path: str
) -> None:
    page = pages[mode]
    _open(page, airflow, path.format(run=_run_path(flight_run.run_id)), f"{name}-{mode}")
    expect(page.locator("[data-testid=node-run]", has_text="train").first).to_be_visible()
    if name == "task-instance":
        expect(page.get_by_role("complementary", name="Details of train")).to_be_visible()


@pytest.fixture(scope="module")
def cached_runs(airflow: LocalAirflow) -> list[str]:
    """The example of cached steps, twice."""
    airflow.wait_for_dag("cached_steps")
    runs = []
    for _ in range(2):
        runs.append(airflow.trigger("cached_steps"))
        assert dict(airflow.follow("cached_steps", runs[-1]))[""] == "success"
    path = _run_path(runs[-1], "cached_steps")
    assert _eventually(
        lambda: [node["cache"] for node in _graph(airflow, path)["nodes"] if node["kind"] == "run"] == ["hit"] * 3
    )
    return runs


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_cached_step_says_whose_outputs_were_used_and_one_that_executed_says_why(
    airflow: LocalAirflow, cached_runs: list[str], pages: dict[str, Page], mode: str
) -> None:
    page = pages[mode]
    first, second = cached_runs
    _open(page, airflow, f"{_run_path(second, 'cached_steps')}/plugin/lineage-run", f"cached-{mode}")
    page.get_by_label("step by_carrier, success, cached").first.click()
    panel = page.get_by_role("complementary", name="Details of by_carrier")
    expect(panel.get_by_text("hit: outputs of an earlier run were used")).to_be_visible()
    expect(panel.get_by_role("link", name=f"cached_steps.by_carrier, {first}")).to_be_visible()
    page.wait_for_timeout(700)
    page.screenshot(path=SCREENSHOTS / f"cache-hit-{mode}.png")
    _open(page, airflow, f"{_run_path(first, 'cached_steps')}/plugin/lineage-run", f"computed-{mode}")
    page.locator("[data-testid=node-run]", has_text="by_carrier").first.click()
    expect(
        page.get_by_role("complementary", name="Details of by_carrier").get_by_text("miss: it was executed")
    ).to_be_visible()
    page.wait_for_timeout(700)
    page.screenshot(path=SCREENSHOTS / f"cache-miss-{mode}.png")


def test_a_dag_without_lineage_teaches_the_first_step(airflow: LocalAirflow, pages: dict[str, Page]) -> None:
    page = pages["light"]
    page.goto(f"{airflow.url}/dags/many_at_once/plugin/lineage")
    expect(page.get_by_text("No lineage yet")).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "empty-light.png")


def test_dags_test_needs_no_server_and_its_lineage_shows_up_when_one_starts(tmp_path: Path) -> None:
    airflow = LocalAirflow(tmp_path, ROOT / "dags_examples", free_port(18180))
    airflow.migrate()
    airflow.command("dags", "test", "flight_delays")
    waiting = list((tmp_path / "sematic-spool").glob("*.json"))
    assert len(waiting) >= 2 * len(STEPS)
    try:
        airflow.start("api-server")
        _eventually(lambda: not list((tmp_path / "sematic-spool").glob("*.json")), 90)
        (run,) = airflow.get("/api/v2/dags/flight_delays/dagRuns")["dag_runs"]
        assert find_problems(airflow, run["dag_run_id"]) == []
    finally:
        airflow.stop()
