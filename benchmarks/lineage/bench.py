"""What lineage costs: events taken in, questions answered, bytes kept, and what a task waits for.

Cases: `ingest` (straight into the store), `http` (over HTTP into Airflow's API server, one process: in batches of 100, and one by one), `queries` (graphs of
500 nodes, first pages of all lists and searches, over HTTP), `curve` (cost of an event and of a question at a hundredth, a tenth and all of the runs), `disk`
(bytes an event), `sqlite` (the store of a tenth, in SQLite), `emit` (what `emit` of the transport blocks, with a live server and with a dead one).

PostgreSQL runs on this machine with fsync. At scale 1 the store has 1,000,000 runs and 5,000,000 edges. Filled databases stay below `.bench/lineage` for
the next run; `--clean` removes them afterwards.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence

from benchmarks.lineage.cases import ALL, Cases
from benchmarks.lineage.curve import drawing
from benchmarks.lineage.load import BATCH
from benchmarks.lineage.report import HEADERS, Report
from benchmarks.lineage.server import SETTINGS, Servers
from benchmarks.reporting import RESULTS, keep, print_goals, print_table, versions_of

PACKAGES = (
    "sematic-airflow-provider",
    "apache-airflow",
    "sqlalchemy",
    "psycopg2-binary",
    "fastapi",
    "uvicorn",
    "openlineage-python",
)
CURVE = RESULTS.parents[1] / "docs" / "images" / "lineage-curve.svg"


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print, keep, judge."""
    options = _options(arguments)
    started, report = time.monotonic(), Report()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped then too
    servers = Servers()
    try:
        cases = Cases(servers, report, options.scale, options.samples)
        for name, case in ALL.items():
            if name in options.cases:
                case(cases, options.marquez) if name == "http" else case(cases)
        versions = versions_of(PACKAGES) | {"PostgreSQL": servers.version()}
    finally:
        servers.stop()
    if options.clean:
        shutil.rmtree(servers.folder)
    print_table(HEADERS, report.rows)
    for note in report.notes:
        print(note)
    if options.keep:
        minutes = round((time.monotonic() - started) / 60, 1)
        world = {"dags": cases.world.dags, "days": cases.days}
        setting = {
            "scale": options.scale,
            "cases": options.cases,
            "batch": BATCH,
            **world,
            "minutes": minutes,
            "postgresql": SETTINGS,
        }
        path = keep("lineage", report.figures | {"notes": report.notes}, report.goals, versions, setting)
        if "curve" in report.figures and options.scale >= 1:
            CURVE.parent.mkdir(exist_ok=True)
            CURVE.write_text(drawing(report.figures["curve"]))
        print(f"\nkept in benchmarks/results/{path.name}")
    return print_goals(report.goals)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks lineage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=list(ALL), default=list(ALL))
    parser.add_argument("--scale", type=float, default=1.0, help="1: a million runs; less: fewer Dags and days")
    parser.add_argument("--samples", type=int, default=100, help="answers to each question")
    parser.add_argument("--marquez", metavar="URL", help="post the events to this server of Marquez too")
    parser.add_argument("--clean", action="store_true", help="keep no databases")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write nothing into benchmarks/results")
    return parser.parse_args(arguments)
