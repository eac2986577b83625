"""``airflow sematic cache``: what the commands are called and take. Imports nothing heavy: every ``airflow`` call reads this."""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

from sematic_airflow_provider.cli.artifact_definition import ARG_OUTPUT, wrapped

_COMMANDS = "sematic_airflow_provider.cli.cache_commands"
_STATUS = "Exit status 0; 1 where something failed or was refused; 2 for wrong arguments."


def _whole(text: str) -> int:
    return int(text)


_SELECTION = (
    Arg(("--dag-id",), help="only what steps of this Dag have computed"),
    Arg(("--task-id",), help="only what this task has computed"),
    Arg(
        ("--namespace",),
        help="only what was computed in this namespace of CachePolicy; '' is that of steps that name none",
    ),
    Arg(
        ("--older-than",),
        help="only what was computed before an age (7d, 12h), a date (2026-11-24) or a time (2026-11-24T08:30, UTC)",
    ),
)

_EXPLAIN = ActionCommand(
    name="explain",
    help="Tell why a task had a cache hit or miss",
    description=wrapped(
        "Tells what the cache had for a task in its latest run, or in the run that is named, by its lineage: hit, miss, off or refreshed (a person "
        "cleared it), why, who had computed it, and which parts of its key were not what they had been when the task last ran. Where lineage has nothing, "
        f"it tells what the store has. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.explain"),
    args=(
        Arg(("dag_id",), help="the Dag"),
        Arg(("task_id",), help="the task"),
        Arg(("--run",), help="a Dag run id (default: the latest that lineage tells of)"),
        Arg(("--map-index",), help="which instance of a mapped task", type=_whole),
        Arg(("--parts",), help="also print all parts of the key", action="store_true"),
        ARG_OUTPUT,
    ),
)
_LS = ActionCommand(
    name="ls",
    help="List cached results, the latest first",
    description=wrapped(f"Lists what the cache has, the latest first. {_STATUS}"),
    func=lazy_load_command(f"{_COMMANDS}.ls"),
    args=(*_SELECTION, Arg(("--limit",), help="how many at most (default: 50)", type=_whole, default=50), ARG_OUTPUT),
)
_EXPIRE = ActionCommand(
    name="expire",
    help="Let cached results expire now",
    description=wrapped(
        "From now on these results are not used: steps that need them are computed again. Their outputs go with a collection, an hour later at the "
        f"earliest, where nothing else needs them. At least one of the options that select, or --all, must be given. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.expire"),
    args=(*_SELECTION, Arg(("--all",), help="all that there is", action="store_true"), ARG_OUTPUT),
)
_PURGE = ActionCommand(
    name="purge",
    help="Tell which cached results would be forgotten, and forget them with --delete",
    description=wrapped(
        "Deletes the records of cached results; their outputs go with the next collection (airflow sematic artifacts gc), where nothing else needs them. "
        f"Deletes nothing unless --delete is given. {_STATUS}"
    ),
    func=lazy_load_command(f"{_COMMANDS}.purge"),
    args=(
        *_SELECTION,
        Arg(("--delete",), help="delete; without it this is a dry run", action="store_true"),
        ARG_OUTPUT,
    ),
)

CACHE = GroupCommand(
    name="cache",
    help="Explain, list, expire and purge cached results of steps",
    subcommands=[_EXPLAIN, _LS, _EXPIRE, _PURGE],
)
