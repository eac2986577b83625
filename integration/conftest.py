"""Real parts: PostgreSQL, Airflow's processes, a browser."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from integration.postgresql import PostgreSQL
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port

ROOT = Path(__file__).parents[1]
expect.set_options(timeout=30_000)  # the first page on a busy machine takes its time
SCREENSHOTS = ROOT / ".artifacts" / "screenshots"
MODES = ("light", "dark")
_CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def airflow(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """All processes of an Airflow on PostgreSQL, with the examples."""
    home = tmp_path_factory.mktemp("airflow")
    made = LocalAirflow(home, ROOT / "dags_examples", free_port(18080), database=postgresql.create("airflow"))
    made.migrate()
    try:
        made.start()
        made.wait_until_healthy()
        made.wait_for_dag("flight_delays")
        made.wait_for_dag("flight_delays_inference")
        yield made
    finally:
        made.stop()
        logs = ROOT / ".artifacts" / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        for log in (home / "logs").glob("*.log"):
            shutil.copy(log, logs)


@dataclass(frozen=True)
class FinishedRun:
    """The demo's run, and the one that its model started."""

    run_id: str
    states: dict[str, str]


@pytest.fixture(scope="session")
def flight_run(airflow: LocalAirflow) -> FinishedRun:
    """``flight_delays``, run by the scheduler, with the Dag that waits for its model switched on."""
    airflow.patch("/api/v2/dags/flight_delays_inference", {"is_paused": False})
    run_id = airflow.trigger("flight_delays")
    states = dict(airflow.follow("flight_delays", run_id))
    return FinishedRun(run_id, states)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise RuntimeError(
            "the integration tests need Chromium (Debian: apt install chromium), or its path in CHROMIUM"
        )
    with sync_playwright() as playwright, tempfile.TemporaryDirectory():
        opened = playwright.chromium.launch(executable_path=program, args=_CHROMIUM)
        yield opened
        opened.close()


@contextmanager
def logged_in(browser: Browser, airflow: LocalAirflow) -> Iterator[dict[str, Page]]:
    """A page for each colour mode, by its name."""
    found: dict[str, Page] = {}
    for mode in MODES:
        context: Any = browser.new_context(viewport={"width": 1500, "height": 950})
        context.add_init_script(f"localStorage.setItem('theme', '{mode}')")
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(airflow.url)
        page.wait_for_selector("input[type=password]")
        page.fill("input[name=username]", airflow.user)
        page.fill("input[type=password]", airflow.password)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        found[mode] = page
    yield found
    for page in found.values():
        page.context.close()


@pytest.fixture(scope="session")
def pages(browser: Browser, airflow: LocalAirflow) -> Iterator[dict[str, Page]]:
    """On the Airflow with the examples."""
    with logged_in(browser, airflow) as found:
        yield found
