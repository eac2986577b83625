"""What steps cost: beside plain tasks under Airflow's scheduler, when all of them are cached, when a Dag file is loaded, and in the runner for tests.

Cases: `imports` (a Dag file loaded in a fresh process), `overhead` (no-op steps and plain tasks in turn, in one chain, under scheduler and LocalExecutor),
`cached` (a pipeline over 10 GB of which every step is cached, with plain tasks in turn), `runner` (a chain of 300 steps in the runner for tests,
and in the runners that other systems have for that). At a scale below 1, pipelines are shorter and values smaller.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.reporting import Goal, keep, print_goals, print_table, versions_of
from benchmarks.runs import OURS, FailedError
from benchmarks.steps import imports, runners, scheduler

CASES = ("imports", "overhead", "cached", "runner")
PACKAGES = (
    "sematic-airflow-provider",
    "apache-airflow",
    "apache-airflow-task-sdk",
    "apache-airflow-providers-openlineage",
)
PAIRS, CACHED = 40, scheduler.CACHED
MORE, OWN_S, IMPORT_S, RUNNER_S = 1.05, 0.015, 0.020, 3.0


@dataclass
class _Report:
    """Lines of the table, what is kept, and what was promised."""

    rows: list[list[object]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def line(
        self, case: str, way: str, ours: float | None, other: float | None, ratio: float | None, goal: str
    ) -> None:
        self.rows.append([case, way, ours, other, None if ratio is None else f"{ratio:.3f}", goal])


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print, keep, judge."""
    options = _options(arguments)
    started, report = time.monotonic(), _Report()
    if "imports" in options.cases:
        _imports(report, options.repeats)
    if {"overhead", "cached"} & set(options.cases):
        _scheduled(report, options)
    if "runner" in options.cases:
        _runners(report, options)
    print_table(("case", "compared with", "ours s", "other s", "ratio", "goal"), report.rows)
    for name, reason in report.failed.items():
        print(f"{name}  no figures: {reason}")
    if options.keep:
        minutes = round((time.monotonic() - started) / 60, 1)
        setting = {"scale": options.scale, "repeats": options.repeats, "cases": options.cases, "minutes": minutes}
        versions = versions_of(PACKAGES)
        for chain in runners.chains().values():
            versions |= {f"{chain.name}: {package}": number for package, number in chain.peer.versions.items()}
        figures = report.figures | {"failed": report.failed}
        print(f"\nkept in benchmarks/results/{keep('steps', figures, report.goals, versions, setting).name}")
    return print_goals(report.goals)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks steps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--ways", nargs="+", choices=list(runners.chains()), help="of the case runner; all when not given"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1: 300 steps, 10 GB; less: fewer, smaller")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write nothing into benchmarks/results")
    return parser.parse_args(arguments)


def _imports(report: _Report, repeats: int) -> None:
    _say("imports: Dag files in fresh processes")
    with tempfile.TemporaryDirectory(prefix="sematic-bench-") as folder:
        found = imports.measure(Path(folder), max(repeats, 2))
    report.figures["imports"] = found
    sdk, package, plain, step = (found[name] for name in imports.FILES)
    report.line("imports", "import of airflow.sdk alone", package, sdk, package / sdk, "")
    report.line("imports", "Dag file of one @task", step, plain, step / plain, f"+{1000 * IMPORT_S:.0f} ms")
    more = step - plain
    report.goals.append(
        Goal(
            "a Dag file with the package",
            f"{1000 * more:+.0f} ms",
            f"at most {1000 * IMPORT_S:.0f} ms more",
            more <= IMPORT_S,
        )
    )


def _scheduled(report: _Report, options: argparse.Namespace) -> None:
    pairs, steps = max(3, round(PAIRS * options.scale)), max(3, round(CACHED * min(1.0, 4 * options.scale)))
    _say("starting Airflow")
    with scheduler.running(pairs, steps, options.scale) as airflow:
        report.figures["database"] = airflow.database
        if "overhead" in options.cases:
            _say(f"overhead: {2 * pairs} tasks in one chain")
            _overhead(report, airflow.overhead())
        if "cached" in options.cases:
            _say(f"cached: {steps} steps and plain tasks in turn, filled once, then {options.repeats} times")
            _cached(report, airflow.cached(options.repeats))


def _overhead(report: _Report, found: scheduler.Overhead) -> None:
    report.figures["overhead"] = asdict(found)
    goals = {"whole": f"x {MORE}", "running": "", "execute": f"+{1000 * OWN_S:.0f} ms", "processor": ""}
    names = {
        "whole": "end to end",
        "running": "while running",
        "execute": "within execute",
        "processor": "processor's time in it",
    }
    for kind, name in names.items():
        times: dict[str, float] = getattr(found, kind)
        ratio = times["sematic"] / times["plain"]
        report.line(f"no-op, {name}", "plain @task", times["sematic"], times["plain"], ratio, goals[kind])
    report.goals += [
        Goal(
            "a no-op step, end to end", f"{found.ratio:.3f} times a plain task", f"at most {MORE}", found.ratio <= MORE
        ),
        Goal("its own cost", f"{1000 * found.own:.1f} ms", f"at most {1000 * OWN_S:.0f} ms", found.own <= OWN_S),
    ]


def _cached(report: _Report, found: scheduler.Cached) -> None:
    report.figures["cached"] = asdict(found)
    what = f"{found.steps} cached steps, {found.stored_bytes / 1e9:.1f} GB"
    report.line(f"{what}, each", "plain @task", found.cached, found.plain, found.ratio, f"x {MORE}")
    report.goals += [
        Goal("a cached pipeline", f"{found.ratio:.3f} times plain no-op tasks", f"at most {MORE}", found.ratio <= MORE),
        Goal("steps of it that executed", str(found.executed_again), "0", found.executed_again == 0),
        Goal("bytes of it that were read", f"{found.read_bytes / 1e6:.1f} MB", "0", found.read_bytes == 0),
    ]


def _runners(report: _Report, options: argparse.Namespace) -> None:
    steps = max(3, round(runners.STEPS * options.scale))
    took: dict[str, list[float]] = {}
    chosen = [chain for name, chain in runners.chains().items() if not options.ways or name in options.ways]
    for chain in chosen:
        # the fast ones vary: they are run again
        for repeat in range(options.repeats if chain.name == OURS else 1):
            _say(f"runner: {chain.name}, {steps} steps, run {repeat + 1}")
            try:
                took.setdefault(chain.name, []).append(runners.seconds_of(chain, steps))
            except FailedError as error:
                report.failed[f"runner, {chain.name}"] = str(error)
                _say(f"{chain.name}: {error}")
                break
    report.figures["runner"] = {"steps": steps, "seconds": took, "notes": {chain.name: chain.note for chain in chosen}}
    ours = median(took[OURS]) if took.get(OURS) else None
    for chain in chosen:
        if seconds := took.get(chain.name):
            other = median(seconds)
            own = chain.name == OURS
            ratio = None if own or ours is None else ours / other
            goal = f"{RUNNER_S:.0f} s for {runners.STEPS}" if own else ""
            title = "(its goal)" if own else f"{chain.name}: {chain.note}"
            report.line(f"{steps} steps in the runner for tests", title, ours, None if own else other, ratio, goal)
    if ours is not None:
        wanted = RUNNER_S * steps / runners.STEPS
        report.goals.append(
            Goal(f"{steps} steps in the runner for tests", f"{ours:.2f} s", f"under {wanted:.2f} s", ours < wanted)
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
