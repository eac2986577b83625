"""Tasks under Airflow's own scheduler and LocalExecutor: what a step costs beside a plain task, and what a pipeline costs of which every step is cached.

On PostgreSQL where its programs are installed, else on SQLite. Both kinds of task run on the same Airflow, with this provider set up as its README says.
"""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environments import PLACE
from benchmarks.steps.residence import evict, resident_bytes
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port

_FOLDER = PLACE / "steps" / "scheduler"
_STORED = 200 * 2**20  # of each step of the cached pipeline, at scale 1
CACHED = 50
_DAGS = '''
"""Made by benchmarks/steps."""
import os
import time

import numpy as np
from airflow.sdk import DAG, task
from sematic_airflow_provider import sematic_task

TIMES = os.environ["BENCH_TIMES"]
PAIRS, CACHED, NUMBERS = (int(os.environ[name]) for name in ("BENCH_PAIRS", "BENCH_CACHED", "BENCH_NUMBERS"))


def timed(output, kind):
    """Note what the operator's execute takes, in the process that runs the task."""
    execute = output.operator.execute

    def noted(*args, **kwargs):
        wall, processor = time.perf_counter(), time.process_time()
        try:
            return execute(*args, **kwargs)
        finally:
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            with open(TIMES, "a") as times:
                times.write(f"{kind} {wall} {processor}\\n")

    output.operator.execute = noted
    return output


@task
def plain():
    return 1


@sematic_task
def sematic():
    return 1


@sematic_task(cache=True)
def grow(previous: np.ndarray | None, number: int) -> np.ndarray:
    with open(TIMES, "a") as times:
        times.write(f"grown {number}\\n")
    return np.random.default_rng(number).random(NUMBERS)


with DAG("pairs", schedule=None):
    last = None
    for number in range(PAIRS):
        for function, kind in ((plain, "plain"), (sematic, "sematic")):
            output = timed(function.override(task_id=f"{kind}_{number:03d}")(), kind)
            if last is not None:
                last >> output
            last = output

with DAG("cached", schedule=None):
    value, last = None, None
    for number in range(CACHED):
        value = grow.override(task_id=f"grow_{number:03d}")(value, number)
        if last is not None:
            last >> value
        last = plain.override(task_id=f"plain_{number:03d}")()
        value >> last
'''


@dataclass(frozen=True)
class Overhead:
    """Seconds of a plain task and of a step: from the end of the task before to its own end, as Airflow has it; within ``execute``; there of the processor."""

    pairs: int
    whole: dict[str, float]
    running: dict[str, float]
    execute: dict[str, float]
    processor: dict[str, float]

    @property
    def ratio(self) -> float:
        """A step's whole time by a plain task's."""
        return self.whole["sematic"] / self.whole["plain"]

    @property
    def own(self) -> float:
        """What ``execute`` takes longer."""
        return self.execute["sematic"] - self.execute["plain"]


@dataclass(frozen=True)
class Cached:
    """Seconds of a cached step and of a plain task in turn, as of `Overhead`, and what was read of the stored bytes."""

    steps: int
    stored_bytes: int
    filling: float
    cached: float
    plain: float
    sums: dict[str, float]
    executed_again: int
    read_bytes: int

    @property
    def ratio(self) -> float:
        """Of a cached step to a plain task."""
        return self.cached / self.plain


class Scheduler:
    """A running Airflow with the Dags of this benchmark."""

    def __init__(self, airflow: LocalAirflow, database: str, pairs: int, steps: int) -> None:
        self.airflow, self.database, self._pairs, self._steps = airflow, database, pairs, steps
        self.store, self.times = airflow.home / "artifacts", airflow.home / "times"

    def overhead(self) -> Overhead:
        """Plain tasks and steps in turn, in one chain."""
        self._run("pairs")
        noted: dict[str, list[float]] = {"plain": [], "sematic": []}
        processor: dict[str, list[float]] = {"plain": [], "sematic": []}
        for line in self.times.read_text().splitlines():
            kind, *seconds = line.split()
            if kind in noted:
                noted[kind].append(float(seconds[0]))
                processor[kind].append(float(seconds[1]))
        times = (self._whole(), self._running(), noted, processor)
        return Overhead(self._pairs, *({kind: median(found[kind]) for kind in noted} for found in times))

    def cached(self, repeats: int) -> Cached:
        """Fill the cache, then run the same again, with nothing of the store in memory."""
        self._run("cached")
        filling = median(self._whole()["grow"])
        blobs = [path for path in (self.store / "blobs").rglob("*") if path.is_file()]
        before = self._grown()
        whole: dict[str, list[float]] = {"grow": [], "plain": []}
        evict(blobs)
        for _ in range(repeats):
            self._run("cached")
            for kind, seconds in self._whole().items():
                whole[kind] += seconds
        read, stored = resident_bytes(blobs), sum(path.stat().st_size for path in blobs)
        cached, plain = median(whole["grow"]), median(whole["plain"])
        sums = {kind: sum(seconds) / repeats for kind, seconds in whole.items()}
        return Cached(self._steps, stored, filling, cached, plain, sums, self._grown() - before, read)

    def _whole(self) -> dict[str, list[float]]:
        """From the end of the task before to its own end, by kind."""
        found: dict[str, list[float]] = {}
        for before, one in pairwise(sorted(self._tasks, key=lambda one: one["end"])):
            found.setdefault(one["kind"], []).append(one["end"] - before["end"])
        return found

    def _running(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for one in self._tasks:
            found.setdefault(one["kind"], []).append(one["end"] - one["start"])
        return found

    def _grown(self) -> int:
        return sum(line.startswith("grown") for line in self.times.read_text().splitlines())

    def _run(self, dag: str) -> None:
        """Run it, and take the times of its tasks."""
        airflow = self.airflow
        run = airflow.trigger(dag)
        failed = [(task, state) for task, state in airflow.follow(dag, run, timeout=3600) if state != "success"]
        if failed:
            raise RuntimeError(
                f"{dag}: {failed[0][0] or 'the run'} ended as {failed[0][1]}; logs in {airflow.home}/logs"
            )
        found = airflow.get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=1000")["task_instances"]
        self._tasks = [
            {
                "kind": one["task_id"].split("_")[0],
                "start": _moment(one["start_date"]),
                "end": _moment(one["end_date"]),
            }
            for one in found
        ]

    _tasks: list[dict[str, Any]]


def _moment(text: str) -> float:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@contextmanager
def running(pairs: int, steps: int, scale: float) -> Iterator[Scheduler]:
    """Start everything, and stop it."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    (_FOLDER / "dags").mkdir(parents=True)
    (_FOLDER / "dags" / "bench.py").write_text(_DAGS)
    _commit(_FOLDER / "dags")
    server, url = _postgresql()
    home = _FOLDER / "home"
    extra = {
        "AIRFLOW__SEMATIC__STORE": str(home / "artifacts"),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "PYTHONDONTWRITEBYTECODE": "",  # where modules are compiled for each task, that is all that one sees
        "BENCH_TIMES": str(home / "times"),
        "BENCH_PAIRS": str(pairs),
        "BENCH_CACHED": str(steps),
        "BENCH_NUMBERS": str(int(_STORED * scale / 8)),
    }
    airflow = LocalAirflow(home, _FOLDER / "dags", free_port(18080), url, extra)
    (home / "artifacts").mkdir()
    (home / "times").touch()
    try:
        airflow.migrate()
        airflow.start("api-server", "scheduler", "dag-processor")
        airflow.wait_until_healthy(300)
        for dag in ("pairs", "cached"):
            airflow.wait_for_dag(dag, 300)
        yield Scheduler(airflow, "PostgreSQL" if url else "SQLite", pairs, steps)
    finally:
        airflow.stop()
        if server is not None:
            server.stop()
    shutil.rmtree(_FOLDER, ignore_errors=True)


def _commit(folder: Path) -> None:
    """Make it a repository of its own, all committed, as a Dag bundle is: steps record where they come from, and what differs from that."""
    git = shutil.which("git")
    if git is None:
        return
    who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for arguments in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message", "bench"]):
        subprocess.run([git, *arguments], cwd=folder, check=True)


def _postgresql() -> tuple[Any, str | None]:
    from integration.postgresql import PostgreSQL

    try:
        server = PostgreSQL()
    except (RuntimeError, KeyError):
        return None, None
    return server, server.create("airflow")
