"""``airflow sematic lineage export`` and ``report``: what they take. Imports nothing heavy: every ``airflow`` call reads this."""

from __future__ import annotations

import textwrap

from airflow.cli.cli_config import ActionCommand, Arg, lazy_load_command

_COMMANDS = "sematic_airflow_provider.cli.lineage_export"
_WHAT = Arg(
    ("what",),
    help=textwrap.fill(
        "a Dag run (dag_id/run_id), a run (its id as the Lineage tab shows it), an artifact as in artifacts show (digest, pointer, "
        "dag_id/run_id/task_id), or the id of any node of a graph (dataset:…)",
        72,
    ),
)
_FILE = Arg(("-o", "--output"), help="the file to write; - for standard output", required=True, metavar="FILE")
_FORCE = Arg(("--force",), help="replace a file that is there", action="store_true")
_DEPTH = Arg(("--depth",), help="edges to follow from the start (default: 20)", type=int, default=20)
_MAX_NODES = Arg(("--max-nodes",), help="how many nodes at most (default: 2000)", type=int, default=2000)
_WAYS = ("both", "upstream", "downstream")


def _direction(default: str) -> Arg:
    return Arg(("--direction",), help=f"which way to follow (default: {default})", choices=_WAYS, default=default)


EXPORT = ActionCommand(
    name="export",
    help="Write a part of the lineage as OpenLineage, PROV-JSON, RO-Crate or a picture",
    description=textwrap.fill(
        "Writes what is around a run, a Dag run, an artifact or a data set. openlineage: the events, one a line, as they came in. prov-json: W3C PROV. "
        "ro-crate: a zip (or a folder, where FILE does not end with .zip) after the profiles Process Run Crate and Workflow Run Crate, with sources, and "
        "previews or contents of artifacts when asked. Exit status 0; 1 where something failed or was refused.",
        100,
    ),
    func=lazy_load_command(f"{_COMMANDS}.export_lineage"),
    args=(
        _WHAT,
        Arg(
            ("--format",),
            help="in which form",
            choices=("openlineage", "prov-json", "ro-crate", "svg"),
            required=True,
        ),
        _FILE,
        _direction("both"),
        _DEPTH,
        _MAX_NODES,
        Arg(
            ("--files",),
            help="of ro-crate: also how artifacts look (previews), or that and what they are (contents) (default: none)",
            choices=("none", "previews", "contents"),
            default="none",
        ),
        Arg(
            ("--largest",),
            help="with --files contents: only artifacts of so many MB (default: 10)",
            type=float,
            default=10,
        ),
        _FORCE,
    ),
)
REPORT = ActionCommand(
    name="report",
    help="Write how a model, a prediction or a run came about, for people, as one HTML file",
    description=textwrap.fill(
        "Tells of data, code, checks, environment, hardware and people that a model, a prediction or any other artifact, or a run, came from. The file needs "
        "nothing else: no scripts, no network. Exit status 0; 1 where something failed or was refused.",
        100,
    ),
    func=lazy_load_command(f"{_COMMANDS}.write_report"),
    args=(_WHAT, _FILE, _direction("upstream"), _DEPTH, _MAX_NODES, _FORCE),
)
