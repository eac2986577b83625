"""Samples of large contents: has something like this been stored before?

A content is hashed before it is written, so that what is stored already is not written again. For a large one that is new, this pass over it is in
vain. So a folder remembers a sample of each large content that it has stored: where the sample of another is not among them, it is new, and is hashed
while it is written. The answer is only a guess of which way is quicker; whether a blob is stored is still told by its digest.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from sematic_airflow_provider.artifacts.content import Content

FOLDER = "samples"
_PIECES = 64
_PIECE = 4096
_KEPT = 90 * 24 * 3600.0
_FRESH = 24 * 3600.0


def sample_of(content: Content) -> str:
    """A digest of the size and of 64 pieces of 4 KiB, from the first to the last."""
    digest = hashlib.sha256(str(content.size).encode())
    step = max(1, (content.size - _PIECE) // (_PIECES - 1))
    for number in range(_PIECES):
        digest.update(content.view(min(number * step, max(0, content.size - _PIECE)), _PIECE))
    return digest.hexdigest()


class Samples:
    """The samples that a folder remembers, as empty files. Losing them costs time and nothing else, so none is synced and no failure is told."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    def seen(self, sample: str) -> bool:
        """Whether a content with this sample has been stored."""
        path = self._path(sample)
        try:
            if time.time() - path.stat().st_mtime > _FRESH:
                with suppress(OSError):
                    os.utime(path)
        except OSError:
            return False
        return True

    def remember(self, sample: str) -> None:
        """From now on this one is seen."""
        path = self._path(sample)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def tidy(self) -> None:
        """Forget those that nobody has met for 90 days."""
        before = time.time() - _KEPT
        for path in self._folder.glob("??/*"):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()

    def _path(self, sample: str) -> Path:
        return self._folder / sample[:2] / sample
