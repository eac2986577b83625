"""Stored bytes that are not those that were saved, under every store and for everything that is stored: an error that names them, never another value."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

from sematic_airflow_provider.artifacts import previews
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.artifacts.store import Store, blob_path
from sematic_airflow_provider.errors import ArtifactCorruptedError
from tests.artifacts.s3_servers import S3Server, access, moto_server

Overwrite = Callable[[Digest, bytes], None]
Opened = tuple[Store, Overwrite]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(params=["local", "moved", "memory", "s3"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """A store, and a way to change what it holds behind its back."""
    if request.param in ("local", "moved"):
        root = tmp_path / "store"
        store = LocalStore(root, create=True) if request.param == "local" else FsspecStore(f"local://{root}")
        return store, lambda digest, data: (root / blob_path(digest)).write_bytes(data) and None
    if request.param == "memory":
        import fsspec

        place, system = uuid.uuid4().hex, fsspec.filesystem("memory")
        return FsspecStore(f"memory://{place}"), lambda digest, data: system.pipe_file(
            f"/{place}/{blob_path(digest)}", data
        )
    server: S3Server = request.getfixturevalue("server")
    bucket = server.bucket()
    return S3Store(
        f"s3://{bucket}/a?endpoint_url={server.endpoint}", access=access
    ), lambda digest, data: server.behind.put_object(Bucket=bucket, Key=f"a/{blob_path(digest)}", Body=data) and None


def values(folder: Path) -> dict[str, Any]:
    """One of each way to be stored."""
    made = random.Random(5)
    folder.mkdir()
    (folder / "a.bin").write_bytes(made.randbytes(50_000))
    (folder / "b.txt").write_text("text")
    return {
        "array": numpy.arange(1000),
        "json": {"rows": ["long " * 300]},
        "text": "long " * 300,
        "table": pandas.DataFrame({"a": range(500), "b": ["x"] * 500}),
        "manifest": [numpy.ones(100), {"inner": numpy.zeros(50), "more": (numpy.ones(3),)}],
        "chunks": made.randbytes(5 << 20),
        "folder": folder,
    }


def damages(data: bytes, other: bytes, chosen: random.Random) -> dict[str, bytes]:
    """What disks, tools and people make of bytes."""
    flipped = bytearray(data)
    flipped[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    return {
        "cut": data[: len(data) // 2],
        "empty": b"",
        "longer": data + b"\0",
        "flipped": bytes(flipped),
        "swapped": other,
        "zeros": bytes(len(data)),
    }


@pytest.mark.parametrize("kind", ["array", "json", "text", "table", "manifest", "chunks", "folder"])
def test_damage_to_anything_that_a_value_is_stored_as_is_told_with_digest_and_place(
    opened: Opened, tmp_path: Path, kind: str
) -> None:
    store, overwrite = opened
    chosen = random.Random(kind)
    repository = Repository(store, inline_limit=0, scratch=str(tmp_path))
    other = bytes(store.get(repository.save(list(range(2000))).digest))
    known = {digest for digest, _ in store.blobs()}
    ref = repository.save(values(tmp_path / "folder")[kind])
    place = store.url.partition("?")[0]
    own = [digest for digest, _ in store.blobs() if digest not in known]
    assert own
    for digest in own:
        data = bytes(store.get(digest))
        for damage, changed in damages(data, other, chosen).items():
            overwrite(digest, changed)
            with pytest.raises(ArtifactCorruptedError) as caught:
                repository.load(ref)
            assert caught.value.expected == digest, damage
            assert digest in str(caught.value)
            assert place in str(caught.value)
            assert caught.value.permanent
        overwrite(digest, data)
    repository.load(ref)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_preview_is_none_or_one_and_the_value_is_not_touched(tmp_path: Path, seed: int) -> None:
    store = LocalStore(tmp_path)
    repository, chosen = Repository(store), random.Random(seed)
    ref = repository.save(pandas.DataFrame({"a": range(100)}))
    (path,) = tmp_path.glob("previews/*/*.json")
    assert previews.read(store, ref.digest) is not None
    for damage in damages(path.read_bytes(), b"[]", chosen).values():
        path.write_bytes(damage)
        previews.read(store, ref.digest)
        assert len(repository.load(ref)) == 100


def test_a_reference_to_what_was_deleted_says_which_and_where(opened: Opened) -> None:
    store, _ = opened
    ref = ArtifactRef(Digest("c" * 64), "npy/1", "numpy.ndarray", 10)
    with pytest.raises(FileNotFoundError, match=f"{store.url.partition('?')[0]}.*{'c' * 64}"):
        Repository(store).load(ref)
