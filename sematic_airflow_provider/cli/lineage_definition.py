"""``airflow sematic lineage``: what the commands are called and take. Imports nothing heavy: every ``airflow`` call reads this."""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

from sematic_airflow_provider.cli.artifact_definition import ARG_OUTPUT, wrapped
from sematic_airflow_provider.cli.lineage_export_definition import EXPORT, REPORT

_COMMANDS = "sematic_airflow_provider.cli"


_RECONCILE = ActionCommand(
    name="reconcile",
    help="Take from Airflow's record how runs ended that did not tell",
    description=wrapped(
        "Looks at every Dag run since a time and makes events of what lineage was not told: the ends of tasks whose processes were killed, and tasks that "
        "were skipped, had nothing to execute, or were set to a state by a person. The API server does this by itself for what changes, every "
        "[sematic] reconcile_interval seconds; this is for what is older, or where that is switched off. Doing it again changes nothing. Exit status 0; 1 "
        "where a database refused."
    ),
    func=lazy_load_command(f"{_COMMANDS}.lineage_reconcile.reconcile"),
    args=(
        Arg(
            ("--since",),
            help="how far back: an age (7d, 12h), a date (2026-11-24) or a time (2026-11-24T08:30, UTC); default: 7d",
            default="7d",
        ),
        Arg(("--dag-id",), help="only runs of this Dag"),
    ),
)

_REBUILD = ActionCommand(
    name="rebuild",
    help="Make the lineage tables anew from the log of events",
    description=wrapped(
        "Replays the log, event by event, into the tables that graphs and pages are made of. Where they were damaged, or a version of this package had "
        "an error, they are right afterwards; else nothing changes. Events may come in meanwhile. It may be stopped at any time, and tells how to go on. "
        "Exit status 0; 1 where a database refused."
    ),
    func=lazy_load_command(f"{_COMMANDS}.lineage_rebuild.rebuild"),
    args=(
        Arg(
            ("--since",),
            help="only events received since an age (7d, 12h), a date (2026-11-24) or a time (2026-11-24T08:30, UTC)",
        ),
        Arg(("--run",), help="only this run, by its id as the Lineage tab shows it"),
        Arg(("--after",), help="go on with a rebuild that was stopped, as it told", type=int, default=0),
    ),
)

_PRUNE = ActionCommand(
    name="prune",
    help="Remove the events of runs that ended long ago; the runs stay",
    description=wrapped(
        "Removes from the log the events of runs that ended more than N days ago, and keeps of each run its state, times, reads, writes and main facts. Runs "
        "that what pointers name came from keep theirs. The hash chain stays whole: what was removed, by which policy and by whom, is an entry of the log. "
        "The API server does this by itself where [sematic] lineage_keep_days is set. Events may come in meanwhile. Exit status 0; 1 where something failed."
    ),
    func=lazy_load_command(f"{_COMMANDS}.lineage_prune.prune"),
    args=(
        Arg(("--keep-days",), help="days that events are kept (default: [sematic] lineage_keep_days)", type=float),
        Arg(("--dry-run",), help="remove nothing, tell how many would go", action="store_true"),
        ARG_OUTPUT,
    ),
)

LINEAGE = GroupCommand(
    name="lineage",
    help="Export lineage, and keep its tables complete and in order",
    subcommands=[EXPORT, REPORT, _RECONCILE, _REBUILD, _PRUNE],
)
