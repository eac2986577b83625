"""``airflow sematic artifacts``: what the commands are called and take. Imports nothing heavy: every ``airflow`` call reads this."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

_COMMANDS = "sematic_airflow_provider.cli.artifact_commands"
_ARTIFACT = textwrap.fill(
    "which artifact: its digest or a beginning of it that no other has, a reference in JSON, a pointer such as "
    "models/flight-delay@production, or dag_id/run_id/task_id, followed by :key where that is not return_value "
    "and by the map index in brackets for a mapped task",
    72,
)
_STATUS = "Exit status 0; 1 where something failed or was refused; 2 for wrong arguments."


def wrapped(text: str) -> str:
    """Airflow prints help as it is: lines must have an end."""
    return textwrap.fill(text, 100)


def _number(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {least:g} to {most:g}")
        return value

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}")
        return value

    return read


ARG_OUTPUT = Arg(
    ("-o", "--output"),
    help="how to print: table, json, yaml, plain (default: table)",
    default="table",
    choices=("table", "json", "yaml", "plain"),
)
ARG_ARTIFACT = Arg(("artifact",), help=_ARTIFACT)

_LS = ActionCommand(
    name="ls",
    help="List artifacts that lineage tells of, the latest first",
    description=wrapped(f"Lists artifacts that runs wrote or read, the latest first. {_STATUS}"),
    func=lazy_load_command(f"{_COMMANDS}.ls"),
    args=(
        Arg(("--dag-id",), help="only what runs of this Dag wrote"),
        Arg(("--type",), help="only types or codecs with this in their name: DataFrame, parquet, skops"),
        Arg(
            ("--name",), help="only what was written under this name (dag_id.task_id.key); * stands for any characters"
        ),
        Arg(
            ("--since",),
            help="only what was first seen since a date (2026-11-24), a time (2026-11-24T08:30, UTC) or an age (7d, 12h)",
        ),
        Arg(("--limit",), help="how many at most (default: 50)", type=_whole(1, 1_000_000), default=50),
        ARG_OUTPUT,
    ),
)
_SHOW = ActionCommand(
    name="show",
    help="Tell what is known of an artifact",
    description=wrapped(
        "Tells what an artifact is, who wrote and read it, what it consists of, which pointers name it, and whether it is stored, missing or "
        f"was deleted by a collection. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.show"),
    args=(
        ARG_ARTIFACT,
        Arg(
            ("--why",),
            help="search everything that is recorded for what needs it (reads all XComs)",
            action="store_true",
        ),
        ARG_OUTPUT,
    ),
)
_GET = ActionCommand(
    name="get",
    help="Write an artifact to a file, a folder or standard output",
    description=wrapped(
        "Writes the stored bytes, verified before they have their name; of an artifact that is a file or folder, that file or folder; of a "
        f"collection, its manifest, which names the members. Nothing is decoded: no code of the artifact runs. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.get"),
    args=(
        ARG_ARTIFACT,
        Arg(
            ("-o", "--path"),
            help="where to write; in an existing folder, under a name of its own (default: - for standard output)",
        ),
        Arg(("--force",), help="replace a file that is there; folders are never replaced", action="store_true"),
    ),
)
_PUT = ActionCommand(
    name="put",
    help="Store a file, a folder or standard input",
    description=wrapped(
        "Stores a file or folder as it is, or as the value that a file holds, and prints the reference. What no run and no pointer names is "
        f"garbage: name it with --pointer, or use it in a run soon. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.put"),
    args=(
        Arg(("path",), help="the file or folder; - for standard input"),
        Arg(
            ("--as",),
            help="what a step that loads it gets: a path (file, the default), or the value in a file of this format",
            dest="form",
            choices=("file", "bytes", "text", "json", "npy", "parquet"),
            default="file",
        ),
        Arg(("--pointer",), help="let this pointer name it, such as data/holidays@current"),
        ARG_OUTPUT,
    ),
)
_POINT = ActionCommand(
    name="point",
    help="Let a pointer name an artifact; list pointers; forget one",
    description=wrapped(
        "Without arguments, lists all pointers. With a pointer, shows what it names now and named before. With a pointer and an artifact, lets "
        f"it name that artifact from now on. What a pointer names is kept by every collection. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.point"),
    args=(
        Arg(("pointer",), help="a name, @ and a label: models/flight-delay@production", nargs="?"),
        Arg(("artifact",), help=_ARTIFACT, nargs="?"),
        Arg(("--forget",), help="forget the pointer", action="store_true"),
        ARG_OUTPUT,
    ),
)
_VERIFY = ActionCommand(
    name="verify",
    help="Read and hash artifacts, and find what is missing",
    description=wrapped(
        "Verifies artifacts with all that they consist of; with --all, every blob in the store, and that everything recorded is there. Prints "
        "what is missing, corrupted or unreadable; what a collection deleted is told and is no damage. Exit status 0 when all is whole; 1 when something "
        "is not, or the store failed; 2 for wrong arguments."
    ),
    func=lazy_load_command(f"{_COMMANDS}.verify"),
    args=(
        Arg(("artifacts",), help=_ARTIFACT, nargs="*"),
        Arg(("--all",), help="everything in the store, and everything that is recorded", action="store_true"),
        Arg(
            ("--sample",),
            help="with --all: read only so many percent of the blobs, others each time",
            type=_number(0, 100),
            default=100.0,
        ),
        Arg(
            ("--resume",),
            help="with --all: a file that keeps how far this has come; given again after an interruption, it goes on from there",
        ),
        Arg(
            ("--jobs",),
            help="how many blobs to read at a time; each may be in memory as a whole (default: 4)",
            type=_whole(1, 64),
            default=4,
        ),
        ARG_OUTPUT,
    ),
)
_GC = ActionCommand(
    name="gc",
    help="Tell what nothing needs, and delete it with --delete",
    description=wrapped(
        "Finds what no XCom, asset event, lineage of a kept run, pointer, waiting event or running task needs. Deletes nothing unless --delete "
        "is given. Safe while tasks run. Without --keep-days and --keep-last, everything that is recorded is kept. A run that has not ended is always kept, "
        f"and so is what pointers name, with the runs that it came from. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.gc"),
    args=(
        Arg(("--delete",), help="delete; without it this is a dry run", action="store_true"),
        Arg(("--keep-days",), help="let go of runs that ended more than so many days ago", type=_number(0, 100_000)),
        Arg(
            ("--keep-last",),
            help="let go of all but so many latest runs of each Dag; with --keep-days, of those that neither keeps",
            type=_whole(0, 10**9),
        ),
        Arg(("--dag-id",), help="let go of runs of this Dag only; may be given several times", action="append"),
        Arg(
            ("--grace-hours",),
            help="keep what was written, or found by a put, within so many hours, 24 at least (default: 48)",
            type=_number(24, 1_000_000),
            default=48.0,
        ),
        Arg(
            ("--by",),
            help="how to group what goes: codec, dag, type (default: codec)",
            choices=("codec", "dag", "type"),
            default="codec",
        ),
        Arg(
            ("--opaque-codec",),
            help="a codec that is not installed here, and whose artifacts refer to no others; may be given several times",
            action="append",
        ),
        Arg(
            ("--forget-owner",),
            help="the id of an Airflow that does not use this store any more, as the refusal tells it",
        ),
        ARG_OUTPUT,
    ),
)
_DU = ActionCommand(
    name="du",
    help="Tell what artifacts take, and what storing equal bytes once saves",
    description=wrapped(
        "For each group: artifacts, how often they were written, what all these writes would take if each was stored for itself (written), what "
        f"their blobs take (stored; shared ones count in each group), and the difference (saved). Reads all manifests. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.du"),
    args=(
        Arg(
            ("--by",),
            help="group by dag, type, codec or name (default: dag)",
            choices=("dag", "type", "codec", "name"),
            default="dag",
        ),
        ARG_OUTPUT,
    ),
)

ARTIFACTS = GroupCommand(
    name="artifacts",
    help="Look at, fetch, verify, keep and collect artifacts",
    subcommands=[_LS, _SHOW, _GET, _PUT, _POINT, _VERIFY, _GC, _DU],
)
