"""LocalStore: a folder, on this machine or shared by all."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from sematic_airflow_provider.artifacts import collector_lock
from sematic_airflow_provider.artifacts.content import BLOCK, Content, copy_hashed, digest_of, known_digest
from sematic_airflow_provider.artifacts.digest import Digest, parse_digest, short
from sematic_airflow_provider.artifacts.samples import Samples, sample_of
from sematic_airflow_provider.artifacts.store import (
    OWN,
    BlobStat,
    Known,
    Pace,
    Stored,
    blob_path,
    check_document,
    check_path,
    check_unchanged,
    digest_mapped,
    is_document,
    memory,
    read_hashed,
)
from sematic_airflow_provider.artifacts.write_behind import WriteBehind
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError, StoreError

_FEW = 8
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_WRITERS = 3
_SYNCERS = 16
"""Threads that wait for the disk: a file system that is asked for many files at once writes its journal once for them."""
_LARGE = 64 << 20
"""From this size on it is worth asking whether a content is likely to be new (see ``samples``)."""


class LocalStore:
    """Blobs and documents in a folder. Safe with any number of processes: files appear by rename, whole or not at all."""

    def __init__(
        self, root: str | os.PathLike[str], *, create: bool = False, pace: Pace | None = None, large: int = _LARGE
    ) -> None:
        self._root = Path(root).expanduser().absolute()
        self._large = large
        self._samples = Samples(self._root)
        self.pace = pace or Pace()
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

    def put(self, content: Content) -> Stored:
        """See Store: temporary file, fsync, rename, fsync of the folder."""
        return self.put_all([content])[0]

    def put_all(self, contents: Sequence[Content]) -> list[Stored]:
        """See Store. All are written before the first is synced, and each folder is synced once; several files are written and synced at a time."""
        done: list[Stored] = []
        missing: dict[Path, tuple[Content, Digest]] = {}
        written: dict[Path, Path] = {}
        ahead: list[Path] = []
        samples: list[str] = []

        def write(target: Path) -> None:
            written[target] = self._staged(*missing[target])[0]

        with self._explained("cannot be written", missing_is_failure=True):
            try:
                for content in contents:
                    sample = self._new_sample(content)
                    if sample is None:
                        digest = digest_of(content)
                    else:
                        temporary, digest = self._staged(content, None)
                        ahead.append(temporary)
                        samples.append(sample)
                    target = self._root / blob_path(digest)
                    known = target in missing or target in written
                    found: Known = "recent" if known else self._refreshed(target, content.size)
                    if found == "missing" and sample is None:
                        missing[target] = content, digest
                    elif found == "missing":
                        written[target] = temporary
                    done.append(Stored(digest, content.size, new=found == "missing", renewed=found == "renewed"))
                _at_once(write, missing, _WRITERS)
                self._publish_all(written)
            finally:
                for temporary in (*written.values(), *ahead):
                    with suppress(FileNotFoundError):
                        temporary.unlink()
        for sample in samples:
            self._samples.remember(sample)
        return done

    def get(self, digest: Digest) -> memoryview:
        """See Store. A large blob is mapped, not copied: its pages are the system's cache until they are written to.

        Blobs are never changed in place, and one that is deleted stays as long as it is mapped.
        """
        with self._opened(digest) as file:
            size = os.fstat(file.fileno()).st_size
            if size >= BLOCK:
                data = memoryview(
                    mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
                )
                actual = digest_mapped(data)
            else:
                data = memory(size)
                end, actual = read_hashed(cast("BinaryIO", file), data)
                data = data[:end]
        self._check(digest, actual)
        return data

    def read_into(self, digest: Digest, target: memoryview) -> None:
        """See Store."""
        with self._opened(digest) as file:
            size = os.fstat(file.fileno()).st_size
            end, actual = read_hashed(cast("BinaryIO", file), target)
        if size != target.nbytes or end != target.nbytes:
            actual = Digest(f"of {size} bytes, where {target.nbytes} were expected")
        self._check(digest, actual)

    def stat(self, digest: Digest) -> BlobStat | None:
        """See Store."""
        path = self._root / blob_path(parse_digest(digest))
        try:
            with self._explained("cannot be read"):
                found = path.stat()
        except FileNotFoundError:
            return None
        return BlobStat(found.st_size, found.st_mtime)

    def blobs(self) -> Iterator[tuple[Digest, BlobStat]]:
        """See Store."""
        for path in sorted((self._root / "blobs").glob("??/*")):
            with suppress(ValueError, FileNotFoundError):
                digest, found = parse_digest(path.name), path.stat()
                yield digest, BlobStat(found.st_size, found.st_mtime)

    def delete(self, digest: Digest) -> None:
        """See Store."""
        with self._explained("cannot be written"):
            (self._root / blob_path(parse_digest(digest))).unlink(missing_ok=True)

    def set_aside(self, digest: Digest) -> bool:
        """See Store. What is moved is the file that was read, or nothing: whoever replaces a blob takes the lock too."""
        path = self._root / blob_path(parse_digest(digest))
        try:
            with self._opened(digest) as file, self._explained("cannot be cleaned"):
                read = os.fstat(file.fileno())
                hashed = hashlib.sha256()
                while block := file.read(BLOCK):
                    hashed.update(block)
                if hashed.hexdigest() == digest:
                    return False
                with self._locked_if_it_can_be():
                    found = path.stat()
                    if (found.st_dev, found.st_ino) != (read.st_dev, read.st_ino):
                        return False
                    os.rename(path, self._staging() / f"damaged-{digest}-{uuid.uuid4().hex[:8]}")
        except FileNotFoundError:  # ours too: it has gone meanwhile
            return False
        return True

    @contextmanager
    def _locked_if_it_can_be(self) -> Iterator[None]:
        with collector_lock.opened(self._root, writable=True) as lock, ExitStack() as held:
            with suppress(OSError):  # a file system without locks: a moment in which a whole blob could be moved stays
                held.enter_context(lock.held(exclusive=True))
            yield

    def discard(self, digests: Sequence[Digest], before: float) -> list[Digest]:
        """See Store. A blob is looked at and deleted under a lock that whoever renews or replaces one takes too."""
        gone: list[Digest] = []
        with self._explained("cannot be cleaned"), collector_lock.opened(self._root, writable=True) as lock:
            for digest in digests:
                path = self._root / blob_path(parse_digest(digest))
                with lock.held(exclusive=True), suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        path.unlink()
                        gone.append(digest)
        return gone

    def tidy(self, before: float) -> int:
        """See Store."""
        done = 0
        with self._explained("cannot be cleaned"):
            for path in (self._root / "tmp").glob("*"):
                with suppress(FileNotFoundError):
                    if path.is_file() and path.stat().st_mtime < before:
                        path.unlink()
                        done += 1
            self._samples.tidy()
        return done

    def now(self) -> float:
        """See Store: of the machine that holds the folder, which may be a file server."""
        with (
            self._explained("cannot be written", missing_is_failure=True),
            tempfile.TemporaryFile(dir=self._staging()) as file,
        ):
            return os.fstat(file.fileno()).st_mtime

    def write_document(self, path: str, data: bytes) -> None:
        """See Store."""
        with self._document_file(path, data) as (temporary, target):
            self._publish(temporary, target)

    def create_document(self, path: str, data: bytes) -> bool:
        """See Store. The name is given by a hard link, which fails where there is one; on file systems without links, by making the file alone."""
        with self._document_file(path, data) as (temporary, target):
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _made_alone(target, data)
        return True

    @contextmanager
    def _document_file(self, path: str, data: bytes) -> Iterator[tuple[Path, Path]]:
        """A document in a temporary file, and where it belongs. What is left of the file is deleted."""
        target = self._root / check_path(path)
        check_document(path, len(data), self.url)
        with self._explained("cannot be written", missing_is_failure=True):
            self._make_folders([target.parent])
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    os.fchmod(file.fileno(), 0o644)
                yield Path(name), target
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name)

    def read_document(self, path: str) -> bytes | None:
        """See Store."""
        try:
            with self._explained("cannot be read"), (self._root / check_path(path)).open("rb") as file:
                check_document(path, os.fstat(file.fileno()).st_size, self.url)
                return file.read()
        except FileNotFoundError:
            return None

    def list_documents(self, folder: str) -> list[str]:
        """See Store."""
        try:
            with self._explained("cannot be read"), os.scandir(self._root / check_path(folder)) as entries:
                return sorted(f"{folder}/{e.name}" for e in entries if e.is_file() and not e.name.startswith("."))
        except FileNotFoundError:
            return []

    def documents(self) -> Iterator[str]:
        """See Store."""
        for folder, folders, files in os.walk(self._root, onerror=self._unreadable):
            if Path(folder) == self._root:
                folders[:] = [name for name in folders if name not in OWN]
            found = (Path(folder, name).relative_to(self._root).as_posix() for name in files)
            yield from (path for path in found if is_document(path))

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

    def _refreshed(self, target: Path, size: int) -> Known:
        """Whether the blob is there, whole; then its time is recent, or made so, and no collector is about to delete it."""
        try:
            found = target.stat()
            if found.st_size == size and time.time() - found.st_mtime <= self.pace.refresh:
                return "recent"
            with self._no_collector():  # it may have gone since, or been made whole
                if target.stat().st_size != size:
                    return "missing"  # cut short by something outside: replace it
                os.utime(target)
        except FileNotFoundError:
            return "missing"
        except PermissionError:
            return "missing"  # another user's file in a shared folder: one of our own takes its place
        return "renewed"

    @contextmanager
    def _no_collector(self) -> Iterator[None]:
        """While this is entered, no collector deletes a blob. On a file system without locks none runs, see ``discard``."""
        with collector_lock.opened(self._root, writable=False) as lock, lock.held(exclusive=False):
            yield

    def _new_sample(self, content: Content) -> str | None:
        """The sample of a large content that has not been hashed and is most likely new; None for any other."""
        if known_digest(content) is not None or content.size < self._large:
            return None
        sample = sample_of(content)
        return None if self._samples.seen(sample) else sample

    def _unreadable(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise StoreError(f"the artifact store {self._root} cannot be read: {error}", self.url) from error

    def _staging(self) -> Path:
        staging = self._root / "tmp"
        staging.mkdir(exist_ok=True)
        return staging

    def _staged(self, content: Content, expected: Digest | None) -> tuple[Path, Digest]:
        """The content in a temporary file, on its way to the disk, and its digest."""
        descriptor, name = tempfile.mkstemp(dir=self._staging(), prefix="put-")
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                digest = copy_hashed(content, cast("BinaryIO", WriteBehind(file)))
                check_unchanged(expected, digest, self.url)
                os.fchmod(file.fileno(), 0o644)
        except BaseException:
            os.unlink(name)
            raise
        return Path(name), digest

    def _publish(self, temporary: Path, target: Path) -> None:
        self._publish_all({target: temporary})

    def _publish_all(self, written: Mapping[Path, Path]) -> None:
        """Sync each file, then give it its name, then sync the folders."""
        _at_once(_sync, written.values(), _SYNCERS)
        folders = {target.parent for target in written}
        self._make_folders(folders)
        for target, temporary in written.items():
            replaces_blob = target.parent.parent.name == "blobs" and target.exists()
            with self._no_collector() if replaces_blob else nullcontext():
                os.replace(temporary, target)
        _at_once(_sync, folders, _SYNCERS)

    def _make_folders(self, folders: Collection[Path]) -> None:
        """Make folders below the root, so that they outlive a loss of power too. The root itself is never made again."""
        missing = {folder for folder in folders if folder != self._root and not folder.is_dir()}
        if not missing:
            return
        parents = {folder.parent for folder in missing}
        self._make_folders(parents)
        for folder in missing:
            folder.mkdir(exist_ok=True)
        for parent in parents:
            _sync(parent)

    @contextmanager
    def _opened(self, digest: Digest) -> Iterator[IO[bytes]]:
        path = self._root / blob_path(parse_digest(digest))
        try:
            with self._explained(f"cannot be read (artifact {short(digest)})"), path.open("rb", buffering=0) as file:
                yield file
        except FileNotFoundError:
            raise ArtifactNotFoundError(digest, self.url) from None

    def _check(self, expected: Digest, actual: Digest) -> None:
        if actual != expected:
            raise ArtifactCorruptedError(expected, actual, str(self._root / blob_path(expected)))

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


def _made_alone(target: Path, data: bytes) -> bool:
    try:
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def _at_once(do: Callable[[Path], None], paths: Collection[Path], threads: int) -> None:
    """Do it with each path; where they are many, with several at a time. Raises what the first that fails raises, once none is under way."""
    if len(paths) <= _FEW:
        for path in paths:
            do(path)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(do, paths):
            pass


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
