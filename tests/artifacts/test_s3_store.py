"""S3Store against moto's server, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.artifacts.store import Store, blob_path
from tests.artifacts.s3_servers import S3Server, access, moto_server
from tests.contracts.store_contract import StoreContract


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    made = moto_server()
    yield made
    made.stop()


@pytest.fixture
def bucket(server: S3Server) -> str:
    return server.bucket()


@pytest.fixture
def url(server: S3Server, bucket: str) -> str:
    return f"s3://{bucket}/artifacts?endpoint_url={server.endpoint}"


@pytest.fixture
def store(url: str) -> S3Store:
    return S3Store(url, access=access)


class TestS3Store(StoreContract):
    @pytest.fixture
    def store(self, store: S3Store, server: S3Server, bucket: str) -> Store:
        self.server, self.bucket = server, bucket
        return store

    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        self.server.client().put_object(Bucket=self.bucket, Key=f"artifacts/{blob_path(digest)}", Body=data)
