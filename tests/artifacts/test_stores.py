"""The stores, by contract; and what only the local one promises."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.store import Store, blob_path, open_store
from sematic_airflow_provider.errors import ArtifactCorruptedError, MissingExtraError, StoreError
from tests.contracts.store_contract import StoreContract


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path)

    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        (Path(store.url) / blob_path(digest)).write_bytes(data)


class TestLocalStoreInOnePass(StoreContract):
    """Every content is large enough to ask whether one like it has been stored before."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return LocalStore(tmp_path, large=1)

    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        (Path(store.url) / blob_path(digest)).write_bytes(data)

    def test_content_that_changes_meanwhile_is_refused_and_leaves_nothing(self, store: Store) -> None:
        """Nothing is hashed before it is written, so there is nothing that it could differ from: what was written has its own name."""

        class Changing:
            size, reads = 3, 0

            def view(self, start: int, size: int) -> memoryview:
                self.reads += 1
                return memoryview(b"%3d" % self.reads)[start : start + size]

        stored = store.put(Changing())
        assert digest_bytes(store.get(stored.digest)) == stored.digest
        assert [digest for digest, _ in store.blobs()] == [stored.digest]


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return FsspecStore(f"memory://{uuid.uuid4().hex}/artifacts")

    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        import fsspec

        fsspec.filesystem("memory").pipe_file(f"{store.url.removeprefix('memory:/')}/{blob_path(digest)}", data)


class TestMovingStore(StoreContract):
    """A place that fsspec knows and that is no object store: what is written is moved to its name."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return FsspecStore(f"local://{tmp_path}/artifacts")

    def overwrite(self, store: Store, digest: Digest, data: bytes) -> None:
        (Path(store.url.removeprefix("local://")) / blob_path(digest)).write_bytes(data)

    def test_nothing_is_left_beside_what_was_stored(self, store: Store) -> None:
        store.put(of_bytes(b"x" * 9_000_000))
        store.write_document("results/a.json", b"1")
        assert store.list_documents("tmp") == []


def test_a_store_that_vanishes_is_not_made_again_beside_its_mount(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "mount", create=True)
    (tmp_path / "mount").rmdir()
    with pytest.raises(StoreError, match="cannot be written"):
        store.put(of_bytes(b"x"))
    with pytest.raises(StoreError, match="cannot be written"):
        store.write_document("results/a.json", b"x")
    assert not (tmp_path / "mount").exists()


@pytest.mark.parametrize("bit", [0, 7, 8 * 500_000, 8 * 2_999_999 + 3])
def test_one_flipped_bit_is_found(tmp_path: Path, bit: int) -> None:
    store = LocalStore(tmp_path)
    digest = store.put(of_bytes(os.urandom(3_000_000))).digest
    path = tmp_path / blob_path(digest)
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    with pytest.raises(ArtifactCorruptedError, match=digest):
        store.get(digest)


def test_a_folder_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"mkdir -p .*gone.*\[sematic\] store"):
        open_store(str(tmp_path / "gone"))


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        open_store(str(tmp_path / "file"), create=True)


def test_a_file_url_is_a_local_store(tmp_path: Path) -> None:
    assert isinstance(open_store(f"file://{tmp_path}"), LocalStore)


def test_no_store_says_which_option_to_set() -> None:
    with pytest.raises(StoreError, match=r"\[sematic\] store"):
        open_store("")


def test_an_unknown_protocol_is_explained() -> None:
    with pytest.raises(StoreError, match="nothing"):
        open_store("nothing://bucket/x")


def test_s3_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("s3_store", "s3_access", "s3_errors", "s3_upload", "s3_download"):
        monkeypatch.delitem(sys.modules, f"sematic_airflow_provider.artifacts.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"sematic-airflow-provider\[s3\]"):
        open_store("s3://bucket/prefix")


def test_a_store_that_is_full_or_forbidden_says_so(tmp_path: Path) -> None:
    """Root may write anywhere, so a folder in which a file stands where a folder must be plays the part."""
    (tmp_path / "tmp").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        LocalStore(tmp_path).put(of_bytes(b"x"))


def test_a_disk_that_fills_up_leaves_no_torn_blob(tmp_path: Path) -> None:
    code = f"""
        import resource, sys
        from sematic_airflow_provider.artifacts.content import of_bytes
        from sematic_airflow_provider.artifacts.local_store import LocalStore
        from sematic_airflow_provider.errors import StoreError
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            LocalStore({str(tmp_path)!r}).put(of_bytes(b"x" * 3_000_000))
        except StoreError as error:
            print(error)
            sys.exit(7)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "cannot be written" in done.stdout
    assert list(LocalStore(tmp_path).blobs()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_writer_killed_in_the_middle_leaves_no_blob(tmp_path: Path) -> None:
    code = f"""
        import time
        from sematic_airflow_provider.artifacts.local_store import LocalStore
        class Slow:
            size, reads = 800 << 20, 0
            def view(self, start, size):
                self.reads += 1
                if self.reads > 100:  # all was hashed: this is for writing
                    print(start, flush=True)
                    time.sleep(0.01)
                return memoryview(bytes(1)) if self.reads <= 100 else memoryview(bytes(size))
        LocalStore({str(tmp_path)!r}).put(Slow())
    """
    for lines in (1, 5, 20):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert list(LocalStore(tmp_path).blobs()) == []


def _put_many(root: str) -> None:
    store = LocalStore(root)
    for n in range(30):
        data = b"%d" % (n % 5) * 50_000
        assert store.get(store.put(of_bytes(data)).digest) == data


def test_many_writers_of_the_same_values_leave_one_blob_of_each(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put_many, args=(str(tmp_path),)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    assert len(list(LocalStore(tmp_path).blobs())) == 5


def test_storing_again_refreshes_the_age(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    digest = store.put(of_bytes(b"old")).digest
    path = tmp_path / blob_path(digest)
    os.utime(path, (1, 1))
    assert not store.put(of_bytes(b"old")).new
    assert path.stat().st_mtime > time.time() - 60


class _Counted:
    """A content that knows how many bytes of it were asked for."""

    def __init__(self, data: bytes) -> None:
        self._content, self.size, self.read = of_bytes(data), len(data), 0

    def view(self, start: int, size: int) -> memoryview:
        found = self._content.view(start, size)
        self.read += found.nbytes
        return found


SAMPLES_SIZE = 64 * 4096


def test_a_large_content_that_is_new_is_passed_over_once(tmp_path: Path) -> None:
    content = _Counted(os.urandom(9_000_000))
    stored = LocalStore(tmp_path, large=1 << 20).put(content)
    assert stored.new
    assert content.read == content.size + SAMPLES_SIZE


def test_a_large_content_with_a_known_sample_but_other_bytes_is_stored(tmp_path: Path) -> None:
    data, store = bytearray(os.urandom(9_000_000)), LocalStore(tmp_path, large=1 << 20)
    first = store.put(of_bytes(bytes(data)))
    data[5000] ^= 1  # between the first and the second piece of the sample
    content = _Counted(bytes(data))
    second = store.put(content)
    assert content.read == 2 * content.size + SAMPLES_SIZE
    assert second.new
    assert second.digest != first.digest
    assert store.get(second.digest) == data


def test_a_large_content_whose_sample_was_lost_is_found_stored(tmp_path: Path) -> None:
    data, store = os.urandom(9_000_000), LocalStore(tmp_path, large=1 << 20)
    first = store.put(of_bytes(data))
    shutil.rmtree(tmp_path / "samples")
    second = store.put(of_bytes(data))
    assert second.digest == first.digest
    assert not second.new
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [digest for digest, _ in store.blobs()] == [first.digest]


def test_samples_that_nobody_meets_for_months_are_forgotten(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, large=1)
    for data in (b"old", b"new"):
        store.put(of_bytes(data))
    old, new = sorted((tmp_path / "samples").glob("??/*"), key=lambda path: path.stat().st_mtime_ns)
    os.utime(old, (1, 1))
    store.tidy(time.time())
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("large", [1, 1 << 30])
def test_storing_again_what_is_recent_changes_nothing_on_the_disk(tmp_path: Path, large: int) -> None:
    store = LocalStore(tmp_path, large=large)
    digest = store.put(of_bytes(b"new")).digest
    path = tmp_path / blob_path(digest)
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    before = {item: item.stat().st_mtime_ns for item in tmp_path.rglob("*")}
    store.put(of_bytes(b"new"))
    assert {item: item.stat().st_mtime_ns for item in tmp_path.rglob("*")} == before
