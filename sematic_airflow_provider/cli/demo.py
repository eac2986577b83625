"""``python -m sematic_airflow_provider.cli.demo``: a complete local Airflow with one Dag run to look at, by one command."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import quote

from sematic_airflow_provider.cli.processes import LocalAirflow, ProcessEndedError, free_port

DAG = "flight_delays"
FOLLOWER = "flight_delays_inference"  # starts by itself when the first one has approved a model
_STEPS = {
    "ingest_flights", "ingest_weather", "ingest_planes", "ingest_airports", "featurise", "month_to_test", "split", "train", "evaluate", "approve", "predict",
}  # fmt: skip
_RAW = {"ingest_flights", "ingest_weather", "ingest_planes", "ingest_airports"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)

    if not (options.dags / f"{DAG}.py").is_file():
        print(f"{options.dags} has no {DAG}.py: name the folder of the examples with --dags", file=sys.stderr)
        return 2
    port = free_port(options.port)
    if port != options.port:
        say(f"port {options.port} is taken, using {port}")
    airflow = LocalAirflow(options.home, options.dags, port)
    try:
        return _run(airflow, say, check=options.check)
    except KeyboardInterrupt:
        print(flush=True)
        say("stopping")
        return 130 if options.check else 0  # a check that was interrupted has shown nothing
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"\n{_explain(error, airflow)}\nLogs: {airflow.home}/logs", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave processes behind
        airflow.stop()


def _explain(error: Exception, airflow: LocalAirflow) -> str:
    """What went wrong; where it was a request that failed because a process has ended, that."""
    try:
        airflow.check_alive()
    except ProcessEndedError as ended:
        return str(ended)
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.url} answered {error.code}: {error.read(2000).decode(errors='replace')}"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sematic_airflow_provider.cli.demo",
        description="Starts a complete local Airflow (SQLite, a local folder, no cloud), runs the flight delays example and shows its lineage.",
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(".demo"),
        help="AIRFLOW_HOME of the demo (default: %(default)s); kept, so the next start is quicker",
    )
    parser.add_argument(
        "--dags", type=Path, default=Path("dags_examples"), help="folder of the example Dags (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="port of the UI (default: %(default)s, or the next free one)"
    )
    parser.add_argument(
        "--check", action="store_true", help="check the result without a browser, stop everything and exit"
    )
    return parser


def _run(airflow: LocalAirflow, say: Any, *, check: bool) -> int:
    say(f"migrating the database in {airflow.home}")
    airflow.migrate()
    say("starting API server, scheduler, Dag processor and triggerer")
    airflow.start()
    airflow.wait_until_healthy()
    say(f"Airflow answers at {airflow.url}")
    for dag in (DAG, FOLLOWER):
        airflow.wait_for_dag(dag)
        for run_id in airflow.end_active_runs(dag):
            say(f"set to failed, as it was interrupted: {dag} {run_id}")
    airflow.unpause(FOLLOWER)
    run_id = airflow.first_run(DAG)
    say(f"running {DAG}: {run_id}")
    state = ""
    for task, state in airflow.follow(DAG, run_id):
        say(f"  {task or DAG}: {state}")
    if state != "success":
        raise RuntimeError(f"the run ended as {state}")
    if check:
        problems = find_problems(airflow, run_id)
        for problem in problems:
            say(f"PROBLEM: {problem}")
        say(
            "the demo does not work"
            if problems
            else "the demo works: every step, and the predictions' way back to the raw tables"
        )
        return 1 if problems else 0
    print(
        f"\n  Lineage:  {airflow.url}/dags/{DAG}/runs/{quote(run_id, safe='')}/plugin/lineage-run"
        f"\n  Login:    {airflow.user} / {airflow.password}\n\nCtrl-C stops everything.\n",
        flush=True,
    )
    while True:
        airflow.check_alive()
        time.sleep(1)


def find_problems(airflow: LocalAirflow, run_id: str, timeout: float = 30) -> list[str]:
    """What is missing of the lineage of a run of the example, and of the UI; empty when nothing is. Waits for the last events to arrive."""
    deadline = time.monotonic() + timeout
    path = f"/sematic/api/v1/dags/{DAG}/runs/{quote(run_id, safe='')}/graph"
    while True:
        try:
            problems = _problems(airflow.get(path))
        except urllib.error.HTTPError as error:
            problems = [f"{path} answered {error.code}: {error.read(500).decode(errors='replace')}"]
        if not problems or time.monotonic() > deadline:
            break
        time.sleep(1)
    page = f"{airflow.url}/sematic/static/main.js"
    try:
        with urllib.request.urlopen(page, timeout=10):  # noqa: S310 - our own http URL
            pass
    except urllib.error.URLError as error:
        problems.append(f"the Lineage UI is not served ({error}): run make ui")
    return problems


def _problems(graph: Any) -> list[str]:
    nodes = {node["id"]: node for node in graph["nodes"]}
    steps = {node["task_id"] for node in nodes.values() if node["kind"] == "run" and node["state"] == "success"}
    problems = [f"step {step} is missing in the lineage, or did not succeed" for step in sorted(_STEPS - steps)]
    predictions = [n for n in nodes.values() if n["kind"] == "artifact" and n["label"] == "predict"]
    if not predictions:
        return [*problems, "the predictions are missing in the lineage"]
    behind, pending = set(), [predictions[0]["id"]]
    while pending:
        node_id = pending.pop()
        if node_id not in behind:
            behind.add(node_id)
            pending.extend(edge["source"] for edge in graph["edges"] if edge["target"] == node_id)
    reached = {nodes[node_id].get("task_id") for node_id in behind}
    return problems + [f"no path from the predictions to {raw}" for raw in sorted(_RAW - reached)]


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
