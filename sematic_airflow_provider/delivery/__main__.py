"""The process that delivers what waits in a folder, so that tasks need not: ``python -m sematic_airflow_provider.delivery``, started by them.

It is told where by JSON on standard input, which nobody else can read. It ends when nothing has come for a few seconds, when the server says no, or when
that has not answered for a quarter of an hour; then the next task that has something to tell starts another. It may be killed at any moment.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Final, Literal

from sematic_airflow_provider.delivery.breaker import Breaker
from sematic_airflow_provider.delivery.folder import LOCK, SpoolFolder
from sematic_airflow_provider.delivery.passes import BATCH, deliver
from sematic_airflow_provider.delivery.server import Server
from sematic_airflow_provider.errors import DeliveryError

log = logging.getLogger("sematic_airflow_provider.delivery")

_TIMEOUT: Final = 30.0
_LINGER: Final = 5.0
_LOOK: Final = 0.05
_CLOCK_NS: Final = 40_000_000
_PATIENCE: Final = 900.0
_CONFIGURED_WRONG: Final = frozenset({401, 403, 404})


class _Deliverer:
    def __init__(self, folder: SpoolFolder, server: Server) -> None:
        self._folder, self._server = folder, server
        self._breaker = Breaker(folder.path)
        self._count = BATCH
        self._heard = time.monotonic()
        self._seen = 0

    def run(self) -> None:
        """Deliver until there is no need of us."""
        while True:
            with self._folder.held() as ours:
                if not ours or not self._work():
                    return
            if self._state() == self._seen:
                return  # else somebody left an event when we still seemed to be there

    def _work(self) -> bool:
        """True when nothing has come for a while; False to give up."""
        idle_until = time.monotonic() + _LINGER
        while self._is_wanted():
            self._seen = self._state()
            if self._folder.has_waiting():
                outcome = self._pass()
                if outcome == "ended":
                    return False
                if outcome != "nothing":
                    idle_until = time.monotonic() + _LINGER
                if outcome == "paused":
                    continue
            while self._state() == self._seen:
                if time.monotonic() > idle_until:
                    return True
                time.sleep(_LOOK)
        return False

    def _pass(self) -> Literal["moved", "nothing", "paused", "ended"]:
        """Deliver what waits now; where the server does not take it, wait too, or give up."""
        done = deliver(self._folder, self._server.post, seconds=10, count=self._count)
        if done.delivered or done.rejected:
            log.info("%s to %s", done, self._server.url)
            self._heard = time.monotonic()
        if done.stopped is None:
            self._breaker.succeeded()
            self._count = min(BATCH, self._count * 2)
            return "moved" if done.delivered or done.rejected or done.suspects else "nothing"
        self._breaker.failed(str(done.stopped), done.stopped.wait)
        log.warning("events wait in %s: %s", self._folder.where, done.stopped)
        if done.stopped.status is None:  # it may be that it takes so long to store as many
            self._count = max(1, self._count // 4)
        return "paused" if self._may_go_on(done.stopped) and self._sleep(self._breaker.pause()) else "ended"

    def _may_go_on(self, error: DeliveryError) -> bool:
        """What is configured wrong is read anew by the next process."""
        return error.status not in _CONFIGURED_WRONG and time.monotonic() - self._heard < _PATIENCE

    def _sleep(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            if not self._is_wanted():
                return False
        return True

    def _is_wanted(self) -> bool:
        """Whether the folder is still there."""
        return (self._folder.path / LOCK).exists()

    def _state(self) -> int:
        """Another number when the folder has changed. A change of just now may hide a second one, by the clock of the file system: it never counts as seen."""
        with suppress(OSError):
            changed = os.stat(self._folder.path).st_mtime_ns
            return changed if time.time_ns() - changed > _CLOCK_NS else -time.monotonic_ns()
        return 0


def main() -> None:
    """Deliver for who started us."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    with suppress(OSError):
        os.nice(5)
    told = json.load(sys.stdin)
    _Deliverer(SpoolFolder(told["folder"]), Server(told["url"], told["key"], _TIMEOUT)).run()


if __name__ == "__main__":
    main()
