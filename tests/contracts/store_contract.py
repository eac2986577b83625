"""What every store keeps to. Subclasses give a fixture ``store`` and a way to damage it behind its back."""

from __future__ import annotations

import hashlib
import threading
import time
from abc import ABC, abstractmethod

import pytest

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.store import Store, memory
from sematic_airflow_provider.errors import (
    ArtifactCorruptedError,
    ArtifactNotFoundError,
    DocumentTooLargeError,
    StoreError,
)


class StoreContract(ABC):
    """Run for each store."""

    @abstractmethod
    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        """Replace a blob's bytes, as a failing disk would."""

    def test_the_address_is_the_sha256_of_the_bytes(self, store: Store) -> None:
        stored = store.put(of_bytes(b"hello ", b"world"))
        assert stored.digest == hashlib.sha256(b"hello world").hexdigest()
        assert (stored.size, stored.new) == (11, True)
        assert store.get(stored.digest) == b"hello world"

    def test_a_second_put_of_the_same_bytes_writes_nothing(self, store: Store) -> None:
        first = store.put(of_bytes(b"same"))
        second = store.put(of_bytes(b"sa", b"me"))
        assert (second.digest, second.new) == (first.digest, False)
        assert [digest for digest, _ in store.blobs()] == [first.digest]

    def test_an_empty_blob_is_a_blob(self, store: Store) -> None:
        assert store.get(store.put(of_bytes()).digest) == b""

    def test_a_large_blob_comes_back_whole(self, store: Store) -> None:
        part = bytes(range(256)) * 4096
        stored = store.put(of_bytes(*[part] * 20))
        assert store.get(stored.digest) == part * 20

    def test_a_very_large_piece_comes_back_whole(self, store: Store) -> None:
        part = bytes(range(256)) * (1 << 18) + b"rest"
        stored = store.put(of_bytes(b"head", part, b"tail"))
        assert stored.digest == digest_bytes(b"head" + part + b"tail")
        assert store.get(stored.digest) == b"head" + part + b"tail"

    def test_a_blob_that_is_not_there_is_not_found(self, store: Store) -> None:
        absent = digest_bytes(b"absent")
        assert store.stat(absent) is None
        with pytest.raises(ArtifactNotFoundError) as caught:
            store.get(absent)
        assert (caught.value.digest, caught.value.store) == (absent, store.url)

    @pytest.mark.parametrize("damage", [b"hellO", b"hell", b"hello!", b""])
    def test_changed_bytes_are_refused_and_both_digests_named(self, store: Store, damage: bytes) -> None:
        digest = store.put(of_bytes(b"hello")).digest
        self.overwrite(store, digest, damage)
        with pytest.raises(ArtifactCorruptedError) as caught:
            store.get(digest)
        assert (caught.value.expected, caught.value.actual) == (digest, digest_bytes(damage))

    def test_a_truncated_blob_is_mended_by_storing_it_again(self, store: Store) -> None:
        digest = store.put(of_bytes(b"hello")).digest
        self.overwrite(store, digest, b"hel")
        assert store.put(of_bytes(b"hello")).new
        assert store.get(digest) == b"hello"

    def test_content_that_changes_meanwhile_is_refused_and_leaves_nothing(self, store: Store) -> None:
        class Changing:
            size, reads = 3, 0

            def view(self, start: int, size: int) -> memoryview:
                self.reads += 1
                return memoryview(b"%3d" % self.reads)[start : start + size]

        with pytest.raises(StoreError, match="changed while it was being stored"):
            store.put(Changing())
        assert list(store.blobs()) == []

    def test_content_that_cannot_be_read_leaves_nothing(self, store: Store) -> None:
        class Failing:
            size, reads = 3, 0

            def view(self, start: int, size: int) -> memoryview:
                self.reads += 1
                if self.reads > 1:
                    raise RuntimeError("the disk of the worker is gone")
                return memoryview(b"abc")[start : start + size]

        with pytest.raises(RuntimeError, match="the disk of the worker is gone"):
            store.put(Failing())
        assert list(store.blobs()) == []

    def test_several_are_stored_in_their_order_and_equal_ones_once(self, store: Store) -> None:
        store.put(of_bytes(b"known"))
        stored = store.put_all([of_bytes(b"a"), of_bytes(b"known"), of_bytes(b"b"), of_bytes(b"a")])
        assert [one.digest for one in stored] == [digest_bytes(data) for data in (b"a", b"known", b"b", b"a")]
        assert [one.new for one in stored][:3] == [True, False, True]
        assert sum(1 for _ in store.blobs()) == 3

    def test_a_blob_is_read_into_memory_of_its_size_and_no_other(self, store: Store) -> None:
        digest = store.put(of_bytes(b"hello")).digest
        target = memory(5)
        store.read_into(digest, target)
        assert target == b"hello"
        for size in (0, 4, 6):
            with pytest.raises(ArtifactCorruptedError):
                store.read_into(digest, memory(size))
        with pytest.raises(ArtifactNotFoundError):
            store.read_into(digest_bytes(b"absent"), target)

    def test_size_and_age_of_a_blob_are_told_by_the_clock_of_the_store(self, store: Store) -> None:
        before = store.now()
        digest = store.put(of_bytes(b"hello")).digest
        found = store.stat(digest)
        assert found is not None
        assert found.size == 5
        assert before - 2 <= found.modified <= store.now() + 2
        assert abs(store.now() - time.time()) < 60
        assert dict(store.blobs()) == {digest: found}
        assert store.list_documents("tmp") == []

    def test_a_deleted_blob_is_gone_and_can_be_stored_again(self, store: Store) -> None:
        digest = store.put(of_bytes(b"hello")).digest
        store.delete(digest)
        store.delete(digest)
        assert store.stat(digest) is None
        with pytest.raises(ArtifactNotFoundError):
            store.get(digest)
        assert store.put(of_bytes(b"hello")).new

    def test_what_was_read_is_the_readers_own(self, store: Store) -> None:
        data = b"x" * 9_000_000
        digest = store.put(of_bytes(data)).digest
        first = store.get(digest)
        if not first.readonly:
            first[:5] = b"mine!"
        assert store.get(digest) == data

    def test_what_was_read_outlives_the_blob(self, store: Store) -> None:
        data = b"y" * 9_000_000
        digest = store.put(of_bytes(data)).digest
        read = store.get(digest)
        store.delete(digest)
        assert read == data

    def test_sixteen_threads_that_store_and_read_the_same_values_agree(self, store: Store) -> None:
        values = [bytes([n]) * (1000 + n) for n in range(4)]
        wrong: list[str] = []

        def work(number: int) -> None:
            for turn in range(5):
                value = values[(number + turn) % len(values)]
                digest = store.put(of_bytes(value)).digest
                if store.get(digest) != value:
                    wrong.append(digest)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert sum(1 for _ in store.blobs()) == len(values)

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

    def test_a_document_has_a_size_that_the_api_server_can_read(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.write_document("spool/large.json", b"x" * 2000)
        monkeypatch.setattr("sematic_airflow_provider.artifacts.store.LARGEST_DOCUMENT", 1999)
        with pytest.raises(DocumentTooLargeError, match=r"spool/large.json of the store .* more than 1999 bytes"):
            store.read_document("spool/large.json")
        with pytest.raises(DocumentTooLargeError):
            store.write_document("spool/other.json", b"x" * 2000)
        with pytest.raises(DocumentTooLargeError):
            store.create_document("spool/other.json", b"x" * 2000)
        store.write_document("spool/small.json", b"x" * 1999)
        assert store.read_document("spool/small.json") == b"x" * 1999

    def test_a_document_is_created_only_where_there_is_none(self, store: Store) -> None:
        assert store.create_document("steps/a.json", b"first")
        assert not store.create_document("steps/a.json", b"second")
        assert store.read_document("steps/a.json") == b"first"
        store.delete_document("steps/a.json")
        assert store.create_document("steps/a.json", b"third")
        assert store.read_document("steps/a.json") == b"third"
        assert store.list_documents("steps") == ["steps/a.json"]

    def test_of_several_that_create_a_document_at_once_one_does(self, store: Store) -> None:
        for turn in range(3):
            path, made = f"steps/race-{turn}.json", []
            ready = threading.Barrier(6)

            def create(name: bytes, path: str = path, ready: threading.Barrier = ready) -> None:
                ready.wait()
                if store.create_document(path, name):
                    made.append(name)  # noqa: B023 - the threads end within the turn

            threads = [threading.Thread(target=create, args=(b"%d" % number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [store.read_document(path)] == made

    def test_a_damaged_blob_of_the_right_size_is_set_aside_and_stored_anew(self, store: Store) -> None:
        digest = store.put(of_bytes(b"hello")).digest
        self.overwrite(store, digest, b"hellO")
        assert not store.put(of_bytes(b"hello")).new, "nobody reads what is stored already"
        assert store.set_aside(digest)
        assert store.stat(digest) is None
        assert store.put(of_bytes(b"hello")).new
        assert store.get(digest) == b"hello"
        (aside,) = store.list_documents("tmp")
        assert aside.startswith(f"tmp/damaged-{digest}-")
        assert store.read_document(aside) == b"hellO"
        assert list(store.documents()) == []
        assert store.tidy(store.now() + 60) >= 1
        assert store.list_documents("tmp") == []

    def test_a_whole_or_missing_blob_is_not_set_aside(self, store: Store) -> None:
        digest = store.put(of_bytes(b"hello")).digest
        assert not store.set_aside(digest)
        assert store.get(digest) == b"hello"
        assert not store.set_aside(digest_bytes(b"absent"))
        assert store.list_documents("tmp") == []

    @pytest.mark.parametrize(
        "path", ["../x", "/etc/passwd", "a/../../b", "", "a//b", "blobs/aa/x", ".hidden", "a b", "a\0b", "a/.."]
    )
    def test_a_path_that_leads_elsewhere_is_refused(self, store: Store, path: str) -> None:
        for use in (store.read_document, store.delete_document, store.list_documents):
            with pytest.raises(ValueError, match="not a document path"):
                use(path)
        with pytest.raises(ValueError, match="not a document path"):
            store.write_document(path, b"x")
        with pytest.raises(ValueError, match="not a document path"):
            store.create_document(path, b"x")

    @pytest.mark.parametrize("digest", ["../../etc/passwd", "A" * 64, "0" * 63, ""])
    def test_what_is_no_digest_is_refused(self, store: Store, digest: str) -> None:
        for use in (store.get, store.stat, store.delete):
            with pytest.raises(ValueError, match="not a digest"):
                use(Digest(digest))

    def test_a_writable_store_says_so_and_keeps_no_probe(self, store: Store) -> None:
        store.check_writable()
        assert store.list_documents("tmp") == []
