"""``airflow sematic drain``: what waits, in this machine's spool folder and in the store, is delivered now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.delivery.breaker import Breaker
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.passes import deliver
from sematic_airflow_provider.delivery.server import Server
from sematic_airflow_provider.delivery.spool import Spool, StoreSpool, waits_since
from sematic_airflow_provider.errors import ConfigurationError, SematicError, first_line
from sematic_airflow_provider.settings import Settings

_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """How much waits in one place. ``since``: the moment from which the oldest does, where that is known; ``refusal``: why the server is not asked now."""

    where: str
    waiting: int
    since: dt.datetime | None
    rejected: int
    refusal: str = ""

    def row(self) -> dict[str, Any]:
        """As it is printed."""
        since = self.since.isoformat(timespec="seconds") if self.since else ""
        return {
            "place": self.where,
            "waiting": self.waiting,
            "since": since,
            "rejected": self.rejected,
            "server": self.refusal,
        }


def places(settings: Settings) -> Iterator[Place]:
    """What waits, place by place.

    Raises:
        SematicError, OSError: the place that is looked at next cannot be read.
    """
    folder = SpoolFolder(settings.spool_folder)
    yield _place(folder, Breaker(folder.path).refusal() or "")
    yield _place(StoreSpool(configured_store(settings)))


def drain_places(settings: Settings, *, post: bool = False, rejected: bool = False) -> tuple[list[str], bool]:
    """Deliver what waits on this machine and in the store; a line for each place, and whether all went well.

    Into the tables, or, where there is no database to be had, posted to the API server.
    """
    lines, well = [], True
    for where, opened in _spools(settings):
        try:
            spool = opened()
            if rejected:
                spool.restore(spool.rejected())
            lines.append(f"{where}: {_posted(settings, spool) if post else _taken_in(spool)}")
        except (SematicError, OSError, SQLAlchemyError) as error:
            lines.append(f"{where}: {first_line(error)}")
            well = False
    return lines, well


def _spools(settings: Settings) -> list[tuple[str, Callable[[], Spool]]]:
    folder = SpoolFolder(settings.spool_folder)
    return [(folder.where, lambda: folder), ("store", lambda: StoreSpool(configured_store(settings)))]


def _posted(settings: Settings, spool: Spool) -> str:
    if not (settings.lineage_url and settings.lineage_api_key):
        raise ConfigurationError(
            "lineage_api_key",
            "events cannot be posted without [sematic] lineage_api_key, and lineage_url or [api] base_url",
        )
    done = deliver(spool, Server(settings.lineage_url, settings.lineage_api_key, _TIMEOUT).post)
    if done.stopped is not None:
        raise type(done.stopped)(f"{done}, then: {done.stopped}", status=done.stopped.status)
    return str(done)


def _taken_in(spool: Spool) -> str:
    from sematic_airflow_provider.db.spool import drain, drain_spool

    return str(drain(spool.store) if isinstance(spool, StoreSpool) else drain_spool(spool))


def _place(spool: Spool, refusal: str = "") -> Place:
    count, oldest = 0, ""
    for name in spool.waiting():
        count, oldest = count + 1, oldest or name
    return Place(spool.where, count, waits_since(oldest), len(spool.rejected()), refusal)
