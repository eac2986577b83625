"""The API server's own drain: now and then it takes in what waits in the store and, where it has workers beside it, on its disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from fastapi.concurrency import run_in_threadpool

from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.db.spool import Drained, drain, drain_spool
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.errors import first_line
from sematic_airflow_provider.settings import Settings, load_settings

log = logging.getLogger(__name__)

_DRAIN: Final = "draining"
_AFTER_TROUBLE: Final = 10
_LEFT_TO_TASKS: Final = 15.0
"""Seconds for which what waits on this disk is left to the process that posts it from there."""


async def keep_draining() -> None:
    """Drain again and again, until the interval is set to 0. Nothing that goes wrong ends this."""
    while True:
        interval = _AFTER_TROUBLE
        try:
            settings = load_settings()
            interval = settings.drain_interval
            if interval == 0:
                return
            await run_in_threadpool(drain_all, settings)
        except Exception as error:  # noqa: BLE001 - an edge: a drain that ended would be missed by nobody until events are
            log.warning("lineage events that wait cannot be fetched now: %s", first_line(error))
        await asyncio.sleep(interval)


def drain_all(settings: Settings) -> Drained:
    """Take in what waits on this disk and in the store; one failing does not keep the other from being drained.

    Where several processes of one API server share a disk, one of them does it for all.
    """
    done = Drained()
    folder = SpoolFolder(settings.spool_folder)
    with ExitStack() as stack:
        with suppress(OSError):  # a server without a disk of its own: then each process looks, which does no harm
            if not stack.enter_context(SpoolFolder(Path(folder.path, _DRAIN)).held()):
                return done
        places: tuple[tuple[str, Callable[[], Drained]], ...] = (
            (folder.where, lambda: drain_spool(SpoolFolder(folder.path, older_than=_LEFT_TO_TASKS))),
            ("the store", lambda: drain(configured_store(settings))),
        )
        for where, take_in in places:
            try:
                drained = take_in()
            except Exception as error:  # noqa: BLE001 - the other place may hold events too
                log.warning("lineage events that wait in %s cannot be fetched now: %s", where, first_line(error))
                continue
            if drained.delivered or drained.rejected:
                log.info("lineage events that waited in %s: %s", where, drained)
            done += drained
    return done
