"""The store in memory, by contract; and what it does in front of another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.memory_store import MemoryStore
from sematic_airflow_provider.artifacts.store import Store
from tests.contracts.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        assert isinstance(store, MemoryStore)
        store._blobs[digest].data = data


class TestMemoryStoreInFrontOfAnother(TestMemoryStore):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return MemoryStore(LocalStore(tmp_path))


def test_two_stores_share_nothing() -> None:
    first, second = MemoryStore(), MemoryStore()
    digest = first.put(of_bytes(b"x")).digest
    assert first.url != second.url
    assert second.stat(digest) is None


def test_what_lies_behind_is_read_and_never_written(tmp_path: Path) -> None:
    behind = LocalStore(tmp_path)
    old = behind.put(of_bytes(b"old")).digest
    behind.write_document("steps/a.json", b"1")
    front = MemoryStore(behind)
    assert front.get(old) == b"old"
    assert not front.put(of_bytes(b"old")).new
    new = front.put(of_bytes(b"new")).digest
    front.write_document("steps/b.json", b"2")
    assert front.list_documents("steps") == ["steps/a.json", "steps/b.json"]
    front.delete_document("steps/a.json")
    front.delete(old)
    assert front.read_document("steps/a.json") is None
    assert front.list_documents("steps") == ["steps/b.json"]
    assert behind.stat(new) is None
    assert behind.get(old) == b"old"
    assert behind.list_documents("steps") == ["steps/a.json"]
