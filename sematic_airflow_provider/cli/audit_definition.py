"""``airflow sematic audit``: what the commands are called and take. Imports nothing heavy: every ``airflow`` call reads this."""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

from sematic_airflow_provider.cli.artifact_definition import ARG_OUTPUT, wrapped

_COMMANDS = "sematic_airflow_provider.cli.auditing"


_VERIFY = ActionCommand(
    name="verify",
    help="Prove that nothing in the event log was altered, removed or inserted",
    description=wrapped(
        "Computes the hash chain over the event log again from the database, and compares each event with what was sealed, and seals with the hashes that "
        "are kept in the store and given here. Names the first broken entry and counts all. Texts that retention removed are told apart from those that "
        "somebody else did. Exit status 0 where all is whole; 1 where something is broken, or could not be verified; 2 for wrong arguments."
    ),
    func=lazy_load_command(f"{_COMMANDS}.verify"),
    args=(
        Arg(
            ("--since",),
            help="look at events from this seal on only; the chain of hashes is verified whole all the same",
            type=int,
            default=1,
            metavar="NUMBER",
        ),
        Arg(
            ("--anchor",),
            help="a seal and its hash as airflow sematic audit head printed them some day; may be given several times",
            action="append",
            metavar="NUMBER:HASH",
        ),
        Arg(
            ("--without-store",), help="do not compare with the hashes that are kept in the store", action="store_true"
        ),
        Arg(
            ("--projection",),
            help="also compare the tables that graphs and pages are made of with what the events say",
            action="store_true",
        ),
        Arg(
            ("--sample",),
            help="with --projection: percent of the runs to compare, picked by chance (default: 100)",
            type=float,
            default=100.0,
        ),
        ARG_OUTPUT,
    ),
)

_HEAD = ActionCommand(
    name="head",
    help="Print number and hash of the last seal, to be kept elsewhere",
    description=wrapped(
        "Seals what waits, and prints the last seal: NUMBER:HASH. Kept where nobody who can write the database can write (in a ticket, a signed mail, another "
        "team's storage), it proves later, by airflow sematic audit verify --anchor, that nothing up to it was altered. Exit status 0; 1 where nothing is "
        "sealed yet."
    ),
    func=lazy_load_command(f"{_COMMANDS}.head"),
    args=(ARG_OUTPUT,),
)

AUDIT = GroupCommand(name="audit", help="Verify the log of lineage events", subcommands=[_VERIFY, _HEAD])
