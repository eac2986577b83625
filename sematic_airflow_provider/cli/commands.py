"""The commands of ``airflow sematic``."""

from __future__ import annotations

import sys
import time
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
    """Deliver the events that wait on this machine and in the store, or tell how many do."""
    from sematic_airflow_provider.cli.delivery import drain_places, places
    from sematic_airflow_provider.settings import load_settings

    try:
        if args.show:
            print_rows([place.row() for place in places(load_settings())], args.output)
            return
        while True:
            lines, well = drain_places(load_settings(), post=args.post, rejected=args.rejected)
            print("\n".join(lines), flush=True)
            if not args.watch:
                break
            time.sleep(max(1.0, args.watch))
    except (SematicError, OSError) as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        return
    if not well:
        sys.exit(1)
