"""LocalStore: a folder, on this machine or shared by all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from sematic_airflow_provider.artifacts.digest import Digest, parse_digest, short
from sematic_airflow_provider.artifacts.store import HashingWriter, Stored, Writer, blob_path, check_path, read_hashed
from sematic_airflow_provider.artifacts.write_behind import WriteBehind
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError, StoreError


class LocalStore:
    """Blobs and documents in a folder. Safe with any number of processes: files appear by rename, whole or not at all."""

    def __init__(self, root: str | os.PathLike[str], *, create: bool = False) -> None:
        self._root = Path(root).expanduser().absolute()
        self.url = str(self._root)
        if create:
            with self._explained("cannot be made"):
                self._root.mkdir(parents=True, exist_ok=True)
        if not self._root.is_dir():
            raise StoreError(
                f"the artifact store {self._root} is not there. If it is a mount, mount it; else make it (mkdir -p {self._root}), "
                "or set [sematic] store to a folder that exists",
                self.url,
            )

    def put(self, write: Writer) -> Stored:
        """See Store: temporary file, fsync, rename, fsync of the folder."""
        with self._explained("cannot be written", missing_is_failure=True):
            staging = self._root / "tmp"
            staging.mkdir(exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=staging, prefix="put-")
            temporary = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    hashing = HashingWriter(cast("BinaryIO", WriteBehind(file)))
                    write(cast("BinaryIO", hashing))
                    target = self._root / blob_path(hashing.digest)
                    if self._refreshed(target, hashing.size):
                        return Stored(hashing.digest, hashing.size, new=False)
                    file.flush()
                    os.fsync(file.fileno())
                    os.fchmod(file.fileno(), 0o644)
                self._publish(temporary, target)
                return Stored(hashing.digest, hashing.size, new=True)
            finally:
                with suppress(FileNotFoundError):
                    temporary.unlink()

    def get(self, digest: Digest) -> memoryview:
        """See Store."""
        path = self._root / blob_path(parse_digest(digest))
        try:
            with self._explained(f"cannot be read (artifact {short(digest)})"), path.open("rb", buffering=0) as file:
                data, actual = read_hashed(cast("BinaryIO", file), os.fstat(file.fileno()).st_size)
        except FileNotFoundError:
            raise ArtifactNotFoundError(digest, self.url) from None
        if actual != digest:
            raise ArtifactCorruptedError(digest, actual, str(path))
        return data

    def has(self, digest: Digest) -> bool:
        """See Store."""
        path = self._root / blob_path(parse_digest(digest))
        with self._explained("cannot be read"):
            return path.is_file()

    def digests(self) -> Iterator[Digest]:
        """See Store."""
        for path in sorted((self._root / "blobs").glob("??/*")):
            with suppress(ValueError):
                yield parse_digest(path.name)

    def write_document(self, path: str, data: bytes) -> None:
        """See Store."""
        target = self._root / check_path(path)
        with self._explained("cannot be written", missing_is_failure=True):
            self._make_folder(target.parent)
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    os.fchmod(file.fileno(), 0o644)
                self._publish(Path(name), target)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name)

    def read_document(self, path: str) -> bytes | None:
        """See Store."""
        try:
            with self._explained("cannot be read"):
                return (self._root / check_path(path)).read_bytes()
        except FileNotFoundError:
            return None

    def list_documents(self, folder: str) -> list[str]:
        """See Store."""
        try:
            with self._explained("cannot be read"), os.scandir(self._root / check_path(folder)) as entries:
                return sorted(f"{folder}/{e.name}" for e in entries if e.is_file() and not e.name.startswith("."))
        except FileNotFoundError:
            return []

    def delete_document(self, path: str) -> None:
        """See Store."""
        with self._explained("cannot be written"):
            (self._root / check_path(path)).unlink(missing_ok=True)

    def check_writable(self) -> None:
        """See Store."""
        probe = f"tmp/probe-{os.getpid()}"
        self.write_document(probe, b"probe")
        if self.read_document(probe) != b"probe":
            raise StoreError(f"the artifact store {self._root} does not give back what was written", self.url)
        self.delete_document(probe)

    def _refreshed(self, target: Path, size: int) -> bool:
        """Whether the blob is there, whole; then its time is now."""
        try:
            if target.stat().st_size != size:
                return False  # cut short by something outside: replace it
            with suppress(PermissionError):  # another user's file in a shared folder: there, but not ours to touch
                os.utime(target)
        except FileNotFoundError:
            return False
        return True

    def _publish(self, temporary: Path, target: Path) -> None:
        self._make_folder(target.parent)
        os.replace(temporary, target)
        _sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder below the root, so that it outlives a loss of power too. The root itself is never made again."""
        if folder == self._root or folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)

    @contextmanager
    def _explained(self, what: str, *, missing_is_failure: bool = False) -> Iterator[None]:
        """Turn the operating system's errors into ours; when reading, a missing file stays what it is."""
        try:
            yield
        except (ArtifactNotFoundError, ArtifactCorruptedError, StoreError):
            raise
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not missing_is_failure:
                raise
            raise StoreError(f"the artifact store {self._root} {what}: {error.strerror or error}", self.url) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
