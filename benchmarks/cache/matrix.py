"""Edits crossed with caches: each case is a small project that is run, edited, and run again in a fresh process, and the step counts its real executions.

Right: what changed was executed again, what did not was not, and the number is the one that the program gives without a cache.
The cases: ``benchmarks/cache/cases.py``; how each way writes them: ``ways.py``; what befalls them and how it is judged: ``trial.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cache.cases import HIT, MISS, STORED, TOGETHER, Case, all_cases
from benchmarks.cache.trial import LOUD, RIGHT, Verdict, judge
from benchmarks.cache.ways import Way, all_ways
from benchmarks.environments import PLACE
from benchmarks.reporting import Goal, keep, print_goals, print_table, versions_of
from benchmarks.runs import OURS, FailedError

PACKAGES = ("sematic-airflow-provider", "apache-airflow", "numpy")


def main(arguments: Sequence[str] = ()) -> int:
    """Run the matrix, print, keep, judge."""
    cases, ways = all_cases(), all_ways()
    options = _options(arguments, list(cases), list(ways))
    chosen_cases = [cases[name] for name in options.cases or cases]
    chosen_ways = [ways[name] for name in options.ways or ways]
    found, failed = _measure(chosen_cases, chosen_ways, resume=options.resume)
    _print(chosen_cases, chosen_ways, found, failed)
    goals = goals_of(found, chosen_cases) if any(way.name == OURS for way in chosen_ways) else []
    if options.keep:
        figures = {"verdicts": [one.record() for one in found], "failed": failed}
        setting = {
            "minutes": round(sum(one.seconds for one in found) / 60, 1),
            "cases": f"{len(chosen_cases)} of {len(cases)}",
            "taken from earlier runs": options.resume,
            "ways": {way.name: way.note for way in chosen_ways},
        }
        versions = versions_of(PACKAGES)
        for way in chosen_ways:
            versions |= {f"{way.name}: {package}": number for package, number in way.peer.versions.items()}
        print(f"\nkept in benchmarks/results/{keep('cache', figures, goals, versions, setting).name}")
    return print_goals(goals)


def _options(arguments: Sequence[str], cases: list[str], ways: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks cache", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=cases, metavar="CASE", help=f"of: {'; '.join(cases)}")
    parser.add_argument("--ways", nargs="+", choices=ways, help="ours and peers; all of them when not given")
    parser.add_argument(
        "--resume", action="store_true", help="take the verdicts that earlier runs have left below .bench"
    )
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write nothing into benchmarks/results")
    return parser.parse_args(arguments)


def _measure(cases: list[Case], ways: list[Way], *, resume: bool) -> tuple[list[Verdict], dict[str, str]]:
    """All verdicts; why a way has none."""
    found: list[Verdict] = []
    failed: dict[str, str] = {}
    started, number, kept = time.monotonic(), 0, 0
    for way in ways:
        place = PLACE / "cache" / way.name.replace(" ", "-")
        notes = place.with_suffix(".json")
        own = {one.case: one for one in _noted(notes)} if resume else {}
        for case in cases:
            number += 1
            if way.name in failed:
                continue
            if case.name in own:
                kept += 1
                continue
            try:
                own[case.name] = verdict = judge(case, way, place)
            except FailedError as error:
                failed[way.name] = str(error)
                _say(f"{way.name}: {error}")
                continue
            notes.write_text(json.dumps([one.record() for one in own.values()]))
            left = (time.monotonic() - started) / (number - kept) * (len(cases) * len(ways) - number) / 60
            _say(f"{way.name}, {case.name}: {verdict.verdict}  {verdict.seen} (about {left:.0f} min left)")
        found += [own[case.name] for case in cases if case.name in own]
    return found, failed


def _noted(notes: Path) -> list[Verdict]:
    return [Verdict(**record) for record in json.loads(notes.read_text())] if notes.exists() else []


def _print(cases: list[Case], ways: list[Way], found: list[Verdict], failed: dict[str, str]) -> None:
    verdicts = {(one.case, one.way): one.verdict for one in found}
    rows: list[list[object]] = [
        [case.kind, case.name, *(verdicts.get((case.name, way.name)) for way in ways)] for case in cases
    ]
    counts = [sum(one.verdict == RIGHT for one in found if one.way == way.name) for way in ways]
    rows.append(["", "right", *(f"{count} of {len(cases)}" for count in counts)])
    print_table(("", "between the two runs", *(way.name for way in ways)), rows, left=2 + len(ways))
    print()
    for way in ways:
        print(f"  {way.name}: {way.note}{'; no verdicts: ' + failed[way.name] if way.name in failed else ''}")
    for one in found:
        if one.seen:
            print(f"  {one.way}, {one.case}: {one.verdict}: {one.seen}")


def goals_of(found: list[Verdict], cases: Sequence[Case]) -> list[Goal]:
    """What is promised of ours, for the cases that were run."""
    kinds = {case.name: case.kind for case in cases}
    promised = {
        MISS: "stale hits",
        HIT: "needless misses",
        STORED: "damaged values that are not found, or not computed again",
        TOGETHER: "steps that are not computed once",
    }
    goals = []
    for kind, what in promised.items():
        own = [one for one in found if one.way == OURS and kinds[one.case] == kind]
        if own:
            failing = [one for one in own if one.verdict not in (RIGHT, LOUD)]
            names = f" ({', '.join(f'{one.case}: {one.verdict}' for one in failing)})" if failing else ""
            goals.append(Goal(what, f"{len(failing)} in {len(own)} cases{names}", "0", not failing))
    return goals


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
