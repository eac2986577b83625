"""Events that are posted one by one, taken in together: those that arrive while a transaction runs share the next one.

A transaction costs as much as several events, and a START and its COMPLETE in two at once wait for each other. Alone, an event is taken in at once, as
before; the busier the server, the more share a transaction. Each request is answered when its event is in the database for good.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.exc import DataError

from sematic_airflow_provider.lineage.events import Event

MOST: Final = 100
"""Events of one transaction."""

Store = Callable[[Sequence[Event]], Collection[str]]
"""Takes events in, all or none; gives the digests of those that were new."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """An event, and the request that waits: for the outcome, or for its turn to take in what has gathered."""

    event: Event
    woken: threading.Event = field(default_factory=threading.Event)
    new: bool | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.new is not None or self.error is not None


class Gatherer:
    """Called from many threads; one of them at a time works for all that wait."""

    def __init__(self, store: Store, most: int = MOST) -> None:
        self._store = store
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._busy = False

    def take(self, event: Event) -> bool:
        """Take an event in, with others or alone; whether it was new.

        Raises:
            Exception: what the store raised for this event, or for all, where it could take none.
        """
        own = _Waiting(event)
        with self._lock:
            self._waiting.append(own)
            leads, self._busy = not self._busy, True
        if not leads:
            own.woken.wait()
        if not own.is_done:
            self._take_those_that_wait()
        if own.error is not None:
            raise own.error
        return bool(own.new)

    def _take_those_that_wait(self) -> None:
        """The caller's own is the first of them. Then whoever waits longest is woken to go on."""
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            self._take_together(batch)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
            for one in batch:
                if not one.is_done:  # this thread is being ended
                    one.error = InterruptedError("the event was not taken in: try again")
                one.woken.set()
            if following is not None:
                following.woken.set()

    def _take_together(self, batch: Sequence[_Waiting]) -> None:
        try:
            new = set(self._store([one.event for one in batch]))
        except (DataError, ValueError) as error:
            if len(batch) == 1:
                batch[0].error = error
            else:  # one of them is what the database cannot hold: the others are taken all the same
                for one in batch:
                    self._take_together([one])
        except Exception as error:  # noqa: BLE001 - it is raised again, in the thread of each request
            for one in batch:
                one.error = error
        else:
            for one in batch:
                one.new = one.event.digest in new
                new.discard(one.event.digest)  # equal events: only one of them was new
