"""The API server's own sealer: what came in is sealed within about a second, and a hash of the chain left in the store now and then."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from fastapi.concurrency import run_in_threadpool

from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.db.anchors import Anchors
from sematic_airflow_provider.db.seals import head, seal
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import first_line

log = logging.getLogger(__name__)

_PAUSE: Final = 1.0
_AFTER_TROUBLE: Final = 30.0
_ANCHORS: Final = 60.0
"""Seconds between two looks whether it is time for an anchor."""


async def keep_sealing() -> None:
    """Seal again and again. Nothing that goes wrong ends this."""
    sealer = Sealer()
    while True:
        pause = _PAUSE
        try:
            await run_in_threadpool(sealer.round)
        except Exception as error:  # noqa: BLE001 - an edge: a sealer that ended would be missed by nobody until somebody verifies
            log.warning("lineage events cannot be sealed now, they wait: %s", first_line(error))
            pause = _AFTER_TROUBLE
        await asyncio.sleep(pause)


class Sealer:
    """Seals, and leaves anchors; a process has one."""

    def __init__(self) -> None:
        self._anchors: Anchors | None = None
        self._looked = float("-inf")

    def round(self) -> None:
        """Seal what waits, and leave an anchor where it is time to."""
        with lineage_session() as session:
            seal(session)
            if time.monotonic() - self._looked < _ANCHORS:
                return
            last = head(session)
        if last is None:
            return
        self._looked = time.monotonic()
        try:
            self._anchors = self._anchors or Anchors(configured_store())
            self._anchors.leave(last)
        except Exception as error:  # noqa: BLE001 - sealing goes on without the store
            self._anchors = None
            log.warning("a hash of the log cannot be left in the store now: %s", first_line(error))
