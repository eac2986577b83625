"""FsspecStore: any place that fsspec knows (S3, GCS, Azure, memory), through its generic operations."""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from sematic_airflow_provider.artifacts.digest import Digest, parse_digest, short
from sematic_airflow_provider.artifacts.store import HashingWriter, Stored, Writer, blob_path, check_path
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError, MissingExtraError, StoreError

_IN_MEMORY_BYTES = 8 << 20
_EXTRAS = {"s3": "s3", "s3a": "s3"}
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"})


class FsspecStore:
    """Object stores make what is put visible whole or not at all; elsewhere it is written under another name and moved."""

    def __init__(self, url: str) -> None:
        import fsspec

        protocol = url.split("://", 1)[0]
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            if protocol in _EXTRAS:
                raise MissingExtraError(f"the store {url}", _EXTRAS[protocol]) from error
            raise StoreError(f"the store {url} needs a package that is not installed: {error}", url) from error
        except ValueError as error:
            raise StoreError(f"the store {url} cannot be opened: {error}", url) from error
        self.url = url.rstrip("/")
        self._root = str(self._root).rstrip("/")
        self._puts_whole = protocol in _OBJECT_STORES

    def put(self, write: Writer) -> Stored:
        """See Store. What does not fit into memory is staged in a temporary file: its name is known only when all is hashed."""
        with (
            self._explained("cannot be written", missing_is_failure=True),
            tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as staged,
        ):
            hashing = HashingWriter(cast("BinaryIO", staged))
            write(cast("BinaryIO", hashing))
            target = self._path(blob_path(hashing.digest))
            if self._refreshed(target, hashing.size):
                return Stored(hashing.digest, hashing.size, new=False)
            staged.seek(0)
            self._publish(cast("BinaryIO", staged), target)
        return Stored(hashing.digest, hashing.size, new=True)

    def get(self, digest: Digest) -> memoryview:
        """See Store."""
        path = self._path(blob_path(parse_digest(digest)))
        try:
            with self._explained(f"cannot be read (artifact {short(digest)})"):
                data = self._fs.cat_file(path)
        except FileNotFoundError:
            raise ArtifactNotFoundError(digest, self.url) from None
        actual = hashlib.sha256(data).hexdigest()
        if actual != digest:
            raise ArtifactCorruptedError(digest, actual, f"{self.url}/{blob_path(digest)}")
        return memoryview(data)

    def has(self, digest: Digest) -> bool:
        """See Store."""
        with self._explained("cannot be read"):
            return bool(self._fs.isfile(self._path(blob_path(parse_digest(digest)))))

    def digests(self) -> Iterator[Digest]:
        """See Store."""
        try:
            with self._explained("cannot be listed"):
                names = sorted(self._fs.find(self._path("blobs")))
        except FileNotFoundError:
            return
        for name in names:
            with suppress(ValueError):
                yield parse_digest(str(name).rsplit("/", 1)[-1])

    def write_document(self, path: str, data: bytes) -> None:
        """See Store."""
        target = self._path(check_path(path))
        with self._explained("cannot be written", missing_is_failure=True):
            self._publish(io.BytesIO(data), target)

    def read_document(self, path: str) -> bytes | None:
        """See Store."""
        try:
            with self._explained("cannot be read"):
                return bytes(self._fs.cat_file(self._path(check_path(path))))
        except FileNotFoundError:
            return None

    def list_documents(self, folder: str) -> list[str]:
        """See Store."""
        try:
            with self._explained("cannot be listed"):
                self._fs.invalidate_cache()
                entries: list[dict[str, Any]] = self._fs.ls(self._path(check_path(folder)), detail=True)
        except FileNotFoundError:
            return []
        return sorted(f"{folder}/{entry['name'].rsplit('/', 1)[-1]}" for entry in entries if entry["type"] == "file")

    def delete_document(self, path: str) -> None:
        """See Store."""
        with suppress(FileNotFoundError), self._explained("cannot be written"):
            self._fs.rm_file(self._path(check_path(path)))

    def check_writable(self) -> None:
        """See Store."""
        probe = f"tmp/probe-{uuid.uuid4().hex}"
        self.write_document(probe, b"probe")
        if self.read_document(probe) != b"probe":
            raise StoreError(f"the artifact store {self.url} does not give back what was written", self.url)
        self.delete_document(probe)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _make_parent(self, target: str) -> None:
        self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)

    def _refreshed(self, target: str, size: int) -> bool:
        try:
            found = self._fs.info(target)
        except FileNotFoundError:
            return False
        if found.get("size") != size:
            return False
        with suppress(NotImplementedError, OSError):  # not every store can: ages are then those of the first write
            self._fs.touch(target, truncate=False)
        return True

    def _publish(self, content: BinaryIO, target: str) -> None:
        self._make_parent(target)
        if self._puts_whole:
            self._upload(content, target)
            return
        temporary = self._path(f"tmp/put-{uuid.uuid4().hex}")
        self._make_parent(temporary)
        try:
            self._upload(content, temporary)
            self._fs.mv(temporary, target)
        except BaseException:
            with suppress(OSError):
                self._fs.rm_file(temporary)
            raise

    def _upload(self, content: BinaryIO, target: str) -> None:
        first = content.read(_IN_MEMORY_BYTES)
        if len(first) < _IN_MEMORY_BYTES:
            self._fs.pipe_file(target, first)
            return
        file = self._fs.open(target, "wb")
        try:
            block = first
            while block:
                file.write(block)
                block = content.read(_IN_MEMORY_BYTES)
        except BaseException:
            if hasattr(file, "discard"):  # closing would make the part that was sent an object
                file.discard()
            raise
        file.close()

    @contextmanager
    def _explained(self, what: str, *, missing_is_failure: bool = False) -> Iterator[None]:
        try:
            yield
        except (ArtifactNotFoundError, ArtifactCorruptedError, StoreError):
            raise
        except _failures() as error:
            if isinstance(error, FileNotFoundError) and not missing_is_failure:
                raise
            raise StoreError(f"the artifact store {self.url} {what}: {error}", self.url) from error


def _failures() -> tuple[type[Exception], ...]:
    """What a failing place raises. botocore's errors (no credentials, no such endpoint) are no OSErrors."""
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError, botocore.BotoCoreError) if botocore is not None else (OSError,)
