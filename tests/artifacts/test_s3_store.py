"""The S3 store on two independent servers, over a real socket. ``integration/test_s3_servers.py`` has more of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.artifacts.s3_servers import S3Server, moto_server, rclone_server
from tests.contracts.s3_contract import S3Contract


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="module")
def rclone() -> Iterator[S3Server]:
    with rclone_server() as server:
        yield server


class TestMoto(S3Contract):
    checks_signatures = False
    tells_when_uploads_began = False

    @pytest.fixture
    def server(self, moto: S3Server) -> S3Server:
        return moto


class TestRclone(S3Contract):
    """It ignores conditions and checksums, keeps buckets as folders."""

    keeps_conditions = False
    keeps_conditions_of_parts = False

    @pytest.fixture
    def server(self, rclone: S3Server) -> S3Server:
        return rclone
