"""Previews in the store: when one is written, and what a reader takes from there."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sematic_airflow_provider.artifacts import previews
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.previews.documents import MAX_JSON
from sematic_airflow_provider.artifacts.previews.form import ArrayPreview, ModelPreview, TablePreview
from sematic_airflow_provider.artifacts.repository import Repository, open_repository
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import StoreError
from tests.artifacts.preview_checks import DIGEST, memory_store, shown
from tests.contracts.counting_store import CountingStore

PATH = f"previews/{DIGEST[:2]}/{DIGEST}.json"
PICTURE = PATH.replace(".json", ".png")
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big") + b"rest"


class AskedStore(CountingStore):
    """Notes what is asked of documents too."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.documents_asked: list[str] = []

    def read_document(self, path: str) -> bytes | None:
        """Noted."""
        self.documents_asked.append(path)
        return super().read_document(path)

    def write_document(self, path: str, data: bytes) -> None:
        """Noted."""
        self.documents_asked.append(path)
        super().write_document(path, data)


@pytest.fixture
def store(tmp_path: Path) -> AskedStore:
    return AskedStore(str(tmp_path / "store"))


def _age(store: LocalStore, digest: str) -> None:
    path = Path(store.url, "blobs", digest[:2], digest)
    old = time.time() - store.pace.refresh - 60
    os.utime(path, (old, old))


def _previews(store: Store) -> list[str]:
    return sorted(path for path in store.documents() if path.startswith("previews/"))


def test_a_saved_table_has_its_preview_under_its_digest(store: AskedStore) -> None:
    ref = Repository(store).save(pd.DataFrame({"a": [1]}))
    assert _previews(store) == [f"previews/{ref.digest[:2]}/{ref.digest}.json"]
    made = previews.read(store, ref.digest)
    assert isinstance(made, TablePreview)
    assert made.type == ref.type


def test_the_switch_is_off_where_it_is_off(store: AskedStore) -> None:
    Repository(store, previews=False).save(np.arange(5))
    assert (_previews(store), store.documents_asked) == ([], [])


def test_a_value_that_is_stored_already_asks_nothing_of_previews(store: AskedStore) -> None:
    repository = Repository(store)
    repository.save(np.arange(5))
    store.documents_asked.clear()
    store.written.clear()
    repository.save(np.arange(5))
    assert (store.documents_asked, store.written) == ([], [])


def test_a_value_that_was_stored_without_gets_its_preview_when_it_is_found_old(store: AskedStore) -> None:
    ref = Repository(store, previews=False).save(np.arange(5))
    repository = Repository(store)
    repository.save(np.arange(5))
    assert previews.read(store, ref.digest) is None, "it was stored a moment ago"
    _age(store, ref.digest)
    repository.save(np.arange(5))
    assert isinstance(previews.read(store, ref.digest), ArrayPreview)


def test_a_preview_that_is_there_is_not_made_again(store: AskedStore) -> None:
    repository = Repository(store)
    ref = repository.save(np.arange(5))
    _age(store, ref.digest)
    store.documents_asked.clear()
    repository.save(np.arange(5))
    assert store.documents_asked == [f"previews/{ref.digest[:2]}/{ref.digest}.json"], "one look, no writing"


@pytest.mark.parametrize("value", [{"a": "x" * 3000}, ["x" * 300] * 50, "text" * 1000, b"\xff" * 3000, 5])
def test_what_the_server_can_read_itself_costs_nothing(value: Any, store: AskedStore) -> None:
    repository = Repository(store)
    ref = repository.save(value)
    _age(store, ref.digest)
    repository.save(value)
    assert store.documents_asked == []


def test_large_tables_in_chunks_have_previews(store: AskedStore) -> None:
    ref = Repository(store).save(pd.DataFrame({"x": np.random.default_rng(0).normal(size=1_000_000)}))
    assert ref.codec == "chunks/1:parquet/1"
    made = previews.read(store, ref.digest)
    assert isinstance(made, TablePreview)
    assert made.rows == 1_000_000


def test_members_have_previews_too_and_of_very_many_the_first_hundred(store: AskedStore) -> None:
    repository = Repository(store)
    ref = repository.save({"train": np.arange(3), "test": [np.arange(4)]})
    assert len(_previews(store)) == 2
    repository.save([np.arange(5) + number for number in range(300)])
    assert len(_previews(store)) == 2 + 100
    repository.save([[np.arange(7) + 1000 * outer + inner for inner in range(50)] for outer in range(5)])
    assert len(_previews(store)) == 2 + 100 + 100
    assert previews.read(store, ref.digest) is None, "the server reads the manifest"


def test_a_pickled_model_is_shown_without_being_unpickled(store: AskedStore) -> None:
    from sklearn.linear_model import LinearRegression

    class Local(LinearRegression):
        """No codec but pickle takes it."""

    ref = Repository(store, allow_pickle=True).save(Local(fit_intercept=False))
    assert ref.codec == "pickle/1"
    made = previews.read(store, ref.digest)
    assert isinstance(made, ModelPreview)
    assert ("fit_intercept", False) in [(fact.name, fact.value) for fact in made.params]


class Refusing(AskedStore):
    """Takes blobs, and no documents."""

    def write_document(self, path: str, data: bytes) -> None:
        """Refused."""
        raise StoreError("the disk is full", self.url)

    def read_document(self, path: str) -> bytes | None:
        """Refused."""
        raise StoreError("the disk is gone", self.url)


def test_a_preview_that_cannot_be_written_fails_no_save(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Refusing(str(tmp_path))
    repository = Repository(store)
    ref = repository.save(np.arange(5))
    assert (repository.load(ref) == np.arange(5)).all()
    assert "gets no preview: StoreError: the disk is full" in caplog.text
    _age(store, ref.digest)
    assert repository.save(np.arange(5)) == ref


def test_a_value_that_cannot_be_shown_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    from sematic_airflow_provider.artifacts.ref import ArtifactRef

    class Evil(pd.DataFrame):
        @property
        def dtypes(self) -> Any:
            raise RuntimeError("no dtypes")

    store = memory_store()
    assert not previews.write(store, ArtifactRef(DIGEST, "parquet/1", "Evil", 1), Evil({"a": [1]}))
    assert "RuntimeError: no dtypes" in caplog.text
    assert _previews(store) == []


def test_a_type_name_of_any_length_is_cut() -> None:
    from sematic_airflow_provider.artifacts.ref import ArtifactRef

    store = memory_store()
    assert previews.write(store, ArtifactRef(DIGEST, "npy/1", "t" * 100_000, 1), np.arange(2))
    found = previews.read(store, DIGEST)
    assert found is not None
    assert len(found.type) < 300


MALFORMED = {
    "empty": b"",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "no kind": b"{}",
    "unknown kind": b'{"kind": "program"}',
    "fields missing": b'{"kind": "table"}',
    "wrong types": b'{"kind": "text", "head": {}, "characters": "many", "lines": []}',
    "too deep": b'{"kind": "json", "complete": true, "text": ' + b"[" * 20_000,
    "too large": json.dumps({"kind": "text", "head": "x" * (MAX_JSON + 1), "characters": 1, "lines": 1}).encode(),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_preview_is_none(name: str, caplog: pytest.LogCaptureFixture) -> None:
    store = memory_store()
    store.write_document(PATH, MALFORMED[name])
    assert previews.read(store, DIGEST) is None
    assert DIGEST[:12] in caplog.text


def test_fields_that_nobody_knows_are_dropped() -> None:
    store = memory_store()
    text = {"kind": "text", "head": "h", "characters": 1, "lines": 1, "onload": "alert(1)"}
    store.write_document(PATH, json.dumps(text).encode())
    assert "onload" not in repr(previews.read(store, DIGEST))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"<svg onload=alert(1)>",
        b"<html>",
        PNG.replace((640).to_bytes(4, "big"), (1 << 30).to_bytes(4, "big")),
        PNG.replace((480).to_bytes(4, "big"), (0).to_bytes(4, "big")),
        PNG + b"x" * (512 << 10),
    ],
    ids=["empty", "only the signature", "a drawing that runs code", "a page", "a bomb", "no height", "too large"],
)
def test_what_is_no_small_png_is_no_picture(data: bytes) -> None:
    store = memory_store()
    store.write_document(PICTURE, data)
    assert previews.read_picture(store, DIGEST) is None
    store.write_document(PICTURE, PNG)
    assert previews.read_picture(store, DIGEST) == PNG


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    for use in (previews.read, previews.read_picture, previews.delete):
        with pytest.raises(ValueError, match="digest"):
            use(memory_store(), digest)


def test_a_deleted_preview_is_gone() -> None:
    store = memory_store()
    store.write_document(PATH, b"{}")
    store.write_document(PICTURE, PNG)
    previews.delete(store, DIGEST)
    previews.delete(store, DIGEST)
    assert list(store.documents()) == []


def test_nothing_of_the_process_is_in_a_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_WORKER", "hunter2-hunter2")
    made = shown(pd.DataFrame({"a": [1, 2]}))
    assert "hunter2" not in repr(made)
    assert os.getcwd() not in repr(made)


def _seconds(work: Any) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def test_the_preview_of_a_large_array_costs_a_small_part_of_its_save(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=1 << 24)
    without, with_them = (
        open_repository(str(tmp_path / name), create=True, previews=on) for name, on in (("off", False), ("on", True))
    )
    plain = _seconds(lambda: without.save(array))
    assert _seconds(lambda: with_them.save(array)) < 1.6 * plain + 0.1


def test_any_store_keeps_previews() -> None:
    store = memory_store()
    assert isinstance(store, FsspecStore)
    ref = Repository(store).save(np.arange(3))
    assert isinstance(previews.read(store, ref.digest), ArrayPreview)
