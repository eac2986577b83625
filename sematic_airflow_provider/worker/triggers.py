"""Triggers: what deferred steps wait for, in the triggerer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from sematic_airflow_provider.artifacts.digest import parse_digest, short
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import StoreError
from sematic_airflow_provider.steps import flight, records

log = logging.getLogger(__name__)

_PACE = flight.FlightPace()


class StepComputedTrigger(BaseTrigger):
    """Fires when a step that another run computes is in the cache, or nobody computes it any more, or that has taken too long.

    :param key: the step key
    :param limit: seconds after which it fires in any case
    """

    def __init__(self, key: str, limit: float = _PACE.limit) -> None:
        super().__init__()
        self.key = parse_digest(key)
        self.limit = limit

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """For the database."""
        return "sematic_airflow_provider.worker.triggers.StepComputedTrigger", {"key": self.key, "limit": self.limit}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again, more seldom with time. A store that fails for a while is asked again."""
        pause, waited = _PACE.first_look, 0.0
        while not (settled := await self._settled()) and waited < self.limit:
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, _PACE.slowest_look)
        yield TriggerEvent({"key": self.key, "overdue": not settled})

    async def _settled(self) -> bool:
        try:
            return await asyncio.to_thread(self._look, _store())
        except StoreError as error:
            log.warning("step %s: the store cannot be asked whether it is computed: %s", short(self.key), error)
            return False

    def _look(self, store: Store) -> bool:
        return records.read_entry(store, self.key) is not None or not flight.in_flight(store, self.key)


def _store() -> Store:
    from sematic_airflow_provider.worker.stores import repository

    return repository().store
