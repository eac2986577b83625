"""``airflow sematic``: what the commands are called and take. Imports nothing heavy: every ``airflow`` call reads this."""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

from sematic_airflow_provider.cli.artifact_definition import ARG_OUTPUT, ARTIFACTS
from sematic_airflow_provider.cli.audit_definition import AUDIT
from sematic_airflow_provider.cli.cache_definition import CACHE
from sematic_airflow_provider.cli.lineage_definition import LINEAGE

_COMMANDS = "sematic_airflow_provider.cli.commands"

ARG_RUN = Arg(("run",), help="a Dag run id, or the id of one run as the Lineage tab shows it")
ARG_DAG = Arg(("--dag-id",), help="the Dag, where several have a run of that id")
ARG_TASK = Arg(("--task-id",), help="only this task's steps", action="append")

ARG_SHOW = Arg(("--show",), help="deliver nothing, tell how many wait where, and since when", action="store_true")
ARG_POST = Arg(("--post",), help="post them to the API server, on a machine that has no database", action="store_true")
ARG_REJECTED = Arg(("--rejected",), help="also try those again that were rejected", action="store_true")
ARG_WATCH = Arg(("--watch",), help="do so again every so many seconds, until Ctrl-C", type=float, metavar="SECONDS")


def get_cli_commands() -> list[GroupCommand]:
    """The command group of this provider."""
    return [
        GroupCommand(
            name="sematic",
            help="Artifacts, lineage and reproducible runs",
            subcommands=[
                ActionCommand(
                    name="doctor",
                    help="Check the whole set-up and say how to mend it",
                    description="Checks the XCom backend, the OpenLineage transport, the store, the lineage tables, the UI bundle and "
                    "versions. Prints a table with a fix for each finding. Exit status 1 when something must be mended.",
                    func=lazy_load_command(f"{_COMMANDS}.doctor"),
                    args=(ARG_OUTPUT,),
                ),
                ActionCommand(
                    name="reproduce",
                    help="Run a past run's steps again and compare the outputs",
                    description="Re-executes each step of a run from its recorded code and inputs in the present environment, one process a "
                    "step, and says for each output whether it is identical. Nothing of the run itself changes. Exit status 0: all identical.",
                    func=lazy_load_command(f"{_COMMANDS}.reproduce"),
                    args=(ARG_RUN, ARG_DAG, ARG_TASK, ARG_OUTPUT),
                ),
                ActionCommand(
                    name="drain",
                    help="Deliver the lineage events that wait on this machine and in the store",
                    description="Takes them into the lineage tables. Tasks and the API server do this by themselves, the latter every [sematic] "
                    "drain_interval seconds. Exit status 1 where a place could not be drained.",
                    func=lazy_load_command(f"{_COMMANDS}.drain"),
                    args=(ARG_SHOW, ARG_POST, ARG_REJECTED, ARG_WATCH, ARG_OUTPUT),
                ),
                ARTIFACTS,
                CACHE,
                LINEAGE,
                AUDIT,
            ],
        )
    ]
