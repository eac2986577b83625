"""``python -m sematic_airflow_provider.cli``: the commands of ``airflow sematic`` where Airflow (before 3.2) does not take commands from providers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sematic_airflow_provider.cli.definition import get_cli_commands


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    (group,) = get_cli_commands()
    parser = argparse.ArgumentParser(prog="python -m sematic_airflow_provider.cli", description=group.help)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in group.subcommands:
        described = commands.add_parser(command.name, help=command.help, description=command.description)
        for argument in command.args:
            argument.add_to_parser(described)
        described.set_defaults(func=command.func)
    options = parser.parse_args(arguments)
    options.func(options)


if __name__ == "__main__":
    main()
