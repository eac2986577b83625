"""Compressed chunks: smaller, whole, and never more than they say."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.chunks import ChunkList
from sematic_airflow_provider.artifacts.compression import compressed, expanded
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, MissingExtraError

LOG = "".join(
    f"2026-11-24 08:{n // 60 % 60:02d}:{n % 60:02d} worker {n % 7} finished task {n}\n" for n in range(250_000)
)
NOISE = random.Random(0).randbytes(9 << 20)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store", create=True)


@pytest.fixture
def repository(store: LocalStore) -> Repository:
    return Repository(store, compress=True)


def stored_bytes(store: LocalStore) -> int:
    return sum(found.size for _, found in store.blobs())


@pytest.mark.parametrize("value", [LOG, LOG.encode()])
def test_long_text_takes_less_and_comes_back(repository: Repository, store: LocalStore, value: Any) -> None:
    ref = repository.save(value)
    assert ref.size == len(LOG)
    assert stored_bytes(store) < len(LOG) / 5
    assert repository.load(ref) == value


def test_who_does_not_compress_reads_what_others_compressed(repository: Repository, store: LocalStore) -> None:
    assert Repository(store).load(repository.save(LOG)) == LOG


def test_files_take_less_and_come_back_one_by_one(repository: Repository, store: LocalStore, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.log").write_text(LOG[number * 1000 :])
    (folder / "noise").write_bytes(NOISE)
    ref = repository.save(folder)
    assert stored_bytes(store) < len(NOISE) + 3 * len(LOG) / 5
    back: Path = repository.load(ref)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert repository.load_file(ref, "1.log").read_text() == LOG[1000:]


def test_the_name_of_every_stored_file_is_its_sha256sum(repository: Repository, tmp_path: Path) -> None:
    repository.save(LOG)
    blobs = list((tmp_path / "store" / "blobs").glob("??/*"))
    assert len(blobs) > 5
    assert all(hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name for blob in blobs)


def test_what_does_not_become_smaller_is_stored_as_it_is(repository: Repository, store: LocalStore) -> None:
    assert repository.save(NOISE).digest == Repository(store).save(NOISE).digest


def test_tables_are_the_same_artifacts_with_and_without(repository: Repository, store: LocalStore) -> None:
    table = pd.DataFrame({"n": np.random.default_rng(0).integers(0, 2**40, 1_500_000)})
    ref = repository.save(table)
    assert ref.in_chunks
    assert Repository(store, previews=False).save(table).digest == ref.digest


def test_saving_again_and_growing_store_only_what_is_new(repository: Repository, store: LocalStore) -> None:
    ref = repository.save(LOG)
    before = stored_bytes(store)
    assert repository.save(LOG) == ref
    assert stored_bytes(store) == before
    repository.save(LOG + LOG[: len(LOG) // 100])
    assert stored_bytes(store) - before < before / 4


def test_without_zstandard_the_extra_is_named(
    repository: Repository, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = repository.save(LOG)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for action in (lambda: repository.save(LOG + "x"), lambda: Repository(store).load(ref)):
        with pytest.raises(MissingExtraError, match=r"sematic-airflow-provider\[zstd\]"):
            action()


@pytest.mark.parametrize("claimed", [1 << 20, 4 << 20])
def test_a_bomb_makes_no_more_than_its_list_says(store: LocalStore, claimed: int) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 30))
    chunk = store.put(of_bytes(bomb))
    record = {
        "layout": "chunks/1",
        "size": claimed,
        "chunks": [[chunk.digest, claimed]],
        "zstd": [[0, len(bomb)]],
    }
    listing = store.put(of_bytes(canonical_json(record)))
    ref = ArtifactRef(listing.digest, "chunks/1:bytes/1", "builtins.bytes", claimed)
    with pytest.raises(ArtifactError, match=f"do not stand for {claimed} bytes"):
        Repository(store).load(ref)


@pytest.mark.parametrize(
    "told",
    [5, [[0]], [[0, 0]], [[0, 100]], [[0, 101]], [[1, 5]], [[-1, 5]], [[0, 5], [0, 5]], [[0, True]], [[0, "5"]], {}],
)
def test_a_list_that_says_nonsense_of_compressed_chunks_is_refused(told: Any) -> None:
    record = {"layout": "chunks/1", "size": 100, "chunks": [["0" * 64, 100]], "zstd": told}
    with pytest.raises(ValueError, match="compressed"):
        ChunkList.from_json(json.loads(json.dumps(record)))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=2000), times=st.integers(1, 50), flip=st.integers(0, 10**6))
def test_bytes_come_back_and_damaged_ones_are_refused_or_other(data: bytes, times: int, flip: int) -> None:
    whole = data * times
    packed = compressed(whole)
    if packed is None:
        return
    assert expanded(packed, len(whole)) == whole
    damaged = bytearray(packed)
    damaged[flip % len(damaged)] ^= 1 << flip % 8
    with contextlib.suppress(ValueError):
        assert len(expanded(damaged, len(whole))) == len(whole)
    with pytest.raises(ValueError, match=r"compressed|came out"):
        expanded(packed, len(whole) + 1)
