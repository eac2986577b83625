"""What a Dag file of one step takes to load, beside a Dag file of one plain task: each in a fresh process, in turn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.runs import FailedError, surroundings

_PLAIN = """
from airflow.sdk import DAG, task

@task
def step(value: int) -> int:
    return value

with DAG("bench", schedule=None):
    step(1)
"""
_SEMATIC = _PLAIN.replace("import DAG, task", "import DAG\nfrom sematic_airflow_provider import sematic_task").replace(
    "@task", "@sematic_task"
)
FILES = {
    "airflow.sdk": "from airflow.sdk import DAG, dag, task",
    "airflow.sdk and the package": "from airflow.sdk import DAG, dag, task\nfrom sematic_airflow_provider import sematic_task",
    "a Dag file of one @task": _PLAIN,
    "a Dag file of one @sematic_task": _SEMATIC,
}
_TIMER = """
import sys, time
text = open(sys.argv[1]).read()
started = time.perf_counter()
exec(compile(text, sys.argv[1], "exec"))
print(time.perf_counter() - started)
"""


def measure(folder: Path, repeats: int) -> dict[str, float]:
    """Seconds of each kind of file: medians.

    Raises:
        FailedError: one cannot be loaded.
    """
    paths = {}
    for number, (name, text) in enumerate(FILES.items()):
        paths[name] = folder / f"file{number}.py"
        paths[name].write_text(text)
    environment = surroundings(folder) | {"AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    took: dict[str, list[float]] = {name: [] for name in FILES}
    for repeat in range(repeats + 1):
        for name, path in paths.items():
            done = subprocess.run(
                [sys.executable, "-c", _TIMER, str(path)],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise FailedError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
            if repeat:  # the first one also wrote what Python and Airflow keep for the next
                took[name].append(float(done.stdout.split(os.linesep)[-2]))
    return {name: median(seconds) for name, seconds in took.items()}
