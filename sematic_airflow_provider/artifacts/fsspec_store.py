"""FsspecStore: any place that fsspec knows (S3, GCS, Azure, memory), through its generic operations."""

from __future__ import annotations

import datetime as dt
import hashlib
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sematic_airflow_provider.artifacts import condemned
from sematic_airflow_provider.artifacts.content import BLOCK, Content, copy_hashed, digest_of, of_bytes, read_all
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes, parse_digest, short
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
    is_document,
    memory,
)
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError, MissingExtraError, StoreError

_MODIFIED = ("LastModified", "last_modified", "mtime", "updated", "modified", "timeModified", "created")
_EXTRAS = {"s3": "s3", "s3a": "s3"}
_SETTLE = 0.5
_creating = threading.Lock()
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory"})


class FsspecStore:
    """Object stores make what is put visible whole or not at all; elsewhere it is written under another name and moved."""

    def __init__(self, url: str, *, pace: Pace | None = None, file_system: Any = None) -> None:
        import fsspec

        self.pace = pace or Pace()
        protocol = url.split("://", 1)[0]
        try:
            if file_system is None:
                self._fs, self._root = fsspec.core.url_to_fs(url)
            else:
                self._fs, self._root = file_system, file_system._strip_protocol(url)
        except ImportError as error:
            if protocol in _EXTRAS:
                raise MissingExtraError(f"the store {url}", _EXTRAS[protocol]) from error
            raise StoreError(f"the store {url} needs a package that is not installed: {error}", url) from error
        except ValueError as error:
            raise StoreError(f"the store {url} cannot be opened: {error}", url) from error
        self.url = url.rstrip("/")
        self._root = str(self._root).rstrip("/")
        self._puts_whole = protocol in _OBJECT_STORES
        self._in_memory = protocol == "memory"

    def put(self, content: Content) -> Stored:
        """See Store."""
        with self._explained("cannot be written", missing_is_failure=True):
            digest = digest_of(content)
            target = self._path(blob_path(digest))
            found = self._refreshed(target, digest, content.size)
            if found != "missing":
                return Stored(digest, content.size, new=False, renewed=found == "renewed")
            self._publish(content, target, digest)
        return Stored(digest, content.size, new=True)

    def put_all(self, contents: Sequence[Content]) -> list[Stored]:
        """See Store. One after another: not every file system that fsspec knows is safe with threads."""
        return [self.put(content) for content in contents]

    def get(self, digest: Digest) -> memoryview:
        """See Store."""
        found = self.stat(digest)
        if found is None:
            raise ArtifactNotFoundError(digest, self.url)
        data = memory(found.size)
        self.read_into(digest, data)
        return data

    def read_into(self, digest: Digest, target: memoryview) -> None:
        """See Store."""
        path = self._path(blob_path(parse_digest(digest)))
        hashed, end = hashlib.sha256(), 0
        try:
            with self._explained(f"cannot be read (artifact {short(digest)})"), self._fs.open(path, "rb") as file:
                while block := file.read(BLOCK):
                    hashed.update(block)
                    room = target[end : end + len(block)]
                    room[:] = block[: room.nbytes]
                    end += len(block)
        except FileNotFoundError:
            raise ArtifactNotFoundError(digest, self.url) from None
        if hashed.hexdigest() != digest or end != target.nbytes:
            raise ArtifactCorruptedError(digest, hashed.hexdigest(), f"{self.url}/{blob_path(digest)}")

    def stat(self, digest: Digest) -> BlobStat | None:
        """See Store."""
        path = self._path(blob_path(parse_digest(digest)))
        try:
            with self._explained("cannot be read"):
                self._fs.invalidate_cache(path.rsplit("/", 1)[0])
                return _stat_of(self._fs.info(path))
        except FileNotFoundError:
            return None

    def blobs(self) -> Iterator[tuple[Digest, BlobStat]]:
        """See Store."""
        try:
            with self._explained("cannot be listed"):
                self._fs.invalidate_cache()
                found = self._fs.find(self._path("blobs"), detail=True)
        except FileNotFoundError:
            return
        for name in sorted(found):
            with suppress(ValueError):
                yield parse_digest(str(name).rsplit("/", 1)[-1]), _stat_of(found[name])

    def delete(self, digest: Digest) -> None:
        """See Store."""
        with suppress(FileNotFoundError), self._explained("cannot be written"):
            self._fs.rm_file(self._path(blob_path(parse_digest(digest))))

    def set_aside(self, digest: Digest) -> bool:
        """See Store. A put that replaces the blob at this very moment may have its own moved, and is then written anew by the next."""
        path = self._path(blob_path(parse_digest(digest)))
        try:
            self.get(digest)
        except ArtifactNotFoundError:
            return False
        except ArtifactCorruptedError:
            aside = self._path(f"tmp/damaged-{digest}-{uuid.uuid4().hex[:8]}")
            with suppress(FileNotFoundError), self._explained("cannot be cleaned"):
                self._make_parent(aside)
                self._fs.mv(path, aside)
                return True
        return False

    def discard(self, digests: Sequence[Digest], before: float) -> list[Digest]:
        """See Store. What fsspec's file system sends again by itself when no answer comes is not known here."""
        return condemned.discard(self, digests, before, self.delete)

    def tidy(self, before: float) -> int:
        """See Store."""
        old = [
            path for path in self.list_documents("tmp") if _stat_of(self._fs.info(self._path(path))).modified < before
        ]
        for path in old:
            self.delete_document(path)
        return len(old)

    def now(self) -> float:
        """See Store."""
        probe = f"tmp/clock-{uuid.uuid4().hex}"
        self.write_document(probe, b"")
        try:
            return _stat_of(self._fs.info(self._path(probe))).modified
        finally:
            self.delete_document(probe)

    def write_document(self, path: str, data: bytes) -> None:
        """See Store."""
        target = self._path(check_path(path))
        check_document(path, len(data), self.url)
        with self._explained("cannot be written", missing_is_failure=True):
            self._publish(of_bytes(data), target, None)

    def create_document(self, path: str, data: bytes) -> bool:
        """See Store. As well as this file system can: in memory and on disks surely, and where it knows ``mode="create"``; elsewhere by looking."""
        target = self._path(check_path(path))
        check_document(path, len(data), self.url)
        with self._explained("cannot be written", missing_is_failure=True), _creating:
            self._make_parent(target)
            self._fs.invalidate_cache(target.rsplit("/", 1)[0])
            try:
                if not self._puts_whole:
                    with self._fs.open(target, "xb") as file:
                        file.write(data)
                    return True
                self._fs.pipe_file(target, data, mode="create")
            except FileExistsError:
                return False
            except (NotImplementedError, TypeError, ValueError):
                if self._fs.exists(target):
                    return False
                self._publish(of_bytes(data), target, None)
        if self._in_memory:
            return True
        time.sleep(_SETTLE)
        return self.read_document(path) == data

    def read_document(self, path: str) -> bytes | None:
        """See Store."""
        try:
            with self._explained("cannot be read"):
                place = self._path(check_path(path))
                check_document(path, int(self._fs.size(place) or 0), self.url)
                return bytes(self._fs.cat_file(place))
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

    def documents(self) -> Iterator[str]:
        """See Store."""
        try:
            with self._explained("cannot be listed"):
                self._fs.invalidate_cache()
                top: list[dict[str, Any]] = self._fs.ls(self._root, detail=True)
                names = [str(entry["name"]) for entry in top if entry["type"] == "file"]
                for entry in top:
                    if entry["type"] != "file" and entry["name"].rstrip("/").rsplit("/", 1)[-1] not in OWN:
                        names.extend(str(name) for name in self._fs.find(entry["name"]))
        except FileNotFoundError:
            return
        start = len(top[0]["name"].rstrip("/").rsplit("/", 1)[0]) + 1 if top else 0
        yield from (name[start:] for name in names if is_document(name[start:]))

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

    def _refreshed(self, target: str, digest: Digest, size: int) -> Known:
        try:
            self._fs.invalidate_cache(target.rsplit("/", 1)[0])
            found = _stat_of(self._fs.info(target))
        except FileNotFoundError:
            return "missing"
        if found.size != size:
            condemned.wait_until_spared(self, digest)
            return "missing"
        if time.time() - found.modified <= self.pace.refresh:
            return "recent"
        return "renewed" if condemned.renewed(self, digest, size, lambda: self._touch(target)) else "missing"

    def _touch(self, target: str) -> None:
        """Renew a blob's time, where this place can do that."""
        try:
            self._fs.touch(target, truncate=False)
        except (NotImplementedError, OSError, TypeError, ValueError):
            with suppress(NotImplementedError, OSError):
                self._fs.cp_file(target, target)

    def _publish(self, content: Content, target: str, digest: Digest | None) -> None:
        self._make_parent(target)
        if self._puts_whole:
            self._upload(content, target, digest)
            return
        temporary = self._path(f"tmp/put-{uuid.uuid4().hex}")
        self._make_parent(temporary)
        try:
            self._upload(content, temporary, digest)
            self._fs.mv(temporary, target)
        except BaseException:
            with suppress(OSError):
                self._fs.rm_file(temporary)
            raise

    def _upload(self, content: Content, target: str, digest: Digest | None) -> None:
        if content.size <= BLOCK:
            data = read_all(content)
            check_unchanged(digest, digest_bytes(data), self.url)
            self._fs.pipe_file(target, data)
            return
        file = self._fs.open(target, "wb")
        try:
            check_unchanged(digest, copy_hashed(content, file), self.url)
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


def _stat_of(info: Mapping[str, Any]) -> BlobStat:
    """Each file system has its own name for the time of the last change; one that tells none counts as just written."""
    moment = next((info[key] for key in _MODIFIED if info.get(key) is not None), time.time())
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment.replace("Z", "+00:00"))
    if isinstance(moment, dt.datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)).timestamp()
    return BlobStat(int(info.get("size") or 0), float(moment))
