"""Python's collector of cycles, paused while events are parsed and stored.

An event is a thousand containers, and none is part of a cycle: the collector would walk them again and again, which costs more than to parse them. They are
gone when it runs again.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LONGEST: Final = 5.0  # seconds; where pauses of several threads overlap without end, it is run by hand
_lock: Final = threading.Lock()
_pauses = 0
_since = 0.0
_was_on = False


@contextmanager
def no_collections() -> Iterator[None]:
    """The collector does not run by itself meanwhile, in any thread."""
    global _pauses, _since, _was_on
    with _lock:
        _pauses += 1
        if _pauses == 1:
            _since, _was_on = time.monotonic(), gc.isenabled()
            gc.disable()
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            is_due = _pauses > 0 and time.monotonic() - _since > _LONGEST
            if is_due:
                _since = time.monotonic()
            if _pauses == 0 and _was_on:
                gc.enable()
        if is_due:
            gc.collect(1)
