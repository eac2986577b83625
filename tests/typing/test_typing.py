"""Type checkers accept right wiring and report wrong wiring, line by line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow_home import ROOT

HERE = Path(__file__).parent
FLOW = HERE / "flow.py"


def _expected(mypy: bool = True) -> dict[int, str]:
    lines = enumerate(FLOW.read_text().splitlines(), start=1)
    found = {number: match for number, line in lines if (match := re.search(r"# E: ([a-z-]+)(, of mypy only)?$", line))}
    return {number: match[1] for number, match in found.items() if mypy or not match[2]}


def test_mypy_in_its_strict_mode_reports_wrong_wiring_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--config-file", HERE / "mypy.ini", "--cache-dir", tmp_path, FLOW]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    pattern = re.compile(r"flow\.py:(\d+): error: .*\[([a-z-]+)\]$")
    found = {int(match[1]): match[2] for line in done.stdout.splitlines() if (match := pattern.search(line))}
    assert found == _expected(), done.stdout + done.stderr


def test_pyright_reports_the_same_lines() -> None:
    pyright = Path(sys.executable).with_name("pyright")
    if not pyright.exists():
        pytest.skip("pyright is not installed")
    command = [pyright, "--pythonpath", sys.executable, FLOW]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        pytest.skip(f"pyright cannot start: {done.stderr[-300:]}")  # it fetches itself when it first runs
    found = {int(number) for number in re.findall(r"flow\.py:(\d+):\d+ - error", done.stdout)}
    assert found == set(_expected(mypy=False)), done.stdout + done.stderr
