"""What task processes need is loaded in the process that forks them, and not by each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ASK = """
import sys
from airflow.sdk.execution_time.task_runner import TaskRunnerMarker
from airflow.listeners.listener import get_listener_manager

component = TaskRunnerMarker() if sys.argv[1] == "task" else object()
get_listener_manager().hook.on_starting(component=component)
wanted = ("worker.operator", "worker.provenance", "worker.openlineage", "artifacts.repository", "artifacts.local_store")
print(*(name for name in wanted if f"sematic_airflow_provider.{name}" in sys.modules))
"""


def _loaded(component: str, home: Path) -> list[str]:
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", _ASK, component], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_the_scheduler_loads_what_its_children_need(tmp_path: Path) -> None:
    assert len(_loaded("scheduler", tmp_path)) == 5


def test_a_task_process_loads_only_what_its_task_needs(tmp_path: Path) -> None:
    assert _loaded("task", tmp_path) == []
