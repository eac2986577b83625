"""Work that may not take longer than a while, whatever it waits for: names, connections, single bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What the work gives, or raises. It goes on in a thread of its own when its time is over, and may still succeed.

    Raises:
        TimeoutError: it is not done in time.
    """
    given: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True, name="sematic-delivery")
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError(f"not done in {seconds:g} s")
    return given[0]
