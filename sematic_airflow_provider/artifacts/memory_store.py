"""MemoryStore: artifacts in this process and nowhere else, for tests. It may stand in front of another store, which it reads and never writes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sematic_airflow_provider.artifacts.content import Content, digest_of, read_all
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes, parse_digest
from sematic_airflow_provider.artifacts.store import (
    BlobStat,
    Pace,
    Store,
    Stored,
    blob_path,
    check_document,
    check_path,
    check_unchanged,
    is_document,
)
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError

_numbers = itertools.count(1)


@dataclass(slots=True)
class _Blob:
    data: bytes
    modified: float = field(default_factory=time.time)


class MemoryStore:
    """A store like any other, as long as this object lives. Reads are verified as everywhere.

    Args:
        behind: what is not in memory is read from there; all that is written, documents too, stays in memory.
    """

    def __init__(self, behind: Store | None = None) -> None:
        self.url = f"memory://{next(_numbers)}" + (f"?behind={behind.url}" if behind is not None else "")
        self.pace = Pace()
        self._blobs: dict[Digest, _Blob] = {}
        self._documents: dict[str, bytes | None] = {}
        self._behind = behind
        self._creating = threading.Lock()

    def put(self, content: Content) -> Stored:
        """See Store."""
        digest = digest_of(content)
        found = self.stat(digest)
        if found is not None and found.size == content.size:
            return Stored(digest, content.size, new=False)
        data = read_all(content)
        check_unchanged(digest, digest_bytes(data), self.url)
        self._blobs[digest] = _Blob(data)
        return Stored(digest, len(data), new=True)

    def put_all(self, contents: Sequence[Content]) -> list[Stored]:
        """See Store."""
        return [self.put(content) for content in contents]

    def get(self, digest: Digest) -> memoryview:
        """See Store."""
        blob = self._blobs.get(parse_digest(digest))
        if blob is None:
            if self._behind is not None and self._behind.stat(digest) is not None:
                return self._behind.get(digest)
            raise ArtifactNotFoundError(digest, self.url)
        if (actual := digest_bytes(blob.data)) != digest:
            raise ArtifactCorruptedError(digest, actual, f"{self.url}/{blob_path(digest)}")
        return memoryview(bytearray(blob.data))

    def read_into(self, digest: Digest, target: memoryview) -> None:
        """See Store."""
        data = self.get(digest)
        if data.nbytes != target.nbytes:
            held = bytes(data[: target.nbytes])
            raise ArtifactCorruptedError(digest, digest_bytes(held), f"{self.url}/{blob_path(digest)}")
        target[:] = data

    def stat(self, digest: Digest) -> BlobStat | None:
        """See Store."""
        blob = self._blobs.get(parse_digest(digest))
        if blob is not None:
            return BlobStat(len(blob.data), blob.modified)
        return self._behind.stat(digest) if self._behind is not None else None

    def blobs(self) -> Iterator[tuple[Digest, BlobStat]]:
        """See Store. Those in memory."""
        for digest, blob in sorted(self._blobs.items()):
            yield digest, BlobStat(len(blob.data), blob.modified)

    def delete(self, digest: Digest) -> None:
        """See Store."""
        self._blobs.pop(parse_digest(digest), None)

    def set_aside(self, digest: Digest) -> bool:
        """See Store. One that lies behind is out of reach."""
        blob = self._blobs.get(parse_digest(digest))
        if blob is None or digest_bytes(blob.data) == digest:
            return False
        self.write_document(f"tmp/damaged-{digest}-{next(_numbers)}", blob.data)
        self.delete(digest)
        return True

    def discard(self, digests: Sequence[Digest], before: float) -> list[Digest]:
        """See Store. Nobody else writes here, so there is nobody to wait for."""
        old = [digest for digest in digests if digest in self._blobs and self._blobs[digest].modified < before]
        for digest in old:
            self.delete(digest)
        return old

    def tidy(self, before: float) -> int:
        """See Store. Nothing is ever left half written, but what was set aside."""
        aside = [path for path in self.list_documents("tmp") if path in self._documents]
        for path in aside:
            self.delete_document(path)
        return len(aside)

    def now(self) -> float:
        """See Store."""
        return time.time()

    def write_document(self, path: str, data: bytes) -> None:
        """See Store."""
        check_document(path, len(data), self.url)
        self._documents[check_path(path)] = bytes(data)

    def create_document(self, path: str, data: bytes) -> bool:
        """See Store."""
        with self._creating:
            if self.read_document(path) is not None:
                return False
            self.write_document(path, data)
        return True

    def read_document(self, path: str) -> bytes | None:
        """See Store."""
        if check_path(path) in self._documents or self._behind is None:
            data = self._documents.get(path)
            check_document(path, len(data or b""), self.url)
            return data
        return self._behind.read_document(path)

    def list_documents(self, folder: str) -> list[str]:
        """See Store."""
        prefix = f"{check_path(folder)}/"
        behind = self._behind.list_documents(folder) if self._behind is not None else []
        names = {path for path in self._documents if path.startswith(prefix) and "/" not in path[len(prefix) :]}
        return sorted(path for path in names | set(behind) if self._documents.get(path, b"") is not None)

    def documents(self) -> Iterator[str]:
        """See Store. Those in memory."""
        return (path for path, data in list(self._documents.items()) if data is not None and is_document(path))

    def delete_document(self, path: str) -> None:
        """See Store."""
        if self._behind is None:
            self._documents.pop(check_path(path), None)
        else:
            self._documents[check_path(path)] = None  # hides the one behind

    def check_writable(self) -> None:
        """See Store. Memory always is."""
