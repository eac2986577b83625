"""``lineage reconcile``: how runs ended that did not tell, by Airflow's own record."""

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from typing import Final

from sematic_airflow_provider.cli.moments import explained, moment
from sematic_airflow_provider.cli.server_side import server_side

_GRACE: Final = dt.timedelta(seconds=30)
"""What has just ended may be about to tell so."""


@server_side
def reconcile(args: Namespace) -> None:
    """Look at every Dag run since a time."""
    from airflow.utils.session import create_session

    from sematic_airflow_provider.db.reconciling import Reconciled, Reconciler
    from sematic_airflow_provider.db.sessions import lineage_session

    with explained() as progress:
        since = moment(args.since, "--since") or dt.datetime.now(dt.timezone.utc)
        done = Reconciled()
        with create_session(scoped=False) as airflow, lineage_session() as lineage:
            for one in Reconciler(_GRACE).all_since(airflow, lineage, since, args.dag_id):
                done += one
                progress("Dag runs looked at", done.dag_runs)
        progress.close()
        print(done)
