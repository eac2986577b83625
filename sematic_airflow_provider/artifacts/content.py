"""Content: bytes to store. Of known size and readable as often as asked: they are hashed before anything is written, sent in parallel, and sent again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import accumulate
from typing import IO, BinaryIO, Protocol

from sematic_airflow_provider.artifacts.digest import Digest

BLOCK = 8 << 20
_IN_MEMORY = 32 << 20

Piece = bytes | bytearray | memoryview


class Content(Protocol):
    """What a store takes."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def view(self, start: int, size: int) -> memoryview:
        """These bytes, in one piece; a copy only where they do not lie in one piece. Safe to call from several threads."""


class Buffers:
    """Bytes that are in memory, in any number of pieces."""

    borders: Sequence[int] = ()

    def __init__(self, *pieces: Piece) -> None:
        self._pieces = [memoryview(piece).cast("B") for piece in pieces]
        self._ends = list(accumulate(piece.nbytes for piece in self._pieces))

    @property
    def size(self) -> int:
        """See Content."""
        return self._ends[-1] if self._ends else 0

    def view(self, start: int, size: int) -> memoryview:
        """See Content."""
        number = bisect_right(self._ends, start)
        parts: list[memoryview] = []
        while size > 0 and number < len(self._pieces):
            offset = start - (self._ends[number] - self._pieces[number].nbytes)
            part = self._pieces[number][offset : offset + size]
            parts.append(part)
            start, size, number = start + part.nbytes, size - part.nbytes, number + 1
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


class FilePart:
    """Bytes of an open file. The file must not change meanwhile: what was read is checked against what was hashed."""

    borders: Sequence[int] = ()

    def __init__(self, file: IO[bytes], start: int = 0, size: int | None = None) -> None:
        self._file = file  # kept, so that its descriptor stays open
        self._start = start
        self._size = os.fstat(file.fileno()).st_size - start if size is None else size

    @property
    def size(self) -> int:
        """See Content."""
        return self._size

    def view(self, start: int, size: int) -> memoryview:
        """See Content.

        Raises:
            OSError: the file has become shorter.
        """
        size = min(size, self._size - start)
        data = memoryview(bytearray(size))
        done = 0
        while done < size:
            count = os.preadv(self._file.fileno(), [data[done:]], self._start + start + done)
            if not count:
                raise OSError(f"{self._file.name} became shorter while it was being stored")
            done += count
        return data


class Part:
    """A range of another content; with a digest where it has been hashed before, so that it is not only to find out whether it is stored."""

    def __init__(self, whole: Content, start: int, size: int, digest: Digest | None = None) -> None:
        self._whole, self._start, self.size, self.digest = whole, start, size, digest

    def view(self, start: int, size: int) -> memoryview:
        """See Content."""
        return self._whole.view(self._start + start, min(size, self.size - start))


class Spool:
    """A file that an encoder writes and whose bytes are then content: in memory while they are few, else in a temporary file.

    It cannot seek, as what is sent over a socket could not.
    """

    def __init__(self) -> None:
        self._memory = BytesIO()
        self._disk: IO[bytes] | None = None
        self._size = 0
        self._borders: list[int] = []

    def border(self) -> None:
        """Say that something ends here which may come again elsewhere, such as a table's row group."""
        self._borders.append(self._size)

    def write(self, data: Piece) -> int:
        """Write all of data."""
        count = memoryview(data).nbytes
        if self._disk is None and self._size + count > _IN_MEMORY:
            self._disk = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by close()
            _write_all(self._disk, self._memory.getbuffer())
            self._memory = BytesIO()
        if self._disk is None:
            self._memory.write(data)
        else:
            _write_all(self._disk, memoryview(data).cast("B"))
        self._size += count
        return count

    def content(self) -> Content:
        """All that was written; valid until ``close``."""
        content = Buffers(self._memory.getbuffer()) if self._disk is None else FilePart(self._disk)
        content.borders = tuple(self._borders)
        return content

    def tell(self) -> int:
        """Bytes written so far."""
        return self._size

    def flush(self) -> None:
        """Nothing waits."""

    def writable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Never: see ``content``."""
        return False

    def seekable(self) -> bool:
        """Never."""
        return False

    @property
    def closed(self) -> bool:
        """Encoders must not close it."""
        return False

    def close(self) -> None:
        """Let go of memory and file."""
        if self._disk is not None:
            self._disk.close()


def _write_all(file: IO[bytes], data: memoryview) -> None:
    while data.nbytes:
        data = data[file.write(data) :]


def borders_of(content: Content) -> Sequence[int]:
    """Where in a content its larger parts end: they are to be found again whatever stands before or behind them."""
    return getattr(content, "borders", ())


def of_bytes(*pieces: Piece) -> Content:
    """Content that is in memory."""
    return Buffers(*pieces)


def blocks(content: Content) -> Iterator[memoryview]:
    """All bytes in order, in pieces of BLOCK; the next one is read while the caller works on one."""
    if content.size <= BLOCK or isinstance(content, Buffers):
        for start in range(0, content.size, BLOCK):
            yield content.view(start, BLOCK)
        return
    with ThreadPoolExecutor(max_workers=1) as beside:
        ahead = beside.submit(content.view, 0, BLOCK)
        for start in range(BLOCK, content.size + BLOCK, BLOCK):
            block = ahead.result()
            if start < content.size:
                ahead = beside.submit(content.view, start, BLOCK)
            yield block


def known_digest(content: Content) -> Digest | None:
    """The digest of a content that has been hashed before."""
    return content.digest if isinstance(content, Part) else None


def digest_of(content: Content) -> Digest:
    """The digest of all its bytes. A store checks it again while it writes."""
    if (known := known_digest(content)) is not None:
        return known
    digest = hashlib.sha256()
    for block in blocks(content):
        digest.update(block)
    return Digest(digest.hexdigest())


def read_all(content: Content) -> bytes:
    """All bytes, copied."""
    return b"".join(blocks(content))


def copy_hashed(content: Content, file: BinaryIO) -> Digest:
    """Write all bytes to a file; their digest. Hashing runs beside writing."""
    digest = hashlib.sha256()
    if content.size <= BLOCK:
        for block in blocks(content):
            digest.update(block)
            file.write(block)
        return Digest(digest.hexdigest())
    with ThreadPoolExecutor(max_workers=1) as beside:  # one worker: blocks stay in order
        hashed = None
        for block in blocks(content):
            if hashed is not None:
                hashed.result()  # at most one block waits
            hashed = beside.submit(digest.update, block)
            file.write(block)
        if hashed is not None:
            hashed.result()
    return Digest(digest.hexdigest())


def concatenated(contents: Sequence[Content]) -> Content:
    """Several contents as one, in order."""
    return _Joined(contents)


class _Joined:
    def __init__(self, contents: Sequence[Content]) -> None:
        self._contents = contents
        self._ends = list(accumulate(content.size for content in contents))

    @property
    def size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def view(self, start: int, size: int) -> memoryview:
        number = bisect_right(self._ends, start)
        size = min(size, self.size - start)
        parts: list[memoryview] = []
        while size > 0:
            content = self._contents[number]
            part = content.view(start - (self._ends[number] - content.size), size)
            parts.append(part)
            start, size, number = start + part.nbytes, size - part.nbytes, number + 1
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
