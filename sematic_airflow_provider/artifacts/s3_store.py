"""S3Store: a bucket, or a prefix in one, at AWS or at any server that speaks S3."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]

from sematic_airflow_provider.artifacts import condemned
from sematic_airflow_provider.artifacts.content import Content, digest_of, of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes, parse_digest, short
from sematic_airflow_provider.artifacts.s3_access import S3Access, S3Clients, parse_location
from sematic_airflow_provider.artifacts.s3_conditions import Creation, aside_name, move_away
from sematic_airflow_provider.artifacts.s3_download import S3Downloads
from sematic_airflow_provider.artifacts.s3_errors import CONFLICT, EXISTS, NOT_FOUND, code_of, explained
from sematic_airflow_provider.artifacts.s3_upload import MEMORY, PART, S3Uploads
from sematic_airflow_provider.artifacts.store import (
    OWN,
    BlobStat,
    Known,
    Pace,
    Stored,
    blob_path,
    check_document,
    check_path,
    is_document,
    memory,
)
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError, StoreError

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_CANNOT_COPY = frozenset({"NotImplemented", "MethodNotAllowed", "InvalidRequest"})
_HASHERS = 3  # each holds two blocks of what it reads


class S3Store:
    """Blobs and documents in a bucket. Any number of processes and machines may use it at once.

    :param access: as whom; None: as boto3 finds out by itself. Called once in each process.
    :param part_size: larger blobs are sent and read in parts of this size. AWS takes none below 5 MiB.
    :param threads: how many requests run at once.
    """

    def __init__(
        self,
        url: str,
        *,
        access: Callable[[], S3Access] | None = None,
        part_size: int = PART,
        threads: int = 12,
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self._location = parse_location(url)
        self.url = self._location.url
        self._clients = S3Clients(self._location, access, threads)
        self._clients_that_ask_once = S3Clients(self._location, access, threads, attempts=1)
        self._uploads = S3Uploads(self._clients, self._location, part_size, threads)
        self._creation = Creation(self._uploads)
        self._downloads = S3Downloads(self._clients, self._location.bucket, part_size, threads)
        self._part_size, self._threads = part_size, threads
        self._bucket_exists = False

    def put(self, content: Content) -> Stored:
        """See Store."""
        return self._put(digest_of(content), content)

    def put_all(self, contents: Sequence[Content]) -> list[Stored]:
        """See Store. What fits into one request is sent in parallel; of larger ones, the parts are."""
        with ThreadPoolExecutor(_HASHERS, thread_name_prefix="sematic-s3") as pool:
            digests = list(pool.map(digest_of, contents))
        different = dict(zip(digests, contents, strict=True))
        small = {digest: content for digest, content in different.items() if content.size <= self._part_size}
        # content that is not in memory is there while it is on its way
        at_once = MEMORY // max([1, *(content.size for content in small.values())])
        with ThreadPoolExecutor(max(1, min(self._threads, at_once)), thread_name_prefix="sematic-s3") as pool:
            done = dict(zip(small, pool.map(self._put, small, small.values()), strict=True))
        for digest in different.keys() - small.keys():
            done[digest] = self._put(digest, different[digest])
        return [done[digest] for digest in digests]

    def get(self, digest: Digest) -> memoryview:
        """See Store."""
        return self._read(digest, memory)

    def read_into(self, digest: Digest, target: memoryview) -> None:
        """See Store."""

        def fitting(size: int) -> memoryview:
            if size != target.nbytes:
                actual = f"of {size} bytes, where {target.nbytes} were expected"
                raise ArtifactCorruptedError(digest, actual, self._location.shown(blob_path(digest)))
            return target

        self._read(digest, fitting)

    def stat(self, digest: Digest) -> BlobStat | None:
        """See Store."""
        key = self._blob(digest)
        with self._explained(f"cannot be read (artifact {short(digest)})"):
            found = self._head(key)
            if found is None and not self._bucket_exists:  # "not found" may be said of the bucket too
                self._client.head_bucket(Bucket=self._location.bucket)
                self._bucket_exists = True
        return found.stat if found is not None else None

    def blobs(self) -> Iterator[tuple[Digest, BlobStat]]:
        """See Store. S3 lists in the order of the names."""
        prefix = self._location.key("blobs/")
        for entry in self._listed(prefix):
            name = entry["Key"].rpartition("/")[2]
            try:
                digest = parse_digest(name)
            except ValueError:
                continue
            if entry["Key"] == self._blob(digest):
                yield digest, BlobStat(int(entry["Size"]), float(int(entry["LastModified"].timestamp())))

    def delete(self, digest: Digest) -> None:
        """See Store."""
        key = self._blob(digest)
        with self._explained(f"cannot be written (artifact {short(digest)})"):
            self._delete(key)

    def set_aside(self, digest: Digest) -> bool:
        """See Store. Only the object that was read is deleted: another that has come in its place within the last few milliseconds is the exception."""

        def damaged() -> bool:
            try:
                self.get(digest)
            except ArtifactCorruptedError:
                return True
            except ArtifactNotFoundError:
                return False
            return False

        with self._explained(f"cannot be cleaned (artifact {short(digest)})"):
            aside = self._location.key(aside_name(digest))
            return move_away(self._client, self._location.bucket, self._blob(digest), aside, damaged)

    def discard(self, digests: Sequence[Digest], before: float) -> list[Digest]:
        """See Store. A delete that got no answer is not sent again: the second one might delete what a put has written meanwhile."""

        def delete(digest: Digest) -> None:
            self._clients_that_ask_once.client().delete_object(Bucket=self._location.bucket, Key=self._blob(digest))

        with self._explained("cannot be cleaned"):
            return condemned.discard(self, digests, before, delete)

    def tidy(self, before: float) -> int:
        """See Store: uploads in parts that were never completed, and what was set aside."""
        done = 0
        for entry in list(self._listed(self._location.key("tmp/"))):
            if entry["LastModified"].timestamp() < before:
                self._delete(entry["Key"])
                done += 1
        with self._explained("cannot be cleaned"):
            for upload in self._open_uploads():
                if upload["Initiated"].timestamp() < before:
                    self._client.abort_multipart_upload(
                        Bucket=self._location.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    done += 1
        return done

    def now(self) -> float:
        """See Store."""
        with self._explained("cannot be read"):
            return _date_of(self._client.head_bucket(Bucket=self._location.bucket))

    def write_document(self, path: str, data: bytes) -> None:
        """See Store."""
        key = self._document(path)
        check_document(path, len(data), self.url)
        with self._explained(f"cannot be written ({path})"):
            for attempt in range(_ATTEMPTS):
                try:
                    return self._uploads.put(key, of_bytes(data), digest_bytes(data), replace=True)
                except ClientError as error:  # another writer is at it
                    if code_of(error) not in CONFLICT or attempt == _ATTEMPTS - 1:
                        raise
                    time.sleep(0.1 * attempt)
        raise AssertionError  # the last attempt returns or raises

    def create_document(self, path: str, data: bytes) -> bool:
        """See Store: a put on the condition that there is nothing."""
        key = self._document(path)
        check_document(path, len(data), self.url)
        with self._explained(f"cannot be written ({path})"):
            return self._creation.make(key, data, lambda: self.read_document(path))

    def read_document(self, path: str) -> bytes | None:
        """See Store."""
        key = self._document(path)

        def room(size: int) -> memoryview:
            check_document(path, size, self.url)
            return memory(size)

        with self._explained(f"cannot be read ({path})"):
            try:
                data, _ = self._downloads.read(key, room)
            except ClientError as error:
                if code_of(error) in NOT_FOUND:
                    return None
                raise
        return bytes(data)

    def list_documents(self, folder: str) -> list[str]:
        """See Store."""
        prefix = self._document(folder) + "/"
        names = [entry["Key"].removeprefix(prefix) for entry in self._listed(prefix, Delimiter="/")]
        return sorted(f"{folder}/{name}" for name in names if name and not name.startswith("."))

    def documents(self) -> Iterator[str]:
        """See Store."""
        root = self._location.key("")
        with self._explained("cannot be listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._location.bucket, Prefix=root, Delimiter="/"
            )
            top = list(pages)
        keys = [entry["Key"] for page in top for entry in page.get("Contents", ())]
        folders = [entry["Prefix"] for page in top for entry in page.get("CommonPrefixes", ())]
        for folder in folders:
            if folder.removeprefix(root).rstrip("/") not in OWN:
                keys.extend(entry["Key"] for entry in self._listed(folder))
        yield from (key.removeprefix(root) for key in keys if is_document(key.removeprefix(root)))

    def delete_document(self, path: str) -> None:
        """See Store."""
        key = self._document(path)
        with self._explained(f"cannot be written ({path})"):
            self._delete(key)

    def check_writable(self) -> None:
        """See Store."""
        probe = f"tmp/probe-{uuid.uuid4().hex}"
        self.write_document(probe, b"probe")
        try:
            if self.read_document(probe) != b"probe":
                raise StoreError(f"the artifact store {self.url} does not give back what was written", self.url)
        finally:
            self.delete_document(probe)

    def _put(self, digest: Digest, content: Content) -> Stored:
        key = self._blob(digest)
        with self._explained(f"cannot be written (artifact {short(digest)})"):
            for attempt in range(_ATTEMPTS):
                found = self._head(key)
                known: Known = "missing" if found is None else self._refreshed(key, digest, content.size, found)
                if known != "missing":
                    return Stored(digest, content.size, new=False, renewed=known == "renewed")
                try:
                    # one that is of another size was cut short by something outside: replace it
                    self._uploads.put(key, content, digest, replace=found is not None)
                except ClientError as error:
                    # Another writer was first, or is at it; or our own answer got lost. Look again.
                    if code_of(error) not in EXISTS | CONFLICT | {"NoSuchUpload"} or attempt == _ATTEMPTS - 1:
                        raise
                    time.sleep(0.1 * attempt)
                else:
                    return Stored(digest, content.size, new=True)
        raise AssertionError  # the last attempt returns or raises

    def _refreshed(self, key: str, digest: Digest, size: int, found: _Found) -> Known:
        """Whether the blob is there, whole, its time recent, and no collector about to delete it."""
        if found.stat.size != size:
            condemned.wait_until_spared(self, digest)
            return "missing"
        if found.now - found.stat.modified <= self.pace.refresh:
            return "recent"
        try:
            renewed = condemned.renewed(self, digest, size, lambda: self._uploads.refresh(key, size))
        except ClientError as error:
            # Deleted meanwhile, or somebody is at it, or a server that cannot copy: the content is at hand, and is written again.
            if code_of(error) in NOT_FOUND | CONFLICT | _CANNOT_COPY:
                return "missing"
            raise
        return "renewed" if renewed else "missing"

    def _read(self, digest: Digest, target: Callable[[int], memoryview]) -> memoryview:
        key = self._blob(digest)
        with self._explained(f"cannot be read (artifact {short(digest)})"):
            try:
                data, actual = self._downloads.read(key, target)
                if actual != digest:  # on the way perhaps: an error that says "corrupted" must be true
                    log.warning("artifact %s arrived damaged from %s: reading it again", short(digest), self.url)
                    data, actual = self._downloads.read(key, target)
            except ClientError as error:
                if code_of(error) in NOT_FOUND:
                    raise ArtifactNotFoundError(digest, self.url) from None
                raise
        if actual != digest:
            raise ArtifactCorruptedError(digest, actual, self._location.shown(blob_path(digest)))
        return data

    def _open_uploads(self) -> list[dict[str, Any]]:
        """Uploads in parts that are not completed, of those servers that tell of them; others may do so by an error when there are none."""
        pages = self._client.get_paginator("list_multipart_uploads")
        try:
            found = list(pages.paginate(Bucket=self._location.bucket, Prefix=self._location.key("blobs/")))
        except ClientError as error:
            if code_of(error) in ("NoSuchUpload", "NotImplemented", "MethodNotAllowed"):
                return []
            raise
        return [upload for page in found for upload in page.get("Uploads", ())]

    def _head(self, key: str) -> _Found | None:
        try:
            answer = self._client.head_object(Bucket=self._location.bucket, Key=key)
        except ClientError as error:
            if code_of(error) in NOT_FOUND:
                return None
            raise
        stat = BlobStat(int(answer["ContentLength"]), float(int(answer["LastModified"].timestamp())))
        return _Found(stat, _date_of(answer))

    def _delete(self, key: str) -> None:
        try:
            self._client.delete_object(Bucket=self._location.bucket, Key=key)
        except ClientError as error:
            if code_of(error) not in NOT_FOUND:
                raise

    def _listed(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        with self._explained("cannot be listed"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._location.bucket, Prefix=prefix, **options
            )
            for page in pages:
                yield from page.get("Contents", ())

    def _blob(self, digest: Digest) -> str:
        return self._location.key(blob_path(parse_digest(digest)))

    def _document(self, path: str) -> str:
        return self._location.key(check_path(path))

    def _explained(self, what: str) -> Any:
        return explained(self._location, what, self._clients)

    @property
    def _client(self) -> Any:
        return self._clients.client()


@dataclass(frozen=True, slots=True)
class _Found:
    stat: BlobStat
    now: float  # by the server's clock


def _date_of(answer: dict[str, Any]) -> float:
    """When the server answered, by its own clock; by ours where it does not tell."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date).timestamp() if date else time.time()
