"""The session's AIRFLOW_HOME with its tables, for tests that need Airflow's database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_airflow(*arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """``airflow …`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done
