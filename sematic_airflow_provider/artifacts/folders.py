"""What a look into a folder has found, remembered for as long as the folder stays as it was.

Distributions are looked for in the folders of ``sys.path``, by every process that runs a step. One that was forked has what its parent has seen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Found = TypeVar("_Found")
_SETTLED_SECONDS = 60.0
"""An installer makes a folder and then fills it, which changes the folder around it only once: what has just changed may not be complete."""


class Looks(Generic[_Found]):
    """Looks into folders by path.

    Args:
        look: what is found in a folder, and whether the folder's own time of change tells when that changes.
    """

    def __init__(self, look: Callable[[str], tuple[_Found, bool]]) -> None:
        self._look = look
        self._known: dict[str, tuple[tuple[int, int, int], _Found]] = {}

    def __call__(self, folder: str) -> _Found:
        """What is there now."""
        place = os.path.abspath(folder)
        before = _state(place)
        known = self._known.get(place)
        if known is not None and known[0] == before:
            return known[1]
        found, tells = self._look(place)
        self._known.pop(place, None)
        if tells and before is not None and time.time() - before[2] / 1e9 > _SETTLED_SECONDS:
            self._known[place] = before, found
        return found


def _state(folder: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns
