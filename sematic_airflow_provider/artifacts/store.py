"""Stores: where artifact bytes live. Blobs are addressed by digest and written once; documents are small, named and replaceable.

Layout below the root: ``blobs/<first 2>/<digest>``, whose name is the ``sha256sum`` of the file, and documents wherever their path says
(``spool/…``, ``results/…``).
"""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable

from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.errors import StoreError

Writer = Callable[[BinaryIO], None]

_BLOCK = 8 << 20
_PARALLEL = 1 << 20  # below this a thread costs more than it saves

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=+-]*(/[A-Za-z0-9_][A-Za-z0-9_.=+-]*)*")


@dataclass(frozen=True, slots=True)
class Stored:
    """What a put gave: the address, the size in bytes, and whether anything was written that was not there before."""

    digest: Digest
    size: int
    new: bool


@runtime_checkable
class Store(Protocol):
    """What every store does. All methods raise StoreError when the place itself fails."""

    url: str

    def put(self, write: Writer) -> Stored:
        """Store what ``write`` writes, at its digest. All or nothing: nobody ever sees a part of it under its name.

        Bytes that are stored already are not written again; their modification time is refreshed, so that a collector
        that looks at ages cannot remove what has just been referred to.
        """

    def get(self, digest: Digest) -> memoryview:
        """All bytes of a blob, verified. They are the caller's: nothing else refers to them.

        Raises:
            ValueError: this is no digest.
            ArtifactNotFoundError: there is none.
            ArtifactCorruptedError: they do not hash to the digest.
        """

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there; nothing is verified."""

    def digests(self) -> Iterator[Digest]:
        """All blobs."""

    def write_document(self, path: str, data: bytes) -> None:
        """Write or replace a document, atomically."""

    def read_document(self, path: str) -> bytes | None:
        """A document, None where there is none."""

    def list_documents(self, folder: str) -> list[str]:
        """Paths of the documents right in a folder, sorted; empty where there is none."""

    def delete_document(self, path: str) -> None:
        """Delete a document; one that is gone already is fine."""

    def check_writable(self) -> None:
        """Write, read back and delete a probe."""


def blob_path(digest: Digest) -> str:
    """Where a blob lies below the root."""
    return f"blobs/{digest[:2]}/{digest}"


def check_path(path: str) -> str:
    """A document's path: relative, of plain names.

    Raises:
        ValueError: it could lead out of the store, or into the blobs.
    """
    if not _PATH.fullmatch(path) or ".." in path or path.split("/", 1)[0].lower() == "blobs":
        raise ValueError(f"not a document path: {path[:200]!r}")
    return path


class HashingWriter:
    """A binary file that hashes and counts what passes through it to another."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of data."""
        view = memoryview(data).cast("B")
        if view.nbytes < _PARALLEL:
            self._hash.update(view)
            self._target.write(view)
        else:  # both let go of the interpreter, and the buffer is ours only until we return
            with ThreadPoolExecutor(max_workers=1) as beside:
                hashed = beside.submit(self._hash.update, view)
                self._target.write(view)
                hashed.result()
        self.size += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        """Pass on to the target."""
        self._target.flush()

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def writable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Never."""
        return False

    def seekable(self) -> bool:
        """Never: what was hashed cannot be taken back."""
        return False

    def close(self) -> None:
        """The target's owner closes it."""

    @property
    def closed(self) -> bool:
        """As long as the target is open, so is this."""
        return self._target.closed

    @property
    def digest(self) -> Digest:
        """Of all that was written."""
        return Digest(self._hash.hexdigest())


def read_hashed(file: BinaryIO, size: int) -> tuple[memoryview, Digest]:
    """Up to ``size`` bytes of an unbuffered file, and their digest: each block is hashed while the next is read."""
    data, digest, end = _memory(size), hashlib.sha256(), 0
    with ThreadPoolExecutor(max_workers=1) as beside:  # one worker: blocks stay in order
        pending = []
        while end < size and (count := file.readinto(data[end : end + _BLOCK])):  # type: ignore[attr-defined]
            block = data[end : end + count]
            if size < _PARALLEL:
                digest.update(block)
            else:
                pending.append(beside.submit(digest.update, block))
            end += count
        for future in pending:
            future.result()
    return data[:end], Digest(digest.hexdigest())


def _memory(size: int) -> memoryview:
    """Memory to read into. Large pieces in large pages, where there are any: touching small ones takes longer than reading the file."""
    if size < _BLOCK or not hasattr(mmap, "MADV_HUGEPAGE"):
        return memoryview(bytearray(size))
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel built without them
        mapped.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapped)


def open_store(url: str, *, create: bool = False) -> Store:
    """Open the store at a folder's path or an fsspec URL.

    Raises:
        StoreError: the folder does not exist (and ``create`` was not asked for), or is none.
        MissingExtraError: the URL's protocol needs a package that is not installed.
    """
    from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
    from sematic_airflow_provider.artifacts.local_store import LocalStore

    if not url:
        raise StoreError("no store is configured: set [sematic] store", url)
    if "://" not in url:
        return LocalStore(url, create=create)
    if url.startswith("file://"):
        return LocalStore(url.removeprefix("file://"), create=create)
    return FsspecStore(url)
