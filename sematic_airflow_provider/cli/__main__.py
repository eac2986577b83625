"""``python -m sematic_airflow_provider.cli``: the commands of ``airflow sematic`` where Airflow (before 3.2) does not take commands from providers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow.cli.cli_config import GroupCommand

from sematic_airflow_provider.cli.definition import get_cli_commands


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    (group,) = get_cli_commands()
    parser = argparse.ArgumentParser(prog="python -m sematic_airflow_provider.cli", description=group.help)
    _add(parser, group)
    options = parser.parse_args(arguments)
    options.func(options)


def _add(parser: argparse.ArgumentParser, group: GroupCommand) -> None:
    """Add the commands of a group, and of the groups in it."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in group.subcommands:
        described = commands.add_parser(
            command.name,
            help=command.help,
            description=command.description or command.help,
            epilog=command.epilog,
            formatter_class=argparse.RawTextHelpFormatter,
        )
        if isinstance(command, GroupCommand):
            _add(described, command)
            continue
        for argument in command.args:
            argument.add_to_parser(described)
        described.set_defaults(func=command.func)


if __name__ == "__main__":
    main()
