"""The S3 store on servers that do for real what light ones fake: limits of parts, conditional puts, signatures of what is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from integration.radosgw import missing_programs, radosgw
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.errors import StoreError
from tests.artifacts.faulty_proxy import FaultyProxy, Flip, once
from tests.artifacts.s3_servers import KEY, SECRET, RunningServer, S3Server
from tests.contracts.s3_contract import IN_PARTS, S3Contract


class RealLimits(S3Contract):
    """What AWS does, and servers that mean it."""

    def test_parts_below_five_mebibytes_are_refused_and_nothing_stays(self, url: str, store: S3Store) -> None:
        small = self.opened(url, part_size=1 << 20)
        with pytest.raises(StoreError, match="EntityTooSmall"):
            small.put(of_bytes(IN_PARTS))
        assert list(store.blobs()) == []
        assert self.open_uploads() == []

    def test_what_is_not_what_was_signed_is_refused(self, store: S3Store) -> None:
        """Plain HTTP has no check of its own: a body that is changed on its way does not fit its signed SHA-256."""

        def change(request: object, **_: object) -> None:
            request.body = b"changed"  # type: ignore[attr-defined]

        self.behind.meta.events.register("before-send.s3.PutObject", change)
        try:
            with pytest.raises(ClientError, match="XAmzContentSHA256Mismatch"):
                self.behind.put_object(Bucket=self.bucket_name, Key="x", Body=b"correct")
        finally:
            self.behind.meta.events.unregister("before-send.s3.PutObject", change)

    @pytest.mark.parametrize(
        ("kind", "data"), [("PutObject", b"small"), ("UploadPart", IN_PARTS)], ids=["PutObject", "UploadPart"]
    )
    def test_what_changes_on_its_way_is_refused_and_sent_again(
        self, server: RunningServer, bucket: str, kind: str, data: bytes
    ) -> None:
        with FaultyProxy(server.port, once(kind, Flip(77, of_request=True))) as proxy:
            store = self.opened(f"s3://{bucket}/artifacts?endpoint_url={proxy.endpoint}")
            assert store.put(of_bytes(data)).new
            assert store.get(digest_bytes(data)) == data
            assert proxy.faults() == {"Flip": 1}


@pytest.fixture(scope="module")
def ceph() -> Iterator[S3Server]:
    if missing := missing_programs():
        pytest.skip(f"{', '.join(missing)} not installed (Debian: apt install radosgw ceph-mon ceph-osd)")
    with radosgw() as server:
        yield server


class TestRadosgw(RealLimits):
    keeps_conditions_of_parts = False  # version 16 does not look at them

    @pytest.fixture
    def server(self, ceph: S3Server) -> S3Server:
        return ceph


@pytest.fixture(scope="module")
def container() -> Iterator[RunningServer]:
    """A server from an image, such as ``minio/minio``, with the arguments that start it."""
    image = os.environ.get("SEMATIC_TEST_S3_IMAGE")
    if not image:
        pytest.skip("no image of an S3 server is named in SEMATIC_TEST_S3_IMAGE (for example minio/minio)")
    docker = pytest.importorskip("docker")
    from testcontainers.core.container import DockerContainer

    arguments, port = os.environ.get("SEMATIC_TEST_S3_ARGUMENTS", "server /data"), 9000
    made = DockerContainer(image).with_command(arguments).with_exposed_ports(port)
    made.with_env("MINIO_ROOT_USER", KEY).with_env("MINIO_ROOT_PASSWORD", SECRET)
    try:
        made.start()
    except docker.errors.DockerException as error:
        pytest.skip(f"no container of {image} can be started here: {error}")
    try:
        yield RunningServer(int(made.get_exposed_port(port)), made.get_container_host_ip())
    finally:
        made.stop()


class TestContainer(RealLimits):
    @pytest.fixture
    def server(self, container: RunningServer) -> RunningServer:
        return container
