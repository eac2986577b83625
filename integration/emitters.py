"""A process that emits events by our transport for a while, as tasks do: ``python -m integration.emitters NAME SECONDS PAUSE FILE``.

Each event that was accepted is then written to the file, with the seconds that its emission took. Ends early, in order, on SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from openlineage.client.serde import Serde

from sematic_airflow_provider.worker.transport import SematicConfig, SematicTransport
from tests.events import pipeline

_FORKED = 10
"""Of so many events one is emitted by a child, which ends at once, as the OpenLineage provider does with all."""


def _events(name: str) -> Iterator[dict[str, Any]]:
    number = 0
    while True:
        yield from pipeline(dag_id=f"load-{name}", dag_run_id=f"run{number}", seed=str(number % 3))
        number += 1


def _emit_in_child(transport: SematicTransport, event: dict[str, Any]) -> bool:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            transport.emit(event)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(name: str, seconds: float, pause: float, path: str) -> None:
    """Emit until the time is over."""
    going = True

    def end(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, end)
    transport = SematicTransport(SematicConfig())
    until = time.monotonic() + seconds
    with open(path, "a", encoding="utf-8") as accepted:
        for number, event in enumerate(_events(name)):
            if not going or time.monotonic() > until:
                return
            started = time.perf_counter()
            if number % _FORKED:
                transport.emit(event)
            elif not _emit_in_child(transport, event):
                raise SystemExit("an event was not accepted")
            took = time.perf_counter() - started
            accepted.write(json.dumps({"event": json.loads(Serde.to_json(event)), "seconds": took}) + "\n")
            accepted.flush()
            time.sleep(pause)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
