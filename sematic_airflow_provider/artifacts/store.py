"""Stores: where artifact bytes live. Blobs are addressed by digest and written once; documents are small, named and replaceable.

Layout below the root: ``blobs/<first 2>/<digest>``, whose name is the ``sha256sum`` of the file, and documents wherever their path says
(``spool/…``, ``results/…``).
"""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple, Protocol, runtime_checkable

from sematic_airflow_provider.artifacts.content import BLOCK, Content
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.errors import DocumentTooLargeError, MissingExtraError, StoreError

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.s3_access import S3Access

REFRESH_SECONDS = 6 * 3600.0
"""How old a blob must be for a put of the same bytes to renew its time. A collector's grace period must be longer."""


class Pace(NamedTuple):
    """The times, in seconds, that puts and a collector keep to (see ``retention``). All users of one store must have the same."""

    refresh: float = REFRESH_SECONDS
    settle: float = 30.0
    """How long a collector waits after it has said what it will delete: longer than a put takes from asking for that to renewing a blob."""
    lease: float = 600.0
    """How long that which it has said holds. It deletes in the first half; the second is for requests that are on their way."""


_MADV_POPULATE_READ = 22  # Linux 5.14; Python names it from 3.14 on

LARGEST_DOCUMENT = 16 << 20
"""The most bytes of a document. They are read as a whole, by the API server too."""

OWN = frozenset({"blobs", "tmp", "gc", "samples"})
"""Folders below the root that hold no documents of others."""

_PATH = r"[A-Za-z0-9_][A-Za-z0-9_.=+-]*(/[A-Za-z0-9_][A-Za-z0-9_.=+-]*)*"


class Stored(NamedTuple):
    """What a put gave: the address, the size in bytes, and whether anything was written that was not there before.

    ``renewed``: it was there, and so old that its time had to be renewed; now and then, the moment to look after what belongs to it.
    """

    digest: Digest
    size: int
    new: bool
    renewed: bool = False


class BlobStat(NamedTuple):
    """Size in bytes, and when it was written or last referred to by a put (seconds since 1970, by the store's clock)."""

    size: int
    modified: float


Known = Literal["missing", "recent", "renewed"]
"""What a put has found where a blob belongs; ``renewed``: an old one, whose time is that of the put now."""


@runtime_checkable
class Store(Protocol):
    """What every store does. All methods raise StoreError when the place itself fails."""

    url: str
    pace: Pace

    def put(self, content: Content) -> Stored:
        """Store bytes at their digest. All or nothing: nobody ever sees a part of them under their name.

        Bytes that are stored already are not written again, nor read; one look at the blob's size and age is all. Where it is older than
        ``pace.refresh``, its modification time is renewed, so that a collector that looks at ages cannot remove what has just been referred to.

        Raises:
            StoreError: also where the content changed between being hashed and being written.
        """

    def put_all(self, contents: Sequence[Content]) -> list[Stored]:
        """Store several, at once where that is quicker; in their order."""

    def get(self, digest: Digest) -> memoryview:
        """All bytes of a blob, verified. They are the caller's: nothing else refers to them, and what is written to them goes nowhere.

        Raises:
            ValueError: this is no digest.
            ArtifactNotFoundError: there is none.
            ArtifactCorruptedError: they do not hash to the digest.
        """

    def read_into(self, digest: Digest, target: memoryview) -> None:
        """Fill ``target`` with a blob of just its size, verified.

        Raises:
            ValueError, ArtifactNotFoundError, ArtifactCorruptedError: as ``get`` does; a blob of another size is corrupted.
        """

    def stat(self, digest: Digest) -> BlobStat | None:
        """Size and age of a blob, None where there is none; nothing is verified."""

    def blobs(self) -> Iterator[tuple[Digest, BlobStat]]:
        """All blobs, in the order of their digests."""

    def delete(self, digest: Digest) -> None:
        """Delete a blob; one that is gone already is fine. A put of the same bytes may lose them: see ``discard``."""

    def set_aside(self, digest: Digest) -> bool:
        """Read a blob again and, if its bytes are not those of its digest, give it another name (``tmp/damaged-…``), so that a put of the right bytes
        writes them anew; whether that was done. A blob that is whole or not there stays as it is.
        """

    def discard(self, digests: Sequence[Digest], before: float) -> list[Digest]:
        """Delete those whose time is before this; the digests of those that were. Any number of puts may go on meanwhile: one that has found
        such a blob renews its time first, and then it stays, or writes it anew.

        ``before`` must lie more than four times ``pace.refresh`` in the past.
        """

    def tidy(self, before: float) -> int:
        """Delete what writers that were killed before this time have left of blobs that they did not finish, and what was set aside; how many pieces."""

    def now(self) -> float:
        """The time by the clock that ``BlobStat.modified`` is told by."""

    def write_document(self, path: str, data: bytes) -> None:
        """Write or replace a document, atomically.

        Raises:
            DocumentTooLargeError: it has more than ``LARGEST_DOCUMENT`` bytes.
        """

    def create_document(self, path: str, data: bytes) -> bool:
        """Write a document where there is none; whether this call has made it. Of several that try at once one makes it.

        ``data`` must be unlike that of everybody else who may try: it tells whose the document is when an answer got lost. Places without
        conditional writes (S3 servers that ignore them, most that fsspec knows) are looked at before and, half a second later, after the write: two
        can then both believe to be first where one of them took longer than that to write.
        """

    def read_document(self, path: str) -> bytes | None:
        """A document, None where there is none.

        Raises:
            DocumentTooLargeError: it has more than ``LARGEST_DOCUMENT`` bytes.
        """

    def list_documents(self, folder: str) -> list[str]:
        """Paths of the documents right in a folder, sorted; empty where there is none."""

    def documents(self) -> Iterator[str]:
        """Paths of all documents, in any folder; but not of what the store and its collector keep for themselves, in ``gc`` and ``tmp``."""

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
    if not re.fullmatch(_PATH, path) or ".." in path or path.split("/", 1)[0].lower() == "blobs":
        raise ValueError(f"not a document path: {path[:200]!r}")
    return path


def check_document(path: str, size: int, url: str) -> None:
    """See that a document is not too large.

    Raises:
        DocumentTooLargeError: it is.
    """
    if size > LARGEST_DOCUMENT:
        raise DocumentTooLargeError(path, LARGEST_DOCUMENT, url)


def is_document(path: str) -> bool:
    """Whether this is the path of a document that a store tells of in ``documents``."""
    return bool(re.fullmatch(_PATH, path)) and ".." not in path and path.split("/", 1)[0].lower() not in OWN


def check_unchanged(expected: Digest | None, actual: Digest, url: str) -> None:
    """See that what was written is what was hashed before.

    Raises:
        StoreError: another thread or process changed it meanwhile.
    """
    if expected is not None and actual != expected:
        raise StoreError(
            f"artifact {expected[:12]} changed while it was being stored: do not change what a step has returned", url
        )


def read_hashed(file: BinaryIO, target: memoryview) -> tuple[int, Digest]:
    """Fill a target from an unbuffered file; how much there was, and its digest: each block is hashed while the next is read."""
    digest, end, size = hashlib.sha256(), 0, target.nbytes
    if size <= BLOCK:
        while end < size and (count := file.readinto(target[end:])):  # type: ignore[attr-defined]
            end += count
        digest.update(target[:end])
        return end, Digest(digest.hexdigest())
    with ThreadPoolExecutor(max_workers=1) as beside:  # one worker: blocks stay in order
        pending = []
        while end < size and (count := file.readinto(target[end : end + BLOCK])):  # type: ignore[attr-defined]
            pending.append(beside.submit(digest.update, target[end : end + count]))
            end += count
        for future in pending:
            future.result()
    return end, Digest(digest.hexdigest())


def digest_mapped(data: memoryview) -> Digest:
    """The digest of a mapped file: the next pages are fetched while those that are here are hashed."""
    mapped, digest = data.obj, hashlib.sha256()
    with ThreadPoolExecutor(max_workers=1) as beside:
        fetched = None
        for start in range(0, data.nbytes, BLOCK):
            if fetched is not None:
                fetched.result()
            if start + BLOCK < data.nbytes:
                fetched = beside.submit(_populate, mapped, start + BLOCK, min(BLOCK, data.nbytes - start - BLOCK))
            digest.update(data[start : start + BLOCK])
    return Digest(digest.hexdigest())


def _populate(mapped: Any, start: int, size: int) -> None:
    with suppress(OSError, ValueError):  # advice only: a kernel that does not know it brings the pages in one by one
        mapped.madvise(_MADV_POPULATE_READ, start, size)


def memory(size: int) -> memoryview:
    """Memory to read into. Large pieces in large pages, where there are any: touching small ones takes longer than reading the file."""
    if size < BLOCK or not hasattr(mmap, "MADV_HUGEPAGE"):
        return memoryview(bytearray(size))
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel built without them
        mapped.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapped)


def open_store(
    url: str, *, create: bool = False, s3_access: Callable[[], S3Access] | None = None, file_system: Any = None
) -> Store:
    """Open the store at a folder's path, an S3 URL or any other fsspec URL.

    ``s3_access`` tells as whom to use S3, and ``file_system`` is the fsspec file system of any other URL, where these are not what boto3 and
    fsspec make of the environment.

    Raises:
        StoreError: the folder does not exist (and ``create`` was not asked for), or is none.
        MissingExtraError: the URL's protocol needs a package that is not installed.
    """
    from sematic_airflow_provider.artifacts.local_store import LocalStore

    if not url:
        raise StoreError("no store is configured: set [sematic] store", url)
    if "://" not in url:
        return LocalStore(url, create=create)
    if url.startswith("file://"):
        return LocalStore(url.removeprefix("file://"), create=create)
    if url.startswith(("s3://", "s3a://")):
        return _s3_store(url, s3_access)
    from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore

    return FsspecStore(url, file_system=file_system)


def _s3_store(url: str, access: Callable[[], S3Access] | None) -> Store:
    try:
        from sematic_airflow_provider.artifacts.s3_store import S3Store
    except ImportError as error:
        raise MissingExtraError(f"a store in S3 ({url.partition('?')[0].rpartition('@')[2]})", "s3") from error
    return S3Store(url, access=access)
