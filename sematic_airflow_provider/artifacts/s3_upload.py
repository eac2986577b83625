"""Writing to S3: one request, or parts in parallel. An object appears whole or not at all, and only with the bytes that were meant."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped, unused-ignore]

from sematic_airflow_provider.artifacts.content import Content
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes, short
from sematic_airflow_provider.artifacts.s3_access import S3Clients, S3Location
from sematic_airflow_provider.artifacts.s3_errors import DAMAGED, UNKNOWN, code_of, status_of
from sematic_airflow_provider.errors import StoreError

log = logging.getLogger(__name__)

PART = 8 << 20
MEMORY = 48 << 20
"""What all parts that are on their way take at most, where one does not take more."""

_MAX_PARTS = 10_000
_MIB = 1 << 20
_COPY_PART = 1 << 30
_COPY_LIMIT = 5 * 10**9
_ATTEMPTS = 3
_Answer = TypeVar("_Answer")


class S3Uploads:
    """Puts objects into one bucket.

    Each put may go with two headers: a condition (write only where nothing is), and a checksum that the server compares. Some servers
    refuse one or both. Then they are left out from there on: the put is still atomic, and two writers of one blob write the same bytes.
    """

    def __init__(self, clients: S3Clients, location: S3Location, part_size: int, threads: int) -> None:
        self._clients, self._location = clients, location
        self._part_size, self._threads = part_size, threads
        self._left_out = 0  # 0: nothing; 1: the condition; 2: the checksum too

    def put(self, key: str, content: Content, digest: Digest, *, replace: bool) -> None:
        """Write content that has this digest; if nothing is there yet, unless ``replace``.

        Raises:
            StoreError: the content does not hash to the digest (any more).
            ClientError: among others 412 when something is there already.
        """
        if content.size <= self._part_size:
            self._put_small(key, content, digest, replace=replace)
        else:
            self._accepted(lambda left_out: self._put_parts(key, content, digest, replace=replace, left_out=left_out))

    def _put_small(self, key: str, content: Content, digest: Digest, *, replace: bool) -> None:
        data = content.view(0, content.size)
        if digest_bytes(data) != digest:
            raise self._changed(digest)

        def send(left_out: int) -> None:
            extra = {**_checksum(bytes.fromhex(digest), left_out), **_condition(replace or left_out > 0)}
            _undamaged(lambda: self._client.put_object(Body=_body(data), **self._at(key), **_TYPE, **extra))

        self._accepted(send)

    def _put_parts(self, key: str, content: Content, digest: Digest, *, replace: bool, left_out: int) -> None:
        algorithm = {"ChecksumAlgorithm": "SHA256"} if left_out < 2 else {}
        with self._multipart(key, **algorithm) as upload:
            parts = self._send_parts(upload, content, digest, left_out)
            self._complete(upload, parts, _condition(replace or left_out > 0))

    def _send_parts(
        self, upload: dict[str, str], content: Content, digest: Digest, left_out: int
    ) -> list[dict[str, Any]]:
        """Parts are read and hashed in order here, and sent by threads meanwhile."""
        size = self._size_of_parts(content.size)
        hashed, room, failed = hashlib.sha256(), _Room(MEMORY), threading.Event()

        def send(number: int, data: memoryview) -> dict[str, Any]:
            try:
                if failed.is_set():
                    return {}
                checksum = _checksum(hashlib.sha256(data).digest(), left_out)
                answer = _undamaged(
                    lambda: self._client.upload_part(Body=_body(data), PartNumber=number, **upload, **checksum)
                )
                return {"PartNumber": number, "ETag": answer["ETag"], **checksum}
            except BaseException:
                failed.set()
                raise
            finally:
                room.give(data.nbytes)

        sent: list[Future[dict[str, Any]]] = []
        with ThreadPoolExecutor(self._threads, thread_name_prefix="sematic-s3") as pool:
            try:
                for number, start in enumerate(range(0, content.size, size), start=1):
                    room.take(min(size, content.size - start))
                    if failed.is_set():
                        break
                    data = content.view(start, min(size, content.size - start))
                    sent.append(pool.submit(send, number, data))
                    hashed.update(data)
            except BaseException:
                failed.set()
                raise
        parts = [future.result() for future in sent]  # raises what the first part that failed raised
        if hashed.hexdigest() != digest:
            raise self._changed(digest)
        return parts

    def refresh(self, key: str, size: int) -> None:
        """Renew an object's time: it is copied onto itself, by the server.

        Raises:
            ClientError: among others when it has gone meanwhile, or the server does not do that.
        """
        source = {"CopySource": self._at(key)}
        if size <= _COPY_LIMIT:
            self._client.copy_object(MetadataDirective="REPLACE", **self._at(key), **source, **_TYPE)
            return

        def copy(number: int, start: int) -> dict[str, Any]:
            span = f"bytes={start}-{min(start + _COPY_PART, size) - 1}"
            answer = self._client.upload_part_copy(PartNumber=number, CopySourceRange=span, **upload, **source)
            return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

        with self._multipart(key) as upload, ThreadPoolExecutor(self._threads, thread_name_prefix="sematic-s3") as pool:
            starts = range(0, size, _COPY_PART)
            self._complete(upload, list(pool.map(copy, range(1, len(starts) + 1), starts)), {})

    @contextmanager
    def _multipart(self, key: str, **options: str) -> Iterator[dict[str, str]]:
        """An upload that is aborted when anything fails: parts of one that is not completed cost money and are seen by nobody."""
        client = self._client
        made = client.create_multipart_upload(**self._at(key), **_TYPE, **options)
        upload = {**self._at(key), "UploadId": made["UploadId"]}
        try:
            yield upload
        except BaseException:
            try:
                client.abort_multipart_upload(**upload)
            except (BotoCoreError, ClientError) as error:
                if code_of(error) != "NoSuchUpload":
                    log.warning(
                        "the parts of an upload to %s could not be deleted (%s): a lifecycle rule should do it",
                        key,
                        error,
                    )
            raise

    def _complete(self, upload: dict[str, str], parts: list[dict[str, Any]], condition: dict[str, str]) -> None:
        self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)

    def _accepted(self, send: Callable[[int], None]) -> None:
        """Send; where the server refuses a header that it does not know, with fewer of them. What it accepted is remembered."""
        left_out = self._left_out
        while True:
            try:
                send(left_out)
            except ClientError as error:
                if left_out == 2 or not (code_of(error) in UNKNOWN or status_of(error) == 501):
                    raise
                left_out += 1
                refusal = error
                continue
            break
        if left_out > self._left_out:
            self._left_out = left_out
            without = "conditional writes" if left_out == 1 else "conditional writes and SHA-256 checksums"
            log.info("%s knows no %s (%s): writing without", self._location.url, without, refusal)

    def _size_of_parts(self, size: int) -> int:
        least = -(-size // _MAX_PARTS)
        return max(self._part_size, -(-least // _MIB) * _MIB)

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._location.bucket, "Key": key}

    def _changed(self, digest: Digest) -> StoreError:
        return StoreError(f"artifact {short(digest)} changed while it was being stored", self._location.url)

    @property
    def _client(self) -> Any:
        return self._clients.client()


_TYPE = {"ContentType": "application/octet-stream"}


def _checksum(sha256: bytes, left_out: int) -> dict[str, str]:
    return {"ChecksumSHA256": b64encode(sha256).decode()} if left_out < 2 else {}


def _condition(omitted: bool) -> dict[str, str]:
    return {} if omitted else {"IfNoneMatch": "*"}


def _undamaged(send: Callable[[], _Answer]) -> _Answer:
    """Send again what did not arrive as it was sent; boto3 repeats only what failed in other ways."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return send()
        except ClientError as error:
            if code_of(error) not in DAMAGED:
                raise
            log.warning("what was sent to S3 arrived damaged (%s): sending again", code_of(error))
    return send()


def _body(data: memoryview) -> Any:
    """A request's body. Large ones are not copied, and wait for the server to say that it wants them (Expect: 100-continue)."""
    return bytes(data) if data.nbytes < _MIB else _Body(data)


class _Body(io.RawIOBase):
    """Memory as a file whose reads copy nothing. They give at least 256 KiB: HTTP libraries ask for 16, each of which costs a call to the system."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._position = data, 0

    def read(self, size: int = -1) -> Any:
        """The next bytes."""
        end = self._data.nbytes if size < 0 else self._position + max(size, 256 << 10)
        block = self._data[self._position : end]
        self._position += block.nbytes
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, as retries do."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._data.nbytes}[whence]
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


class _Room:
    """So many bytes may be on their way at a time; what is larger goes alone."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._free >= min(size, self._size))
            self._free -= min(size, self._size)

    def give(self, size: int) -> None:
        with self._changed:
            self._free += min(size, self._size)
            self._changed.notify_all()
