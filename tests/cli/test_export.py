"""What ``get`` writes, from a store in S3 over a socket as from a folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.parts import part_of
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.cli.export import export, export_to_stream
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError
from tests.artifacts.s3_servers import S3Server, access, moto_server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    made = moto_server()
    yield made
    made.stop()


@pytest.fixture(params=["s3", "memory"])
def repository(request: pytest.FixtureRequest) -> Repository:
    if request.param == "memory":
        return Repository(FsspecStore(f"memory://{uuid.uuid4().hex}/artifacts"))
    server: S3Server = request.getfixturevalue("server")
    return Repository(S3Store(f"s3://{server.bucket()}/artifacts?endpoint_url={server.endpoint}", access=access))


def test_large_arrays_chunks_and_folders_are_written_as_they_are_stored(repository: Repository, tmp_path: Path) -> None:
    store, data = repository.store, np.random.default_rng(1).bytes(11_000_000)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.bin").write_bytes(data)
    array, chunked, files = (repository.save(value) for value in (np.arange(3_000_000.0), data, folder))
    export(store, part_of(array), tmp_path / "array", force=False)
    assert digest_bytes((tmp_path / "array").read_bytes()) == array.digest
    out = BytesIO()
    export_to_stream(store, part_of(chunked), out)
    assert out.getvalue() == data
    assert export(store, part_of(files), tmp_path / "out", force=False) == tmp_path / "out"
    assert (tmp_path / "out" / "a.bin").read_bytes() == data


def test_what_is_damaged_or_lost_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    store = repository.store
    damaged, lost = repository.save(np.arange(5000.0)), repository.save(np.arange(6000.0))
    store.delete(lost.digest)
    with pytest.raises(ArtifactNotFoundError, match=lost.digest):
        export(store, part_of(lost), tmp_path / "x", force=False)
    if isinstance(store, FsspecStore):
        store._fs.pipe_file(_place(store, damaged.digest), b"x" * 40_128)
        with pytest.raises(ArtifactCorruptedError, match=damaged.digest):
            export(store, part_of(damaged), tmp_path / "x", force=False)
    assert list(tmp_path.iterdir()) == []


def _place(store: FsspecStore, digest: str) -> str:
    return next(path for path in store._fs.find(store._root) if path.endswith(digest))
