"""``chunks/1``: large contents in pieces whose borders are found in the content itself, so that a small change costs little.

The artifact's blob is then the list of its chunks; each chunk is a blob of its own. Borders are found by FastCDC (Xia et al., "The Design of Fast
Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 2020), within the parts that a content has: the row groups of a table, the
large files of a folder. The parameters are part of the format: other ones would give other digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate

from sematic_airflow_provider.artifacts.content import Content, Part, blocks, borders_of, of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, digest_bytes, parse_digest, short
from sematic_airflow_provider.artifacts.store import Store, Stored, memory
from sematic_airflow_provider.errors import ArtifactError

LAYOUT = "chunks/1"
SMALLEST, AVERAGE, LARGEST = 256 << 10, 1 << 20, 4 << 20
ONE_BLOB = LARGEST
"""A content of up to this size stays one blob."""

_BATCH = 256 << 20
_READERS = 4
_AHEAD = 4

Chunk = tuple[Digest, int]


@dataclass(frozen=True, slots=True)
class ChunkList:
    """Digests and sizes of the chunks, in order."""

    chunks: Sequence[Chunk]

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return sum(size for _, size in self.chunks)

    def to_json(self) -> dict[str, object]:
        """As it is stored."""
        return {"layout": LAYOUT, "size": self.size, "chunks": [list(chunk) for chunk in self.chunks]}

    @classmethod
    def from_json(cls, record: object) -> ChunkList:
        """Read a list back.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(record, dict) or record.get("layout") != LAYOUT or not isinstance(record.get("chunks"), list):
            raise ValueError("not a list of chunks")
        chunks = [_chunk(entry) for entry in record["chunks"]]
        found = cls(chunks)
        if found.size != record.get("size"):
            raise ValueError(f"the chunks have {found.size} bytes, the list says {str(record.get('size'))[:40]}")
        return found


def cut(content: Content, also: Callable[[memoryview], None] | None = None) -> ChunkList:
    """Find the chunks of a content; reads it once, writes nothing. ``also`` sees every byte in order, in blocks.

    What lies between two borders that the content tells of is cut for itself.
    """
    from pyfastcdc import FastCDC

    chunks: list[tuple[Future[str], int]] = []
    with ThreadPoolExecutor(max_workers=2) as beside:
        for part in _parts(content):
            for found in FastCDC(AVERAGE, min_size=SMALLEST, max_size=LARGEST).cut_stream(_Stream(part, also)):
                data = bytes(found.data)  # the chunker reuses its buffer
                if len(chunks) >= 8:
                    chunks[-8][0].result()  # so that no more than eight are held
                chunks.append((beside.submit(_hash, data), found.length))
        return ChunkList([(Digest(digest.result()), size) for digest, size in chunks])


def _parts(content: Content) -> Iterator[Content]:
    start = 0
    for end in (*borders_of(content), content.size):
        if end > start:
            yield Part(content, start, end - start) if end - start < content.size else content
            start = end


def put_chunked(store: Store, content: Content) -> Stored:
    """Store a content in chunks; the digest is that of their list, the size that of the content.

    Where the list was stored lately so were the chunks, and nothing else is asked of the store.

    Raises:
        StoreError: the store fails, or the content changed meanwhile.
    """
    found = cut(content)
    return put_listed(store, content, found, canonical_json(found.to_json()))


def put_listed(store: Store, content: Content, found: ChunkList, listing: bytes) -> Stored:
    """Store the chunks of a content, then the blob that lists them; one look at that blob is all where it was stored lately.

    Raises:
        StoreError: the store fails, or the content changed since it was cut.
    """
    if stored_lately(store, listing):
        return Stored(digest_bytes(listing), content.size, new=False)
    put_chunks(store, content, found)
    return replace(store.put(of_bytes(listing)), size=content.size)


def stored_lately(store: Store, listing: bytes) -> bool:
    """Whether this list of chunks is there, and so recent that its chunks are too: a collector may be about to delete those of an older one."""
    known = store.stat(digest_bytes(listing))
    return known is not None and known.size == len(listing) and time.time() - known.modified <= store.pace.refresh


def put_chunks(store: Store, content: Content, found: ChunkList) -> None:
    """Store the chunks of a content, some at a time; those that are stored already are not written.

    Raises:
        StoreError: the store fails, or the content changed since it was cut.
    """
    batch: list[Content] = []
    expected: list[Digest] = []
    start = 0
    for digest, size in found.chunks:
        batch.append(Part(content, start, size, digest))
        expected.append(digest)
        start += size
        if sum(part.size for part in batch) >= _BATCH or start == content.size:
            stored = store.put_all(batch)
            if [one.digest for one in stored] != expected:
                raise ArtifactError("a value or file changed while it was being stored")
            batch, expected = [], []


def load_list(store: Store, digest: Digest) -> ChunkList:
    """The chunks of an artifact.

    Raises:
        ArtifactError: its blob is no list of chunks.
    """
    try:
        return ChunkList.from_json(json.loads(bytes(store.get(digest))))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"artifact {short(digest)} in {store.url} cannot be read by layout {LAYOUT}: {error}"
        ) from error


def read_chunks(store: Store, found: ChunkList) -> memoryview:
    """All bytes, verified chunk by chunk, several at a time."""
    target = memory(found.size)
    starts = [0, *accumulate(size for _, size in found.chunks)]
    with ThreadPoolExecutor(max_workers=_READERS) as readers:
        jobs = [
            readers.submit(store.read_into, digest, target[start : start + size])
            for (digest, size), start in zip(found.chunks, starts, strict=False)
        ]
        try:
            for job in jobs:
                job.result()
        finally:
            for job in jobs:
                job.cancel()
    return target


class ChunkReader(io.RawIOBase):
    """A content in chunks as a file: only the chunks that are touched are read, each verified; the last few are kept.

    Who reads one chunk after another gets the next ones fetched ahead.
    """

    def __init__(self, store: Store, found: ChunkList, keep: int = 16) -> None:
        self._store, self._chunks = store, found.chunks
        self._starts = [0, *accumulate(size for _, size in found.chunks)]
        self._position, self._keep, self._last = 0, keep, -1
        self._kept: dict[int, Future[memoryview]] = {}
        self._readers = ThreadPoolExecutor(max_workers=_READERS)

    def readinto(self, buffer: object) -> int:
        """Fill the buffer from the position on; how much there was."""
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        done = 0
        for piece in self.pieces(self._position, target.nbytes):
            target[done : done + piece.nbytes] = piece
            done += piece.nbytes
        self._position += done
        return done

    def pieces(self, start: int, size: int) -> Iterator[memoryview]:
        """These bytes, as far as there are any, where they lie: nothing is copied. The position stays where it is."""
        end = min(start + size, self._starts[-1])
        while start < end:
            number = bisect_right(self._starts, start) - 1
            piece = self._chunk(number)[start - self._starts[number] :][: end - start]
            yield piece
            start += piece.nbytes

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Fetch nothing more."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _chunk(self, number: int) -> memoryview:
        ahead = _AHEAD if number == self._last + 1 else 0
        self._last = number
        wanted = range(number, min(number + ahead + 1, len(self._chunks)))
        for near in wanted:
            if near not in self._kept:
                self._kept[near] = self._readers.submit(self._read, near)
        for near in reversed(wanted):  # those needed next go last
            self._kept[near] = self._kept.pop(near)
        while len(self._kept) > self._keep:
            del self._kept[next(iter(self._kept))]
        return self._kept[number].result()

    def _read(self, number: int) -> memoryview:
        digest, size = self._chunks[number]
        data = memoryview(bytearray(size))
        self._store.read_into(digest, data)
        return data


class _Stream:
    """A content as the chunker reads it."""

    def __init__(self, content: Content, also: Callable[[memoryview], None] | None) -> None:
        self._blocks: Iterator[memoryview] = blocks(content)
        self._block = memoryview(b"")
        self._also = also

    def readinto(self, target: memoryview) -> int:
        if not self._block.nbytes:
            self._block = next(self._blocks, memoryview(b""))
            if self._also is not None:
                self._also(self._block)
        count = min(target.nbytes, self._block.nbytes)
        target[:count] = self._block[:count]
        self._block = self._block[count:]
        return count


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _chunk(entry: object) -> Chunk:
    if not isinstance(entry, list) or len(entry) != 2:
        raise ValueError("a chunk is a digest and a size")
    digest, size = entry
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= LARGEST:
        raise ValueError(f"a chunk has 1 to {LARGEST} bytes, not {str(size)[:40]}")
    return parse_digest(digest), size
