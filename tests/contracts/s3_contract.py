"""What the S3 store keeps to on every server, whatever the server itself can do. Subclasses give a fixture ``server``."""

from __future__ import annotations

import multiprocessing
import time
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.s3_access import S3Access
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.artifacts.store import Pace, Store, blob_path
from sematic_airflow_provider.errors import StoreError
from tests.artifacts.s3_servers import RunningServer, access, session
from tests.contracts.store_contract import StoreContract

PART = 5 << 20  # AWS takes no smaller ones
IN_PARTS = bytes(range(256)) * (11 << 12)  # 11 MiB: three parts


class S3Contract(StoreContract):
    """Run for each server."""

    keeps_conditions: ClassVar[bool] = True
    """Whether the server refuses a conditional put of one request where something is."""
    keeps_conditions_of_parts: ClassVar[bool] = True
    """The same of an upload in parts."""
    tells_when_uploads_began: ClassVar[bool] = True
    checks_signatures: ClassVar[bool] = True
    """Whether it looks at who asks, and that what arrives is what was sent."""

    @pytest.fixture
    def bucket(self, server: RunningServer) -> str:
        return server.bucket()

    @pytest.fixture
    def url(self, server: RunningServer, bucket: str) -> str:
        return f"s3://{bucket}/artifacts?endpoint_url={server.endpoint}"

    @pytest.fixture
    def store(self, server: RunningServer, bucket: str, url: str) -> Store:
        self.behind, self.bucket_name = server.behind, bucket
        return self.opened(url)

    def opened(self, url: str, **options: Any) -> S3Store:
        return S3Store(url, access=access, **{"part_size": PART, **options})

    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        self.behind.put_object(Bucket=self.bucket_name, Key=f"artifacts/{blob_path(digest)}", Body=data)

    def put_behind(self, data: bytes, **extra: Any) -> str:
        key = f"artifacts/{blob_path(digest_bytes(data))}"
        self.behind.put_object(Bucket=self.bucket_name, Key=key, Body=data, **extra)
        return key

    def test_the_server_does_with_conditions_what_these_tests_think(self, store: Store) -> None:
        self.put_behind(b"x")
        if self.keeps_conditions:
            with pytest.raises(ClientError, match="PreconditionFailed"):
                self.put_behind(b"x", IfNoneMatch="*")
        else:
            self.put_behind(b"x", IfNoneMatch="*")

    def test_a_blob_in_parts_comes_back_whole_and_leaves_no_upload_open(self, store: Store) -> None:
        stored = store.put(of_bytes(IN_PARTS))
        assert (stored.digest, stored.size, stored.new) == (digest_bytes(IN_PARTS), len(IN_PARTS), True)
        assert store.get(stored.digest) == IN_PARTS
        assert not store.put(of_bytes(IN_PARTS)).new
        assert self.open_uploads() == []

    @pytest.mark.parametrize("data", [b"one request", IN_PARTS], ids=["one request", "parts"])
    def test_a_writer_that_comes_second_by_a_hair_changes_nothing(self, store: S3Store, data: bytes) -> None:
        """Between our look and our write another writer puts the same bytes."""
        first: list[str] = []
        operation = "PutObject" if len(data) < PART else "CompleteMultipartUpload"
        store._clients.client().meta.events.register(
            f"before-send.s3.{operation}", lambda **_: None if first else first.append(self.put_behind(data))
        )
        keeps = self.keeps_conditions if len(data) < PART else self.keeps_conditions_of_parts
        assert store.put(of_bytes(data)).new is not keeps
        assert first
        assert store.get(digest_bytes(data)) == data
        assert self.open_uploads() == []

    def test_processes_that_store_one_value_in_parts_agree(self, store: Store, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        with context.Pool(2) as pool:
            stored = pool.starmap(_put, [(url, 11 << 12)] * 4)
        assert {digest for digest, _ in stored} == {digest_bytes(IN_PARTS)}
        assert any(new for _, new in stored)
        assert store.get(digest_bytes(IN_PARTS)) == IN_PARTS
        assert self.open_uploads() == []

    def test_an_old_blob_is_renewed_by_a_put_of_the_same_bytes(self, url: str, store: Store) -> None:
        old = store.put(of_bytes(b"old"))
        hasty = self.opened(url, pace=Pace(refresh=1.0, settle=0.2, lease=2.0))
        before = store.stat(old.digest)
        time.sleep(2.1)  # S3 tells whole seconds
        hasty.put(of_bytes(b"old"))
        after = store.stat(old.digest)
        assert before is not None
        assert after is not None
        assert after.modified > before.modified
        assert store.get(old.digest) == b"old"

    def test_what_a_killed_writer_left_of_an_upload_is_tidied(self, store: Store) -> None:
        key = f"artifacts/{blob_path(digest_bytes(b'killed'))}"
        made = self.behind.create_multipart_upload(Bucket=self.bucket_name, Key=key)
        self.behind.upload_part(
            Bucket=self.bucket_name, Key=key, UploadId=made["UploadId"], PartNumber=1, Body=b"half of it"
        )
        assert store.stat(digest_bytes(b"killed")) is None
        assert store.tidy(time.time() + 60) == 1
        assert self.open_uploads() == []

    def test_an_upload_that_goes_on_is_not_tidied(self, store: Store) -> None:
        if not self.tells_when_uploads_began:
            pytest.skip("this server says that all uploads began years ago")
        key = f"artifacts/{blob_path(digest_bytes(b'slow'))}"
        self.behind.create_multipart_upload(Bucket=self.bucket_name, Key=key)
        assert store.tidy(time.time() - 3600) == 0

    def test_a_bucket_that_is_not_there_is_named_with_what_to_do(self, server: RunningServer) -> None:
        store = self.opened(f"s3://no-such-bucket-here/x?endpoint_url={server.endpoint}")
        started = time.monotonic()
        for use in (lambda: store.get(digest_bytes(b"x")), lambda: store.put(of_bytes(b"x"))):
            with pytest.raises(StoreError, match=r"(?s)s3://no-such-bucket-here/x.*NoSuchBucket.*Make the bucket"):
                use()
        assert time.monotonic() - started < 5

    def test_a_wrong_secret_is_told_with_what_to_do(self, server: RunningServer, url: str) -> None:
        if not self.checks_signatures:
            pytest.skip("this server lets everybody in")

        def stranger() -> S3Access:
            import boto3

            return S3Access(boto3.Session("test-key", "wrong", region_name=session().region_name))

        store = S3Store(url, access=stranger)
        for use in (lambda: store.get(digest_bytes(b"x")), lambda: store.put(of_bytes(b"x"))):
            with pytest.raises(StoreError, match=r"SignatureDoesNotMatch.*Check the access key"):
                use()

    def open_uploads(self) -> list[str]:
        try:
            answer = self.behind.list_multipart_uploads(Bucket=self.bucket_name)
        except self.behind.exceptions.NoSuchUpload:  # rclone's way to say that there are none
            return []
        return [upload["Key"] for upload in answer.get("Uploads", ())]


def _put(url: str, repeats: int) -> tuple[str, bool]:
    store = S3Store(url, access=access, part_size=PART)
    stored = store.put(of_bytes(bytes(range(256)) * repeats))
    return stored.digest, stored.new
