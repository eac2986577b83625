"""The store that the options name, reached by an Airflow connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.configured_store import configured_store, environment_of_children
from sematic_airflow_provider.errors import ConfigurationError, StoreError
from sematic_airflow_provider.settings import load_settings
from tests.artifacts.s3_servers import S3Server, moto_server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    made = moto_server()
    yield made
    made.stop()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Configure a store, and a connection to reach it by. What boto3 could find by itself is taken away."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)

    def configure(store: str, **connection: Any) -> None:
        conn_id = f"store_{uuid.uuid4().hex[:8]}"
        monkeypatch.setenv("AIRFLOW__SEMATIC__STORE", store)
        monkeypatch.setenv("AIRFLOW__SEMATIC__STORE_CONN_ID", conn_id)
        if connection:
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return configure


def aws(server: S3Server, **extra: Any) -> dict[str, Any]:
    extra = {"region_name": "eu-central-1", "endpoint_url": server.endpoint} | extra
    return {"conn_type": "aws", "login": "testing", "password": "a-secret", "extra": extra}


@pytest.mark.parametrize("place", ["endpoint_url", "service_config"])
def test_a_connection_gives_keys_region_and_endpoint(server: S3Server, connect: Any, place: str) -> None:
    extra = {} if place == "endpoint_url" else {"endpoint_url": None, place: {"s3": {"endpoint_url": server.endpoint}}}
    connect(f"s3://{server.bucket()}/artifacts", **aws(server, **extra))
    store = configured_store()
    store.put(of_bytes(b"by a connection"))
    assert bytes(store.get(digest_bytes(b"by a connection"))) == b"by a connection"


def test_a_store_keeps_the_secrets_of_its_connection_to_itself(server: S3Server, connect: Any) -> None:
    connect(f"s3://{server.bucket()}/artifacts", **aws(server))
    store = configured_store()
    assert "secret" not in store.url + repr(vars(store)) + repr(load_settings())


def test_without_its_connection_the_same_store_cannot_be_reached(
    server: S3Server, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(f"s3://{server.bucket()}/artifacts?endpoint_url={server.endpoint}", **aws(server))
    configured_store().put(of_bytes(b"x"))
    monkeypatch.setenv("AIRFLOW__SEMATIC__STORE_CONN_ID", "")
    with pytest.raises(StoreError, match="credentials"):
        configured_store().put(of_bytes(b"x"))


def test_a_process_without_airflow_reaches_it_by_its_environment(server: S3Server, connect: Any) -> None:
    connect(f"s3://{server.bucket()}/artifacts", **aws(server))
    store = configured_store()
    digest = store.put(of_bytes(b"for a child")).digest
    code = (
        "import sys; from sematic_airflow_provider.artifacts.store import open_store;"
        f"print(bytes(open_store({store.url!r}).get({digest!r})).decode()); assert 'airflow' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment_of_children(load_settings()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "for a child\n", done.stderr


def test_what_only_the_amazon_provider_can_do_is_refused_without_it(server: S3Server, connect: Any) -> None:
    pytest.importorskip("boto3")
    if "airflow.providers.amazon" in sys.modules or _installed("airflow.providers.amazon"):
        pytest.skip("the Amazon provider is installed, and does it")
    connect("s3://bucket", **aws(server, role_arn="arn:aws:iam::1:role/r"))
    with pytest.raises(ConfigurationError, match=r"role_arn.*apache-airflow-providers-amazon"):
        configured_store()


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def test_a_connection_that_is_not_there_is_named(connect: Any) -> None:
    connect("s3://bucket/artifacts")
    with pytest.raises(StoreError, match=r"store_conn_id = store_\w+, and Airflow has no such connection"):
        configured_store()


def test_other_file_systems_are_those_that_airflow_makes_of_the_connection(connect: Any, tmp_path: Path) -> None:
    connect(f"local://{tmp_path}/artifacts", conn_type="fs")
    store = configured_store()
    assert isinstance(store, FsspecStore)
    digest = store.put(of_bytes(b"y")).digest
    assert (tmp_path / "artifacts" / "blobs" / digest[:2] / digest).read_bytes() == b"y"


def test_a_protocol_that_no_provider_serves_says_what_to_install(connect: Any) -> None:
    connect("webhdfs://host/artifacts", conn_type="fs")
    with pytest.raises(ConfigurationError, match="Install the Airflow provider for webhdfs://"):
        configured_store()


def test_a_folder_needs_no_connection(connect: Any, tmp_path: Path) -> None:
    connect(str(tmp_path), conn_type="aws")
    with pytest.raises(ConfigurationError, match="is a folder, which needs no connection"):
        configured_store()
