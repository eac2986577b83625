"""Collectors at work: documents ``gc/running/…``, by which there is only one, and by which others see how far it has looked."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import CollectionRefusedError

log = logging.getLogger(__name__)

_RUNNING = "gc/running"


@contextmanager
def alone(store: Store) -> Iterator[Callable[[], None]]:
    """Be the one collector in a store. Each writes down that it is there before it looks for others, so of two that start at once at least one goes.

    What is given says so again, and must be called before each look for what was recorded lately: others wait for that.

    Raises:
        CollectionRefusedError: another is at work.
    """
    own = f"{_RUNNING}/{uuid.uuid4().hex}.json"
    looks = count()

    def renew() -> None:
        store.write_document(own, canonical_json({"until": store.now() + 2 * store.pace.lease, "looks": next(looks)}))

    renew()
    try:
        now = store.now()
        for path in store.list_documents(_RUNNING):
            if path != own and (until := _running(store, path).until) > now:
                raise CollectionRefusedError(
                    f"another collection is at work in the store {store.url} ({path}); if it was killed, try again in {until - now:.0f} s"
                )
        yield renew
    finally:
        store.delete_document(own)


def wait_for_collector(store: Store) -> None:
    """Return once a collector that is at work has looked at what was recorded before this call, or has ended. One that was killed is waited for until
    what it wrote down runs out.
    """
    looks = {path: _running(store, path).looks for path in store.list_documents(_RUNNING)}
    told = False
    while any((now := _running(store, path)).until > store.now() and now.looks <= look for path, look in looks.items()):
        if not told:
            log.info(
                "a collection is under way in the store %s: waiting until it has seen what was recorded", store.url
            )
            told = True
        time.sleep(min(1.0, store.pace.settle / 10))


class _Running(NamedTuple):
    """What a collector has written down: how long that holds, and how often it has looked for what was recorded lately."""

    until: float
    looks: int


def _running(store: Store, path: str) -> _Running:
    try:
        record = json.loads(store.read_document(path) or b"")
        return _Running(float(record["until"]), int(record.get("looks", 0)))
    except (ValueError, KeyError, TypeError):
        return _Running(0.0, 0)
