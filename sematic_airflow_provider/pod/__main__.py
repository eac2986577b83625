"""``python -m sematic_airflow_provider.pod``: run one step, described by a PodTask in the environment or on standard input."""

from __future__ import annotations

import argparse
import os
import sys

from sematic_airflow_provider.errors import SematicError
from sematic_airflow_provider.pod.run import run
from sematic_airflow_provider.pod.spec import TASK_VARIABLE, PodTask


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 the step succeeded, 1 it failed, 2 it could not be started."""
    parser = argparse.ArgumentParser(prog="python -m sematic_airflow_provider.pod", description=__doc__)
    parser.add_argument(
        "--stdin", action="store_true", help=f"read the PodTask from standard input, not from {TASK_VARIABLE}"
    )
    options = parser.parse_args(arguments)
    text = sys.stdin.read() if options.stdin else os.environ.get(TASK_VARIABLE, "")
    if not text:
        sys.stderr.write(f"nothing to run: {TASK_VARIABLE} is empty\n")
        return 2
    try:
        task = PodTask.from_json(text)
        sys.stdout.write(f"running {task.function}\n")
        sys.stdout.flush()
        result = run(task)
    except SematicError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if result.error:
        sys.stderr.write(result.error)
        return 1
    for key, ref in result.outputs.items():
        sys.stdout.write(f"{key}: {ref!r}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
