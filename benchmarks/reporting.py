"""What all benchmarks print and keep."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One way of doing one thing; ``ratio`` is its total over the limit's."""

    task: str
    way: str
    role: str
    write_s: float
    read_s: float
    spread: float
    ratio: float
    goal: float | None = None

    @property
    def total_s(self) -> float:
        """Write and read."""
        return self.write_s + self.read_s

    @property
    def missed(self) -> bool:
        """Whether it has a goal and does not reach it."""
        return self.goal is not None and self.ratio > self.goal


def print_table(rows: list[Row]) -> None:
    """One table for people."""
    print(
        f"{'task':<22}{'way':<26}{'role':<7}{'write s':>9}{'read s':>9}{'total s':>9}{'spread':>8}{'x limit':>9}{'goal':>7}"
    )
    for row in rows:
        goal = f"{row.goal:.1f}" if row.goal else ""
        print(
            f"{row.task:<22}{row.way:<26}{row.role:<7}{row.write_s:>9.3f}{row.read_s:>9.3f}{row.total_s:>9.3f}"
            f"{row.spread:>7.0%} {row.ratio:>8.2f}{goal:>7}"
        )


def keep(name: str, rows: list[Row], packages: tuple[str, ...], setting: dict[str, object]) -> Path:
    """Write the figures, and what they were measured on, beside the benchmarks."""
    now = dt.datetime.now(dt.timezone.utc)
    record = {
        "benchmark": name,
        "at": now.isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {package: _version(package) for package in packages},
        "setting": setting,
        "rows": [asdict(row) | {"total_s": row.total_s} for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


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
