"""What all benchmarks print and keep."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Goal:
    """What was promised, what was found, and whether that is enough."""

    what: str
    found: str
    wanted: str
    met: bool


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]], left: int = 2) -> None:
    """One table for people; the first ``left`` columns are text."""
    shown = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[number]) for line in shown) for number in range(len(headers))]
    for line in shown:
        cells = (
            text.ljust(w) if n < left else text.rjust(w) for n, (text, w) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def print_goals(goals: Sequence[Goal]) -> int:
    """Each goal on a line, then ``met`` or ``missed: …``; the exit code."""
    print()
    for goal in goals:
        print(f"{'met   ' if goal.met else 'MISSED'} {goal.what}: {goal.found} (goal: {goal.wanted})")
    missed = [f"{goal.what}: {goal.found} (goal: {goal.wanted})" for goal in goals if not goal.met]
    print(f"missed: {'; '.join(missed)}" if missed else "met")
    return 1 if missed else 0


def keep(name: str, figures: Any, goals: Sequence[Goal], versions: Mapping[str, str | None], setting: object) -> Path:
    """Write the figures, and what they were measured on, beside the benchmarks; the file."""
    now = dt.datetime.now(dt.timezone.utc)
    record = {
        "benchmark": name,
        "at": now.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": dict(versions),
        "setting": setting,
        "goals": [asdict(goal) for goal in goals],
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def machine() -> dict[str, object]:
    """Where this runs."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def commit() -> str | None:
    """The commit that is measured, with a plus sign where files differ from it."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "describe", "--always", "--abbrev=12", "--dirty=+"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def versions_of(packages: Sequence[str]) -> dict[str, str | None]:
    """Versions of packages in this environment."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
