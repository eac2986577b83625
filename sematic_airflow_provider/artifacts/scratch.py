"""Scratch: where files and folders that steps read are unpacked, until the step is done."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Scratch:
    """Folders that are deleted by ``clear``, at the latest when the process ends in order."""

    def __init__(self, parent: str | None = None) -> None:
        self._parent = parent
        self._root: Path | None = None
        self._finalizer: weakref.finalize[..., Scratch] | None = None

    def folder(self) -> Path:
        """A new, empty folder.

        Raises:
            OSError: the disk is full, or the parent not there.
        """
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="sematic-", dir=self._parent))
            self._finalizer = weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix="", dir=self._root))

    def clear(self) -> None:
        """Delete all folders that were given out."""
        if self._finalizer is not None:
            self._finalizer()
            self._root, self._finalizer = None, None
