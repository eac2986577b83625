"""Writing large files so that the disk works while we still hash: by the time of fsync little is left to wait for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import BinaryIO

_STEP = 32 << 20
_START_WRITING = 2  # SYNC_FILE_RANGE_WRITE: begin, and do not wait


class WriteBehind:
    """A binary file that asks the kernel to begin with each 32 MiB as soon as they are written.

    Only advice: durability still comes from fsync, and where there is no such call (it is Linux's) nothing is different.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._written = 0
        self._begun = 0

    def write(self, data: memoryview) -> int:
        """Write all of data."""
        for start in range(0, data.nbytes, _STEP):
            step = data[start : start + _STEP]
            self._written += step.nbytes
            while step.nbytes:
                step = step[self._file.write(step) :]
            if self._written - self._begun >= _STEP:
                _begin(self._file.fileno(), self._begun, self._written - self._begun)
                self._begun = self._written
        return data.nbytes

    def flush(self) -> None:
        """Pass on to the file."""
        self._file.flush()

    @property
    def closed(self) -> bool:
        """The file's owner closes it."""
        return self._file.closed


def _begin(descriptor: int, offset: int, size: int) -> None:
    call = _sync_file_range()
    if call is not None:
        call(descriptor, offset, size, _START_WRITING)  # what it returns does not matter: fsync reports failures


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    import ctypes

    try:
        call = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call
