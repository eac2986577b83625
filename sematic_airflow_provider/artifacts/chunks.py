"""``chunks/1``: large contents in pieces whose borders are found in the content itself, so that a small change costs little.

The artifact's blob is then the list of its chunks; each chunk is a blob of its own. Borders are found by FastCDC (Xia et al., "The Design of Fast
Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 2020), within the parts that a content has: the row groups of a table, the
large files of a folder. The parameters are part of the format: other ones would give other digests.
"""

from __future__ import annotations

import io
import json
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from sematic_airflow_provider.artifacts.compression import compressed, expanded
from sematic_airflow_provider.artifacts.content import Content, Part, blocks, borders_of, of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, digest_bytes, parse_digest, short
from sematic_airflow_provider.artifacts.store import Store, Stored, memory
from sematic_airflow_provider.errors import ArtifactError

LAYOUT = "chunks/1"
SMALLEST, AVERAGE, LARGEST = 256 << 10, 1 << 20, 4 << 20
ONE_BLOB = LARGEST
"""A content of up to this size stays one blob."""

_BATCH = 256 << 20
_HELD = 32 << 20
"""Of compressed chunks, which unlike others are not where the value is, so much is in memory at once while they are stored."""
_READERS = 4
_AHEAD = 4

Chunk = tuple[Digest, int]


class ChunkList(NamedTuple):
    """Digests and sizes of the chunks, in order. ``packed`` tells, by number, of those that are compressed, how many bytes are stored."""

    chunks: Sequence[Chunk]
    packed: Mapping[int, int] = MappingProxyType({})

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return sum(size for _, size in self.chunks)

    def to_json(self) -> dict[str, object]:
        """As it is stored."""
        record: dict[str, object] = {
            "layout": LAYOUT,
            "size": self.size,
            "chunks": [list(chunk) for chunk in self.chunks],
        }
        return record | {"zstd": [list(entry) for entry in sorted(self.packed.items())]} if self.packed else record

    @classmethod
    def from_json(cls, record: object) -> ChunkList:
        """Read a list back.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(record, dict) or record.get("layout") != LAYOUT or not isinstance(record.get("chunks"), list):
            raise ValueError("not a list of chunks")
        chunks = [_chunk(entry) for entry in record["chunks"]]
        found = cls(chunks, _packed(record.get("zstd", []), chunks))
        if found.size != record.get("size"):
            raise ValueError(f"the chunks have {found.size} bytes, the list says {str(record.get('size'))[:40]}")
        return found


def cut(content: Content, also: Callable[[memoryview], None] | None = None, *, compress: bool = False) -> ChunkList:
    """Find the chunks of a content; reads it once, writes nothing. ``also`` sees every byte in order, in blocks.

    What lies between two borders that the content tells of is cut for itself. With ``compress``, chunks that become smaller by it are listed as they are
    when they are compressed.
    """
    from pyfastcdc import FastCDC

    chunks: list[tuple[Future[tuple[Digest, int]], int]] = []
    with ThreadPoolExecutor(max_workers=2) as beside:
        for part in _parts(content):
            for found in FastCDC(AVERAGE, min_size=SMALLEST, max_size=LARGEST).cut_stream(_Stream(part, also)):
                data = bytes(found.data)  # the chunker reuses its buffer
                if len(chunks) >= 8:
                    chunks[-8][0].result()  # so that no more than eight are held
                chunks.append((beside.submit(_address, data, compress), found.length))
        found_all = [(*address.result(), size) for address, size in chunks]
        return ChunkList(
            [(digest, size) for digest, _, size in found_all],
            {number: stored for number, (_, stored, _) in enumerate(found_all) if stored},
        )


def _parts(content: Content) -> Iterator[Content]:
    start = 0
    for end in (*borders_of(content), content.size):
        if end > start:
            yield Part(content, start, end - start) if end - start < content.size else content
            start = end


def put_chunked(store: Store, content: Content, *, compress: bool = False) -> Stored:
    """Store a content in chunks; the digest is that of their list, the size that of the content.

    Where the list was stored lately so were the chunks, and nothing else is asked of the store.

    Raises:
        StoreError: the store fails, or the content changed meanwhile.
    """
    found = cut(content, compress=compress)
    return put_listed(store, content, found, canonical_json(found.to_json()))


def put_listed(store: Store, content: Content, found: ChunkList, listing: bytes) -> Stored:
    """Store the chunks of a content, then the blob that lists them; one look at that blob is all where it was stored lately.

    Raises:
        StoreError: the store fails, or the content changed since it was cut.
    """
    if stored_lately(store, listing):
        return Stored(digest_bytes(listing), content.size, new=False)
    put_chunks(store, content, found)
    return store.put(of_bytes(listing))._replace(size=content.size)


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
    start = held = 0
    for number, (digest, size) in enumerate(found.chunks):
        part: Content = Part(content, start, size, digest)
        if number in found.packed:
            part = of_bytes(compressed(part.view(0, size)) or b"")
            held += part.size
        batch.append(part)
        expected.append(digest)
        start += size
        if sum(one.size for one in batch) >= _BATCH or held >= _HELD or start == content.size:
            stored = store.put_all(batch)
            if [one.digest for one in stored] != expected:
                raise ArtifactError("a value or file changed while it was being stored")
            batch, expected, held = [], [], 0


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
            readers.submit(_read_chunk, store, found, number, target[start : start + size])
            for number, ((_, size), start) in enumerate(zip(found.chunks, starts, strict=False))
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
        self._store, self._list, self._chunks = store, found, found.chunks
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
        data = memoryview(bytearray(self._chunks[number][1]))
        _read_chunk(self._store, self._list, number, data)
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


def _read_chunk(store: Store, found: ChunkList, number: int, target: memoryview) -> None:
    digest, size = found.chunks[number]
    stored = found.packed.get(number)
    if stored is None:
        store.read_into(digest, target)
        return
    data = memoryview(bytearray(stored))
    store.read_into(digest, data)
    target[:] = expanded(data, size)


def _address(data: bytes, compress: bool) -> tuple[Digest, int]:
    """The digest of what is stored of a chunk, and the size of that if it is compressed, else 0."""
    packed = compressed(data) if compress else None
    return digest_bytes(data if packed is None else packed), 0 if packed is None else len(packed)


def _packed(record: object, chunks: Sequence[Chunk]) -> dict[int, int]:
    if not isinstance(record, list):
        raise ValueError("what is said of compressed chunks is not a list")  # noqa: TRY004 - a damaged list is no caller's mistake
    found: dict[int, int] = {}
    for entry in record:
        if not isinstance(entry, list) or len(entry) != 2 or any(type(part) is not int for part in entry):
            raise ValueError("of a compressed chunk, number and size are told")
        number, stored = entry
        if number in found or not 0 <= number < len(chunks) or not 0 < stored < chunks[number][1]:
            raise ValueError(
                f"there is no chunk {str(number)[:20]} that has {str(stored)[:20]} bytes when it is compressed"
            )
        found[number] = stored
    return found


def _chunk(entry: object) -> Chunk:
    if not isinstance(entry, list) or len(entry) != 2:
        raise ValueError("a chunk is a digest and a size")
    digest, size = entry
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= LARGEST:
        raise ValueError(f"a chunk has 1 to {LARGEST} bytes, not {str(size)[:40]}")
    return parse_digest(digest), size
