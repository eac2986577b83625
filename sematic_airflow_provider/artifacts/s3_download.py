"""Reading from S3: ranges in parallel, straight into memory, hashed in order beside the transfer."""

from __future__ import annotations

import hashlib
import logging
import random
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.s3_access import S3Clients
from sematic_airflow_provider.artifacts.s3_errors import BROKEN, status_of

log = logging.getLogger(__name__)

_STEP = 1 << 20
_ATTEMPTS = 6
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class S3Downloads:
    """Reads objects of one bucket."""

    def __init__(self, clients: S3Clients, bucket: str, part_size: int, threads: int) -> None:
        self._clients, self._bucket = clients, bucket
        self._part_size, self._threads = part_size, threads

    def read(self, key: str, target: Callable[[int], memoryview]) -> tuple[memoryview, Digest]:
        """Fill the memory that ``target`` gives for the object's size; the memory, and the digest of what is in it. Small objects cost one request.

        Raises:
            ClientError: among others when there is none.
            BotoCoreError: the answer broke off again and again.
        """
        try:
            answer = self._ask(key, 0, self._part_size)
        except ClientError as error:
            if status_of(error) != 416:  # no byte can be asked for where there are none
                raise
            return target(0), digest_bytes(b"")
        with closing(answer["Body"]) as body:
            size = _size_of(answer)
            data = target(size)
            if size <= self._part_size or "ContentRange" not in answer:  # one that ignores ranges sends it all
                self._fill(key, data, 0, size, body)
                return data, digest_bytes(data)
            return data, self._read_parts(key, data, body)

    def _read_parts(self, key: str, data: memoryview, first: Any) -> Digest:
        hashed, stopped, step = hashlib.sha256(), threading.Event(), self._part_size
        with ThreadPoolExecutor(self._threads, thread_name_prefix="sematic-s3") as pool:
            starts = range(0, data.nbytes, step)
            read = [
                pool.submit(
                    self._fill, key, data, start, min(start + step, data.nbytes), None if start else first, stopped
                )
                for start in starts
            ]
            try:
                for start, future in zip(starts, read, strict=True):
                    future.result()
                    hashed.update(data[start : start + step])
            except BaseException:
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return Digest(hashed.hexdigest())

    def _fill(
        self, key: str, data: memoryview, start: int, end: int, body: Any, stopped: threading.Event | None = None
    ) -> None:
        """Fill a range. Where an answer breaks off, what is missing is asked for anew."""
        failures = 0
        while start < end:
            try:
                if body is None:
                    body = self._ask(key, start, end - start)["Body"]
                with closing(body):
                    while start < end:
                        if stopped is not None and stopped.is_set():
                            return
                        count = body.readinto(data[start : min(start + _STEP, end)])
                        if not count:
                            raise ConnectionError(f"the answer ended {end - start} bytes early")
                        start += count
            except BROKEN as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise
                log.debug("reading %s broke off at byte %d: %s", key, start, error)
                time.sleep(random.uniform(0, min(0.1 * 2**failures, 5)))  # noqa: S311 - spread, not secret
            body = None

    def _ask(self, key: str, start: int, size: int) -> dict[str, Any]:
        answer: dict[str, Any] = self._clients.client().get_object(
            Bucket=self._bucket, Key=key, Range=f"bytes={start}-{start + size - 1}"
        )
        if start and _start_of(answer) != start:
            answer["Body"].close()
            raise ClientError(
                {"Error": {"Code": "NoRange", "Message": "the server does not send the range that was asked for"}},
                "GetObject",
            )
        return answer


def _size_of(answer: dict[str, Any]) -> int:
    found = _RANGE.fullmatch(answer.get("ContentRange", ""))
    return int(found[2]) if found else int(answer["ContentLength"])


def _start_of(answer: dict[str, Any]) -> int:
    found = _RANGE.fullmatch(answer.get("ContentRange", ""))
    return int(found[1]) if found else 0
