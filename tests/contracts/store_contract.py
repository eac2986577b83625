"""What every store keeps to. Subclasses give a fixture ``store`` and a way to damage it behind its back."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import BinaryIO

import pytest

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactNotFoundError


def writing(*parts: bytes) -> Callable[[BinaryIO], None]:
    """A writer of these parts."""

    def write(file: BinaryIO) -> None:
        for part in parts:
            file.write(part)

    return write


class StoreContract(ABC):
    """Run for each store."""

    @abstractmethod
    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        """Replace a blob's bytes, as a failing disk would."""

    def test_the_address_is_the_sha256_of_the_bytes(self, store: Store) -> None:
        stored = store.put(writing(b"hello ", b"world"))
        assert stored.digest == hashlib.sha256(b"hello world").hexdigest()
        assert (stored.size, stored.new) == (11, True)
        assert store.get(stored.digest) == b"hello world"

    def test_a_second_put_of_the_same_bytes_writes_nothing(self, store: Store) -> None:
        first = store.put(writing(b"same"))
        second = store.put(writing(b"sa", b"me"))
        assert (second.digest, second.new) == (first.digest, False)
        assert list(store.digests()) == [first.digest]

    def test_an_empty_blob_is_a_blob(self, store: Store) -> None:
        assert store.get(store.put(writing()).digest) == b""

    def test_a_large_blob_comes_back_whole(self, store: Store) -> None:
        part = bytes(range(256)) * 4096
        stored = store.put(writing(*[part] * 20))
        assert store.get(stored.digest) == part * 20

    def test_a_very_large_piece_comes_back_whole(self, store: Store) -> None:
        part = bytes(range(256)) * (1 << 18) + b"rest"
        stored = store.put(writing(b"head", part, b"tail"))
        assert stored.digest == digest_bytes(b"head" + part + b"tail")
        assert store.get(stored.digest) == b"head" + part + b"tail"

    def test_a_blob_that_is_not_there_is_not_found(self, store: Store) -> None:
        absent = digest_bytes(b"absent")
        assert not store.has(absent)
        with pytest.raises(ArtifactNotFoundError) as caught:
            store.get(absent)
        assert (caught.value.digest, caught.value.store) == (absent, store.url)

    @pytest.mark.parametrize("damage", [b"hellO", b"hell", b"hello!", b""])
    def test_changed_bytes_are_refused_and_both_digests_named(self, store: Store, damage: bytes) -> None:
        digest = store.put(writing(b"hello")).digest
        self.overwrite(store, digest, damage)
        with pytest.raises(ArtifactCorruptedError) as caught:
            store.get(digest)
        assert (caught.value.expected, caught.value.actual) == (digest, digest_bytes(damage))

    def test_a_truncated_blob_is_mended_by_storing_it_again(self, store: Store) -> None:
        digest = store.put(writing(b"hello")).digest
        self.overwrite(store, digest, b"hel")
        assert store.put(writing(b"hello")).new
        assert store.get(digest) == b"hello"

    def test_a_writer_that_fails_leaves_nothing(self, store: Store) -> None:
        def write(file: BinaryIO) -> None:
            file.write(b"half")
            raise RuntimeError("the step was wrong")

        with pytest.raises(RuntimeError, match="the step was wrong"):
            store.put(write)
        assert list(store.digests()) == []

    def test_documents_are_written_replaced_listed_and_deleted(self, store: Store) -> None:
        assert store.read_document("spool/a.json") is None
        assert store.list_documents("spool") == []
        store.write_document("spool/b.json", b"2")
        store.write_document("spool/a.json", b"0")
        store.write_document("spool/a.json", b"1")
        store.write_document("spool/deeper/c.json", b"3")
        assert store.list_documents("spool") == ["spool/a.json", "spool/b.json"]
        assert store.read_document("spool/a.json") == b"1"
        store.delete_document("spool/a.json")
        store.delete_document("spool/a.json")
        assert store.list_documents("spool") == ["spool/b.json"]

    @pytest.mark.parametrize(
        "path", ["../x", "/etc/passwd", "a/../../b", "", "a//b", "blobs/aa/x", ".hidden", "a b", "a\0b", "a/.."]
    )
    def test_a_path_that_leads_elsewhere_is_refused(self, store: Store, path: str) -> None:
        for use in (store.read_document, store.delete_document, store.list_documents):
            with pytest.raises(ValueError, match="not a document path"):
                use(path)
        with pytest.raises(ValueError, match="not a document path"):
            store.write_document(path, b"x")

    @pytest.mark.parametrize("digest", ["../../etc/passwd", "A" * 64, "0" * 63, ""])
    def test_what_is_no_digest_is_refused(self, store: Store, digest: str) -> None:
        for use in (store.get, store.has):
            with pytest.raises(ValueError, match="not a digest"):
                use(Digest(digest))

    def test_a_writable_store_says_so_and_keeps_no_probe(self, store: Store) -> None:
        store.check_writable()
        assert store.list_documents("tmp") == []
