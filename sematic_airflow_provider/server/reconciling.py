"""The API server's own reconciler: now and then it takes from Airflow's record how runs ended that did not tell."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from typing import Final

from airflow.utils.session import create_session
from fastapi.concurrency import run_in_threadpool

from sematic_airflow_provider.db.reconciling import Reconciled, Reconciler
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import first_line
from sematic_airflow_provider.settings import load_settings

log = logging.getLogger(__name__)

_AFTER_TROUBLE: Final = 60


async def keep_reconciling() -> None:
    """Look again and again, until the interval is set to 0. Nothing that goes wrong ends this.

    Several servers do the same work at moments that chance picks, and make the same events.
    """
    reconciler: Reconciler | None = None
    while True:
        interval = _AFTER_TROUBLE
        try:
            interval = load_settings().reconcile_interval
            if interval == 0:
                return
            await asyncio.sleep(interval * random.uniform(0.7, 1.3))  # noqa: S311 - no secret
            if reconciler is None:
                reconciler = Reconciler(dt.timedelta(seconds=interval))
            done = await run_in_threadpool(_round, reconciler)
            if done.ended:
                log.info("lineage: %s", done)
        except Exception as error:  # noqa: BLE001 - an edge: a reconciler that ended would be missed by nobody
            log.warning("how runs ended cannot be taken from Airflow's record now: %s", first_line(error))
            await asyncio.sleep(interval)


def _round(reconciler: Reconciler) -> Reconciled:
    with create_session(scoped=False) as airflow, lineage_session() as lineage:
        return reconciler.round(airflow, lineage)
