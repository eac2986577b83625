"""One pass over a spool: what waits is posted, the oldest first, until all is delivered, the time is over or the server takes no more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sematic_airflow_provider.delivery.server import Answer
from sematic_airflow_provider.delivery.spool import Spool, batches, check_whole
from sematic_airflow_provider.errors import DeliveryError, EventRejectedError

log = logging.getLogger(__name__)

BATCH: Final = 100
BATCH_BYTES: Final = 4 << 20
_SUSPECTS: Final = 8
"""How many events in a row the server must fail on before it is taken to be the server that is at fault."""


@dataclass
class Pass:
    """What a pass has done. ``stopped``: why it did not come to the end."""

    delivered: int = 0
    rejected: int = 0
    stopped: DeliveryError | None = None
    suspects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    """Events that the server failed on, with the reason; it may yet be the server's fault."""

    def __str__(self) -> str:
        text = f"{self.delivered} event{'' if self.delivered == 1 else 's'} delivered"
        return text + (f", {self.rejected} rejected" if self.rejected else "")


Post = Callable[[Sequence[bytes]], Answer]


def deliver(
    spool: Spool, post: Post, *, most: int | None = None, seconds: float | None = None, count: int = BATCH
) -> Pass:
    """Post what waits, at most this many events and for about as long. Errors of the server end the pass and are told; they are not raised.

    Raises:
        OSError, StoreError: the spool cannot be read or written.
    """
    end = None if seconds is None else time.monotonic() + seconds
    work = _Work(spool, post, end)
    for batch in batches(spool, islice(spool.waiting(), most), count, BATCH_BYTES):
        work.take(work.whole(batch))
        if work.done.stopped or work.is_late():
            break
    work.settle_suspects()
    return work.done


class _Work:
    def __init__(self, spool: Spool, post: Post, end: float | None) -> None:
        self._spool, self._post, self._end = spool, post, end
        self.done = Pass()

    def is_late(self) -> bool:
        return self._end is not None and time.monotonic() > self._end

    def whole(self, batch: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those that are not damaged; the others are put aside."""
        found: dict[str, bytes] = {}
        for name, data in batch.items():
            try:
                check_whole(name, data)
                found[name] = data
            except EventRejectedError as error:
                self._reject(name, data, str(error))
        return found

    def take(self, batch: Mapping[str, bytes]) -> None:
        """Post a batch; in halves where the server cannot take all of it, so that one bad event holds up no other."""
        names = list(batch)
        if not names or self.done.stopped or self.is_late():
            return
        try:
            answer = self._post(list(batch.values()))
        except DeliveryError as error:
            self._failed(batch, names, error)
            return
        for index, reason in answer.refused.items():
            self._reject(names[index], batch[names[index]], reason)
        for index, reason in answer.failed.items():
            self.done.suspects[names[index]] = (batch[names[index]], reason)
        stored = [name for index, name in enumerate(names) if index not in {*answer.refused, *answer.failed}]
        self._spool.remove(stored)
        self.done.delivered += len(stored)

    def settle_suspects(self) -> None:
        """Where others were taken it was not the server: these wait behind them. Else it is the server that fails."""
        if self.done.delivered:
            for name, (data, reason) in self.done.suspects.items():
                log.warning("the lineage event %s is tried again later: %s", name, reason)
                self._spool.postpone(name, data, reason)
        elif self.done.suspects and not self.done.stopped:
            self.done.stopped = DeliveryError(next(iter(self.done.suspects.values()))[1], status=500)

    def _failed(self, batch: Mapping[str, bytes], names: Sequence[str], error: DeliveryError) -> None:
        if not error.unfit and error.status != 500:
            self.done.stopped = error
        elif len(names) > 1:
            middle = len(names) // 2
            for half in (names[:middle], names[middle:]):
                self.take({name: batch[name] for name in half})
        elif error.unfit:
            self._reject(names[0], batch[names[0]], str(error))
        else:
            self.done.suspects[names[0]] = (batch[names[0]], str(error))
            if len(self.done.suspects) >= _SUSPECTS and not self.done.delivered:
                self.done.stopped = error

    def _reject(self, name: str, data: bytes, reason: str) -> None:
        self._spool.reject(name, data, reason)
        self.done.rejected += 1
