"""Making way for what is damaged or missing, and digests without storing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sematic_airflow_provider.artifacts.chunks import load_list
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.hashing import hashing_repository
from sematic_airflow_provider.artifacts.healing import heal, make_way
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.references import Reference
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.retention import plan
from sematic_airflow_provider.artifacts.store import blob_path
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError

LARGE = np.random.default_rng(0).bytes(6_000_000).hex()[:6_000_000]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path / "store", create=True), previews=False)


def flip(repository: Repository, digest: Digest) -> None:
    path = Path(repository.store.url) / blob_path(digest)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_whole_blob_stays_where_it_is(repository: Repository) -> None:
    ref = repository.save(np.arange(100))
    assert not make_way(repository.store, ref.digest, [ref])
    error = ArtifactCorruptedError(ref.digest, "?", "")
    assert "it was whole" in heal(error, repository.store, [ref])
    assert repository.load(ref).tolist() == list(range(100))


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_chunk_of_a_member_is_written_anew_by_the_next_save(repository: Repository, damage: str) -> None:
    store = repository.store
    outer = repository.save([np.arange(200), LARGE])
    member = repository.members(outer)[1]
    chunk, _ = load_list(store, member.digest).chunks[1]
    if damage == "gone":
        store.delete(chunk)
    else:
        flip(repository, chunk)
        with pytest.raises(ArtifactCorruptedError):
            repository.load(outer)
    before = {digest for digest, _ in store.blobs()}
    repository.save([np.arange(200), LARGE])
    with pytest.raises((ArtifactCorruptedError, ArtifactNotFoundError)):
        repository.load(outer)  # a list that was stored lately is taken for whole
    assert make_way(store, chunk, [outer])
    assert repository.save([np.arange(200), LARGE]) == outer
    assert repository.load(outer)[1] == LARGE
    assert {digest for digest, _ in store.blobs()} >= before


def test_a_collection_goes_on_where_a_list_made_way(repository: Repository) -> None:
    ref = repository.save(LARGE)
    chunk, _ = load_list(repository.store, ref.digest).chunks[0]
    repository.store.delete(chunk)
    assert make_way(repository.store, chunk, [ref])
    found = plan(repository.store, lambda: iter([Reference(ref.digest, ref.codec)]), grace=86400)
    assert found.missing == (ref.digest,)


def test_what_cannot_be_set_aside_is_said_and_raises_nothing(repository: Repository) -> None:
    assert "cannot be set aside" in heal(ArtifactCorruptedError("no digest", "?", ""), repository.store, [])


def test_digests_without_storing_are_those_of_any_repository(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(LARGE.encode())
    values = [1, "text", {"a": [np.arange(300)]}, LARGE, tmp_path / "file"]
    for value in values:
        assert hashing_repository().save(value).digest == repository.save(value).digest
    assert list(hashing_repository().store.blobs()) == []
    assert list(hashing_repository().store.documents()) == []
