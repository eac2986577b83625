"""What the tests of the testing kit compare it with is what Airflow does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_airflow_still_runs_the_dags_of_the_comparison_as_was_written_down(tmp_path: Path) -> None:
    path = tmp_path / "by_airflow.json"
    command = [sys.executable, "-m", "tests.testing.by_airflow", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert json.loads(path.read_text()) == json.loads((ROOT / "tests" / "testing" / "by_airflow.json").read_text())
