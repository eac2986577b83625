"""The API server removes the events of old runs by itself, where ``[sematic] lineage_keep_days`` says so."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from typing import Final

from fastapi.concurrency import run_in_threadpool

from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.db.part_sweep import Swept, sweep_parts
from sematic_airflow_provider.db.retention import Policy, Pruned, prune
from sematic_airflow_provider.db.roots import behind_pointers
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import first_line
from sematic_airflow_provider.settings import load_settings

log = logging.getLogger(__name__)

_PAUSE: Final = 6 * 3600.0
_FIRST: Final = 600.0


async def keep_retention() -> None:
    """Let go of what is too old, a few times a day, until the option is 0. Nothing that goes wrong ends this.

    Servers do so at moments that chance picks; of two at once, one finds that the other has done it.
    """
    pause = _FIRST
    while True:
        try:
            if load_settings().lineage_keep_days == 0:
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause = _PAUSE
            done, swept = await run_in_threadpool(let_go, load_settings().lineage_keep_days)
            if done.runs or swept.parts:
                log.info("lineage: the events of %d old runs are removed, and %d parts", done.runs, swept.parts)
        except Exception as error:  # noqa: BLE001 - an edge: the next round does what this one could not
            log.warning("old lineage events cannot be removed now: %s", first_line(error))
            await asyncio.sleep(pause)


def let_go(keep_days: int) -> tuple[Pruned, Swept]:
    """Remove what is older once."""
    policy = Policy(keep_days, "the API server", behind_pointers(configured_store()))
    with lineage_session() as session:
        done = prune(session, policy)
        before = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=keep_days)
        return done, sweep_parts(session, before.date())
