"""The commands of ``airflow sematic``."""

from __future__ import annotations

import sys
from argparse import Namespace

from sematic_airflow_provider.cli.printing import note, print_rows
from sematic_airflow_provider.cli.server_side import server_side
from sematic_airflow_provider.errors import SematicError


@server_side
def doctor(args: Namespace) -> None:
    """Check the whole set-up."""
    from sematic_airflow_provider.cli.doctor import examine

    findings = examine()
    print_rows([finding.row() for finding in findings], args.output)
    if any(finding.state == "error" for finding in findings):
        sys.exit(1)


@server_side
def reproduce(args: Namespace) -> None:
    """Run the steps of a past run again and compare."""
    from sematic_airflow_provider.cli.reproduce import reproduce_run

    try:
        outcomes = reproduce_run(args.run, dag_id=args.dag_id, task_ids=args.task_id, progress=note)
    except SematicError as error:
        raise SystemExit(str(error)) from error
    print_rows([outcome.row() for outcome in outcomes], args.output)
    if any(outcome.verdict != "identical" for outcome in outcomes):
        sys.exit(1)


@server_side
def drain(args: Namespace) -> None:
    """Deliver the events that wait in the store."""
    from sematic_airflow_provider.configured_store import configured_store
    from sematic_airflow_provider.db.spool import drain as drain_spool

    try:
        print(drain_spool(configured_store()))
    except SematicError as error:
        raise SystemExit(str(error)) from error
