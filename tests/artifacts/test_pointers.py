"""Pointers, and how setting one and a collection that runs stay out of each other's way."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sematic_airflow_provider.artifacts import collectors, retention
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.parts import Part, all_parts, part_of
from sematic_airflow_provider.artifacts.pointers import FOLDER, HISTORY, pointers, read_pointer, set_pointer
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.references import Reference, named_in, refs_in
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Pace, Store
from sematic_airflow_provider.errors import ArtifactError, ArtifactNotFoundError

PACE = Pace(refresh=0.2, settle=0.3, lease=2.0)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store", create=True, pace=PACE)


@pytest.fixture
def repository(store: LocalStore) -> Repository:
    return Repository(store)


def test_a_pointer_is_read_as_it_was_set_and_is_listed_by_name(repository: Repository) -> None:
    store = repository.store
    assert read_pointer(store, "models/deep/x.y-1@production") is None
    first, second = repository.save(np.arange(500.0)), repository.save(5)
    set_pointer(store, "models/deep/x.y-1@production", first, by="ann")
    made = set_pointer(store, "models/deep/x.y-1@production", second, by="bob")
    set_pointer(store, "data@now", first, by="ann")
    assert read_pointer(store, "models/deep/x.y-1@production") == made
    assert [(version.ref, version.set_by) for version in made.versions] == [(second, "bob"), (first, "ann")]
    assert abs(made.versions[0].set_at.timestamp() - time.time()) < 60
    assert [pointer.name for pointer in pointers(store)] == ["data@now", "models/deep/x.y-1@production"]


def test_a_pointer_remembers_its_last_versions_only(repository: Repository) -> None:
    for number in range(HISTORY + 3):
        pointer = set_pointer(repository.store, "a@b", repository.save(number), by="me")
    assert len(pointer.versions) == HISTORY
    assert repository.load(pointer.ref) == HISTORY + 2


def test_names_that_differ_are_different_documents(repository: Repository) -> None:
    names = ["a/b@c", "a@b", "a.b@c", "a-b@c", "a_b@c", "A/b@c", "a/b/c@d"]
    for number, name in enumerate(names):
        set_pointer(repository.store, name, repository.save(number), by="me")
    assert {p.name: repository.load(p.ref) for p in pointers(repository.store)} == {n: i for i, n in enumerate(names)}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"versions": []}', b'{"versions": [{"ref": {"sematic": 1}}]}']
)
def test_a_document_that_is_no_pointer_is_told_by_name(store: LocalStore, content: bytes) -> None:
    store.write_document(f"{FOLDER}/a+b.json", content)
    for ask in (lambda: read_pointer(store, "a@b"), lambda: list(pointers(store))):
        with pytest.raises(ArtifactError, match="a@b"):
            ask()


def test_other_documents_in_the_folder_are_no_pointers(store: LocalStore) -> None:
    for name in ("notes.json", "a+b.txt", "a+b+c+.json"):
        store.write_document(f"{FOLDER}/{name}", b"?")
    assert list(pointers(store)) == []


def test_a_part_that_is_missing_refuses_the_pointer(repository: Repository) -> None:
    ref = repository.save([np.arange(500.0), [np.arange(400.0)]])
    inner = repository.members(ref)[1]
    lost = repository.members(inner)[0].digest
    repository.store.delete(lost)
    with pytest.raises(ArtifactNotFoundError, match=lost):
        set_pointer(repository.store, "a@b", ref, by="me")
    assert read_pointer(repository.store, "a@b") is None


def test_parts_are_all_blobs_that_loading_reads_and_no_others(repository: Repository) -> None:
    repository.save(b"garbage")
    before = {digest for digest, _ in repository.store.blobs()}
    large = np.random.default_rng(0).bytes(9_000_000)
    ref = repository.save({"a": [np.arange(500.0), 1], "b": large, "c": {"d": large}})
    stored = {digest for digest, _ in repository.store.blobs()} - before
    assert {part.digest for part in all_parts(repository.store, [part_of(ref)])} == stored
    assert list(all_parts(repository.store, [Part(ref.digest, None)])) == [Part(ref.digest, None)]


class TestWhileACollectionRuns:
    def old(self, repository: Repository, number: int = 0) -> ArtifactRef:
        ref = repository.save([np.arange(600.0) + number])
        time.sleep(1.2)
        return ref

    def test_a_pointer_to_what_is_doomed_saves_it(self, repository: Repository) -> None:
        store, ref = repository.store, self.old(repository)
        found = retention.plan(store, list, grace=0.9, shortest_grace=0)
        assert len(found.doomed) == 2
        set_pointer(store, "a@b", ref, by="me")
        swept = retention.sweep(store, found, named_since=lambda moment: _pointed(store))
        assert (swept.blobs, swept.spared) == (0, 2)
        assert repository.load(ref)

    def test_it_is_set_when_the_collector_has_looked_again_and_refused_when_it_was_too_late(
        self, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = repository.store
        kept, lost = self.old(repository), self.old(repository, 1)
        monkeypatch.setattr(retention, "_BATCH", 2)
        doomed = {"now": (lost, *repository.members(lost)), "next": (kept, *repository.members(kept))}
        sizes = {bytes.fromhex(ref.digest): 1 for refs in doomed.values() for ref in refs}
        found = retention.Plan(time.time(), time.time() - 0.9, sizes, 0, 0, 0, 0, ())
        outcomes: dict[str, object] = {}

        def point(name: str, ref: ArtifactRef) -> None:
            try:
                outcomes[name] = set_pointer(store, name, ref, by="me").ref
            except ArtifactNotFoundError as error:
                outcomes[name] = error

        threads = [
            threading.Thread(target=point, args=(f"{name}@x", ref)) for name, ref in (("lost", lost), ("kept", kept))
        ]
        looks = 0

        def look(moment: float) -> list[Reference]:
            """Between the first look for pointers and the first deletions, both are set."""
            nonlocal looks
            seen = _pointed(store)
            looks += 1
            if looks == 1:
                for thread in threads:
                    thread.start()
                while len(store.list_documents(FOLDER)) < 2:
                    time.sleep(0.01)
                assert outcomes == {}
            return seen

        retention.sweep(store, found, named_since=look)
        for thread in threads:
            thread.join(10)
        assert outcomes["kept@x"] == kept
        assert repository.load(kept)
        assert isinstance(outcomes["lost@x"], ArtifactNotFoundError)
        assert [pointer.name for pointer in pointers(store)] == ["kept@x"]

    def test_nobody_waits_where_no_collection_runs_and_one_that_was_killed_is_waited_out(
        self, store: LocalStore
    ) -> None:
        started = time.monotonic()
        collectors.wait_for_collector(store)
        assert time.monotonic() - started < 0.3
        store.write_document("gc/running/x.json", json.dumps({"until": time.time() + 0.8, "looks": 3}).encode())
        collectors.wait_for_collector(store)
        assert 0.5 < time.monotonic() - started < 5

    def test_what_a_look_finds_keeps_all_that_it_needs(self, repository: Repository) -> None:
        store, ref = repository.store, self.old(repository)
        found = retention.plan(store, list, grace=0.9, shortest_grace=0)
        swept = retention.sweep(store, found, named_since=lambda moment: [Reference(ref.digest, ref.codec)])
        assert (swept.blobs, swept.spared) == (0, 2)


def test_refs_are_found_wherever_they_stand_in_a_text(repository: Repository) -> None:
    refs = [repository.save(value) for value in (1, b"x" * 2000, [np.arange(500.0)])]
    text = json.dumps(
        {"a": [refs[0].to_json()], "b": json.dumps({"c": refs[1].to_json()}), "d": {"e": refs[2].to_json()}}
    )
    assert sorted(refs_in(text), key=lambda ref: ref.digest) == sorted(refs, key=lambda ref: ref.digest)
    assert {one.digest for one in named_in(text)} == {ref.digest for ref in refs}
    bad = json.dumps([{"sematic": 1, "digest": "x"}, {"sematic": 7, "digest": 1, "codec": 1}])
    assert list(refs_in(bad)) == []
    assert list(refs_in("no json, sematic")) == []


def _pointed(store: Store) -> list[Reference]:
    return [one for path in store.list_documents(FOLDER) for one in named_in(store.read_document(path) or b"")]
