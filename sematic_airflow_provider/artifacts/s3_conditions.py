"""What S3 does on a condition: making an object where there is none, and moving away one that is damaged, but no other."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.s3_errors import CONFLICT, EXISTS, NOT_FOUND, UNKNOWN, code_of, status_of
from sematic_airflow_provider.artifacts.s3_upload import S3Uploads

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_SETTLE = 0.5
_COPY_LIMIT = 5 * 10**9


class Creation:
    """Makes small objects where there are none. Whether the server keeps conditions is found out once: some ignore them without a word."""

    def __init__(self, uploads: S3Uploads) -> None:
        self._uploads = uploads
        self._keeps_conditions: bool | None = None

    def make(self, key: str, data: bytes, read: Callable[[], bytes | None]) -> bool:
        """Whether this call has made the object.

        Raises:
            ClientError: the server refuses for another reason than that there is one.
        """
        for attempt in range(_ATTEMPTS):
            if read() is not None:
                return False
            try:
                self._put(key, data)
            except ClientError as error:
                if code_of(error) in EXISTS:
                    return read() == data  # the answer to our own request may have got lost, and it was sent again
                if code_of(error) not in CONFLICT or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.1 * (attempt + 1))
                continue
            if self._keeps_conditions is None:
                self._keeps_conditions = self._refuses(key, data)
            if self._keeps_conditions:
                return True
            time.sleep(_SETTLE)
            return read() == data
        raise AssertionError  # the last attempt returns or raises

    def _put(self, key: str, data: bytes) -> None:
        self._uploads.put(key, of_bytes(data), digest_bytes(data), replace=False)

    def _refuses(self, key: str, data: bytes) -> bool:
        try:
            self._put(key, data)
        except ClientError as error:
            if code_of(error) in EXISTS | CONFLICT:
                return True
            raise
        return False


def move_away(client: Any, bucket: str, key: str, aside: str, damaged: Callable[[], bool]) -> bool:
    """Copy an object to another name and delete it, if it is damaged, and is still the one that was looked at; whether that was done.

    Raises:
        ClientError: the server failed.
    """
    before = _looked_at(client, bucket, key)
    if before is None or not damaged():
        return False
    if before["ContentLength"] <= _COPY_LIMIT:
        try:
            client.copy_object(Bucket=bucket, Key=aside, CopySource={"Bucket": bucket, "Key": key})
        except ClientError as error:
            if not _cannot(error):
                raise
            log.warning("the damaged object %s is deleted, and not kept: the server cannot copy (%s)", key, error)
    after = _looked_at(client, bucket, key)
    if after is None or any(before[name] != after[name] for name in ("ETag", "LastModified", "ContentLength")):
        return False
    client.delete_object(Bucket=bucket, Key=key)
    return True


def aside_name(digest: str) -> str:
    """Where a damaged blob is put."""
    return f"tmp/damaged-{digest}-{uuid.uuid4().hex[:8]}"


def _looked_at(client: Any, bucket: str, key: str) -> Any:
    try:
        return client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) in NOT_FOUND:
            return None
        raise


def _cannot(error: ClientError) -> bool:
    return code_of(error) in UNKNOWN or status_of(error) == 501
