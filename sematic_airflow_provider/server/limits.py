"""How much a poster may send: a token bucket each, in this process.

Who sends more is told to come again later by 503: OpenLineage's clients try that again, and drop an event that is answered by 429.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from fastapi import HTTPException

_POSTERS: Final = 10_000  # whose buckets are kept
_BURST_SECONDS: Final = 10
_NOTHING: Final = 1e-6  # seconds


class Buckets:
    """A bucket for each poster: it holds what may be sent in ten seconds, and fills again while it is not used."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()  # by poster: tokens, and when

    def take(self, poster: str, count: int, rate: int) -> float:
        """Take tokens for so many events; gives the seconds to wait where there are not enough, and takes none then.

        A single request may be larger than a bucket: it is let through when the bucket is full.
        """
        if rate <= 0 or count <= 0:
            return 0.0
        most = float(rate * _BURST_SECONDS)
        now = self._clock()
        with self._lock:
            tokens, at = self._filled.pop(poster, (most, now))
            tokens = min(most, tokens + (now - at) * rate)
            wait = max(0.0, (min(float(count), most) - tokens) / rate)
            wait = wait if wait > _NOTHING else 0.0
            self._filled[poster] = (tokens if wait else tokens - count, now)
            while len(self._filled) > _POSTERS:
                self._filled.popitem(last=False)
        return wait


_BUCKETS: Final = Buckets()


def check_rate(poster: str, count: int, rate: int, buckets: Buckets = _BUCKETS) -> None:
    """Let so many events of a poster pass.

    Raises:
        HTTPException: 503, with ``Retry-After``.
    """
    wait = buckets.take(poster, count, rate)
    if wait:
        raise HTTPException(
            503,
            f"more than {rate} events a second of one poster ([sematic] lineage_rate_limit): try again in {math.ceil(wait)} s",
            headers={"Retry-After": str(math.ceil(wait))},
        )
