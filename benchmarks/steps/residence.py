"""Which bytes of files are in memory: after they were evicted, those that were read since, by whomever and however."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path


def evict(paths: Iterable[Path]) -> None:
    """Let go of what the system keeps in memory of these files."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def resident_bytes(paths: Iterable[Path]) -> int:
    """How many bytes of them are in memory, in whole pages."""
    return sum(_resident_pages(path) for path in paths) * mmap.PAGESIZE


def _resident_pages(path: Path) -> int:
    size = path.stat().st_size
    if size == 0:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as mapped,
    ):
        pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
        start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
        if libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), pages) != 0:
            raise OSError(ctypes.get_errno(), "mincore failed", str(path))
        return sum(page & 1 for page in bytes(pages))
