"""Retention: what is needed stays, what is not goes, and puts that go on meanwhile lose nothing. ``tests/soak`` runs the race for longer."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sematic_airflow_provider.artifacts import condemned, deletions, retention
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.references import Reference, named_in, references
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.artifacts.store import BlobStat, Pace, Store, blob_path
from sematic_airflow_provider.errors import ArtifactNotFoundError, CollectionRefusedError
from tests.artifacts.s3_servers import S3Server, access, moto_server
from tests.soak import race

PACE = Pace(refresh=1.0, settle=0.5, lease=8.0)
DAY = 24 * 3600.0


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    made = moto_server()
    yield made
    made.stop()


@pytest.fixture(params=["local", "memory", "moving", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "store", create=True, pace=PACE)
    if request.param == "memory":
        return FsspecStore(f"memory://{uuid.uuid4().hex}/artifacts", pace=PACE)
    if request.param == "moving":
        return FsspecStore(f"local://{tmp_path}/artifacts", pace=PACE)
    server: S3Server = request.getfixturevalue("server")
    return S3Store(f"s3://{server.bucket()}/artifacts?endpoint_url={server.endpoint}", access=access, pace=PACE)


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store", create=True)


@pytest.fixture
def repository(local: LocalStore) -> Repository:
    return Repository(local)


def age(store: Store, seconds: float, *digests: str) -> None:
    """Make blobs of a local store, all where none is named, this old."""
    for digest in digests or [digest for digest, _ in store.blobs()]:
        path = Path(store.url) / blob_path(Digest(digest))
        moment = path.stat().st_mtime - seconds
        os.utime(path, (moment, moment))


def collect(store: Store, *roots: ArtifactRef, grace: float = 2 * DAY, **options: Any) -> set[str]:
    """Collect with these roots and the documents; the digests that are left."""
    named = [Reference(ref.digest, ref.codec) for ref in roots]
    found = retention.plan(store, lambda: iter([*named, *retention.document_roots(store)]), grace=grace, **options)
    retention.sweep(store, found)
    return {digest for digest, _ in store.blobs()}


class TestWhatIsNeeded:
    def test_members_of_members_and_chunks_stay_and_the_rest_goes(self, repository: Repository, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        table = pd.DataFrame({f"c{n}": rng.random(200_000) for n in range(5)})
        folder = tmp_path / "folder"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "large.bin").write_bytes(rng.bytes(9_000_000))
        (folder / "small.txt").write_text("small")
        value = {"deep": [[{"array": rng.random(2000)}], table], "folder": folder, "text": "t" * 2000}
        kept = repository.save(value)
        lost = repository.save([rng.random(3000), rng.bytes(6_000_000)])
        store = repository.store
        age(store, 10 * DAY)
        left = collect(store, kept)
        loaded = repository.load(kept)
        assert np.array_equal(loaded["deep"][0][0]["array"], value["deep"][0][0]["array"])
        pd.testing.assert_frame_equal(loaded["deep"][1], table)
        assert (loaded["folder"] / "deep" / "large.bin").read_bytes() == (folder / "deep" / "large.bin").read_bytes()
        assert loaded["text"] == value["text"]
        with pytest.raises(ArtifactNotFoundError):
            repository.load(lost)
        needed = retention.mark(store, [Reference(kept.digest, kept.codec)])
        assert {digest for digest in left if Digest(digest) not in needed} == set()

    def test_chunks_that_a_kept_and_a_deleted_artifact_share_stay(self, repository: Repository) -> None:
        rng = np.random.default_rng(2)
        start = rng.bytes(12_000_000)
        older, newer = repository.save(start), repository.save(start + rng.bytes(3_000_000))
        age(repository.store, 10 * DAY)
        before = {digest for digest, _ in repository.store.blobs()}
        left = collect(repository.store, newer)
        assert older.digest not in left
        assert left < before
        assert repository.load(newer)[: len(start)] == start

    def test_what_is_recent_stays_whether_anything_names_it_or_not(self, local: LocalStore) -> None:
        old, recent = (local.put(of_bytes(data)).digest for data in (b"old", b"recent"))
        age(local, 2.1 * DAY, old)
        age(local, 1.9 * DAY, recent)
        assert collect(local) == {recent}

    def test_nothing_goes_that_is_as_recent_as_the_oldest_task_that_still_runs(self, local: LocalStore) -> None:
        before, during = (local.put(of_bytes(data)).digest for data in (b"before", b"during"))
        age(local, 20 * DAY, before)
        age(local, 9 * DAY, during)
        assert collect(local, not_after=time.time() - 10 * DAY) == {during}

    @pytest.mark.parametrize(
        "path",
        [
            "spool/1.json",
            "spool/rejected/x.json",
            "results/a.json",
            "pointers/models/a/1.json",
            "new/kind",
        ],
    )
    def test_what_any_document_names_stays(self, repository: Repository, path: str) -> None:
        ref = repository.save([np.zeros(500), np.ones(500)])
        repository.store.write_document(path, json.dumps({"deep": [{"of": ref.to_json()}]}).encode())
        age(repository.store, 10 * DAY)
        assert len(collect(repository.store)) == 3

    def test_a_digest_without_a_codec_keeps_what_a_manifest_of_that_digest_names(self, repository: Repository) -> None:
        refs = [repository.save(value) for value in ([np.zeros(500)], np.random.default_rng(0).bytes(9_000_000))]
        repository.store.write_document("new/kind", b"not json: " + " ".join(ref.digest for ref in refs).encode())
        age(repository.store, 10 * DAY)
        before = sum(1 for _ in repository.store.blobs())
        assert len(collect(repository.store)) == before
        for ref in refs:
            repository.load(ref)

    def test_a_wrong_codec_in_front_does_not_hide_the_members(self, repository: Repository) -> None:
        ref = repository.save([np.zeros(500)])
        roots = [ArtifactRef(ref.digest, codec, "t", 1) for codec in ("json/1", "files/1", "tree/1")]
        age(repository.store, 10 * DAY)
        for several in (roots, roots[::-1], roots[1:2]):
            assert len(collect(repository.store, *several)) == 2

    def test_previews_keep_nothing_and_go_with_what_they_show(self, local: LocalStore) -> None:
        kept, gone = (local.put(of_bytes(data)).digest for data in (b"kept", b"gone"))
        for digest in (kept, gone):
            local.write_document(
                f"previews/{digest[:2]}/{digest}.json", json.dumps({"digest": digest, "codec": "json/1"}).encode()
            )
        age(local, 10 * DAY)
        collect(local, ArtifactRef(kept, "bytes/1", "bytes", 4))
        assert list(local.documents()) == [f"previews/{kept[:2]}/{kept}.json"]

    def test_a_record_names_refs_facets_and_anything_like_a_digest(self) -> None:
        digests = [digest_bytes(bytes([n])) for n in range(4)]
        record = {
            "outputs": {"a": ArtifactRef(digests[0], "tree/1", "t", 1).to_json()},
            "text": json.dumps({"digest": digests[1], "codec": "npy/1"}),
            "version": digests[2],
            "own": {"digest": digests[3], "codec": ""},
            "git": "a" * 40,
        }
        assert set(named_in(json.dumps(record))) == {
            Reference(digests[0], "tree/1"),
            Reference(digests[1], "npy/1"),
            Reference(digests[2], None),
            Reference(digests[3], None),
        }


class TestRefused:
    def test_a_damaged_manifest_stops_everything(self, repository: Repository) -> None:
        ref = repository.save([np.zeros(500)])
        repository.save(b"garbage")
        age(repository.store, 10 * DAY)
        (Path(repository.store.url) / blob_path(ref.digest)).write_bytes(b"damaged")
        with pytest.raises(CollectionRefusedError, match=ref.digest):
            collect(repository.store, ref)
        assert sum(1 for _ in repository.store.blobs()) == 3

    def test_a_lost_manifest_stops_everything_but_one_that_was_collected_does_not(self, repository: Repository) -> None:
        ref = repository.save([np.zeros(500)])
        store = repository.store
        age(store, 10 * DAY)
        (Path(store.url) / blob_path(ref.digest)).rename(Path(store.url) / "away")
        with pytest.raises(CollectionRefusedError, match="Restore them from a backup"):
            collect(store, ref)
        (Path(store.url) / "away").rename(Path(store.url) / blob_path(ref.digest))
        assert collect(store) == set()
        assert deletions.deleted_at(store, ref.digest) == pytest.approx(time.time(), abs=60)
        collect(store, ref)  # named again: its deletion is on record

    @pytest.mark.parametrize("codec", ["tree/2", "chunks/2:npy/1", "chunks/1:delta/1", "delta/1", "../x", "x" * 1000])
    def test_a_codec_that_is_not_known_stops_everything(self, local: LocalStore, codec: str) -> None:
        digest = local.put(of_bytes(b"?")).digest
        with pytest.raises(CollectionRefusedError, match=f"{digest}.*Install here what the workers have"):
            collect(local, ArtifactRef(digest, codec, "t", 1))
        assert references(local, digest, "delta/1", opaque=["delta/1"]) == []

    def test_clocks_that_disagree_stop_everything(self, local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        local.put(of_bytes(b"x"))
        for skew in (-2 * 3600, 30 * DAY):
            monkeypatch.setattr(LocalStore, "now", lambda self, skew=skew: time.time() + skew)
            with pytest.raises(CollectionRefusedError, match="clock"):
                collect(local)

    @pytest.mark.parametrize("grace", [0, -1, 23 * 3600])
    def test_a_grace_that_is_not_safe_is_refused(self, local: LocalStore, grace: float) -> None:
        with pytest.raises(ValueError, match="not safe"):
            collect(local, grace=grace)

    def test_only_one_collection_runs_and_a_killed_one_holds_up_others_for_a_while(self, local: LocalStore) -> None:
        found = retention.plan(local, list, grace=2 * DAY)
        local.write_document("gc/running/other.json", json.dumps({"until": time.time() + 60}).encode())
        with pytest.raises(CollectionRefusedError, match="another collection is at work"):
            retention.sweep(local, found)
        local.write_document("gc/running/other.json", json.dumps({"until": time.time() - 1}).encode())
        retention.sweep(local, found)

    def test_what_stops_between_batches_stops_the_sweep(self, local: LocalStore) -> None:
        local.put(of_bytes(b"x"))
        age(local, 10 * DAY)
        found = retention.plan(local, list, grace=2 * DAY)

        def stop() -> None:
            raise CollectionRefusedError("a run was cleared")

        with pytest.raises(CollectionRefusedError, match="cleared"):
            retention.sweep(local, found, before_each=stop)
        assert sum(1 for _ in local.blobs()) == 1


def old_blob(store: Store, data: bytes) -> tuple[Digest, float]:
    """A blob that a put would renew, and a time that it is older than."""
    digest = store.put(of_bytes(data)).digest
    time.sleep(2.2)
    return digest, store.now() - 1.1


class TestPutsMeanwhile:
    def test_what_is_old_is_discarded_and_what_is_not_is_spared(self, store: Store) -> None:
        old, before = old_blob(store, b"old")
        new = store.put(of_bytes(b"new")).digest
        absent = digest_bytes(b"absent")
        assert store.discard([old, new, absent], before) == [old]
        assert [digest for digest, _ in store.blobs()] == [new]
        assert store.list_documents(condemned.FOLDER) == []

    def test_a_put_before_the_delete_is_seen(self, store: Store) -> None:
        old, before = old_blob(store, b"old")
        assert not store.put(of_bytes(b"old")).new
        assert store.discard([old], before) == []
        assert store.get(old) == b"old"

    def test_a_put_at_the_very_moment_of_the_delete_loses_nothing(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The put starts when the collector has looked at the blob for the last time."""
        old, before = old_blob(store, b"old")
        returned: list[float] = []
        deleted: list[float] = []

        def put() -> None:
            assert store.put(of_bytes(b"old")).digest == old
            assert store.get(old) == b"old"
            returned.append(time.monotonic())

        writer = threading.Thread(target=put)

        def while_a_put_starts(delete: Callable[..., Any]) -> Callable[..., Any]:
            def slow(*args: Any, **kwargs: Any) -> Any:
                writer.start()
                time.sleep(1.0)
                try:
                    return delete(*args, **kwargs)
                finally:
                    deleted.append(time.monotonic())

            return slow

        with monkeypatch.context() as patch:
            if isinstance(store, LocalStore):
                patch.setattr(Path, "unlink", while_a_put_starts(Path.unlink))
            elif isinstance(store, FsspecStore):
                patch.setattr(store, "delete", while_a_put_starts(store.delete))
            else:
                client = store._clients_that_ask_once.client()  # type: ignore[attr-defined]
                patch.setattr(client, "delete_object", while_a_put_starts(client.delete_object))
            assert store.discard([old], before) == [old]
        writer.join(30)
        assert returned
        assert returned[0] > deleted[0]
        assert store.get(old) == b"old"

    def test_who_finds_what_a_killed_collector_condemned_waits_until_that_runs_out(self, store: Store) -> None:
        if isinstance(store, LocalStore):
            pytest.skip("its lock ends with the process")
        old, _ = old_blob(store, b"old")
        until = store.now() + 2
        store.write_document(f"{condemned.FOLDER}/dead.json", json.dumps({"until": until, "digests": [old]}).encode())
        store.put(of_bytes(b"other"))
        assert store.now() < until
        store.put(of_bytes(b"old"))
        assert store.now() >= until
        found = store.stat(old)
        assert found is not None
        assert store.now() - found.modified < 2

    def test_a_blob_cut_short_is_not_replaced_while_it_is_being_deleted(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path, pace=PACE)
        digest = store.put(of_bytes(b"whole")).digest
        path = tmp_path / blob_path(digest)
        path.write_bytes(b"who")
        age(store, 10)
        real = Path.unlink
        writer = threading.Thread(target=lambda: store.put(of_bytes(b"whole")))
        with pytest.MonkeyPatch.context() as patch:

            def slow(self: Path, missing_ok: bool = False) -> None:
                if self == path:
                    writer.start()
                    time.sleep(0.5)
                real(self, missing_ok=missing_ok)

            patch.setattr(Path, "unlink", slow)
            store.discard([digest], time.time() - 5)
            writer.join()
        assert store.get(digest) == b"whole"

    def test_chunks_are_renewed_where_their_list_is_old(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path, create=True)
        repository = Repository(store)
        value = np.random.default_rng(3).bytes(9_000_000)
        for save in (lambda: repository.save(value), lambda: repository.save(_file(tmp_path, value))):
            save()
            age(store, 3 * DAY)
            found = retention.plan(store, list, grace=2 * DAY)
            ref = save()
            retention.sweep(store, found)
            assert len(retention.mark(store, [Reference(ref.digest, ref.codec)]).digests) > 3
            repository.load(ref)
            assert all(found.modified > time.time() - DAY for _, found in store.blobs())

    def test_one_look_is_all_that_a_put_of_a_recent_blob_costs(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.put(of_bytes(b"recent"))
        for forbidden in ("list_documents", "read_document", "now"):
            monkeypatch.setattr(type(store), forbidden, lambda *_: pytest.fail("asked for more"))
        assert not store.put(of_bytes(b"recent")).new

    def test_a_place_that_cannot_renew_gets_the_blob_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = FsspecStore(f"memory://{uuid.uuid4().hex}/artifacts", pace=PACE)
        old, before = old_blob(store, b"old")
        monkeypatch.setattr(store, "_touch", lambda target: None)
        assert store.put(of_bytes(b"old")).new
        assert store.discard([old], before) == []


class TestStoreLists:
    def test_documents_of_all_folders_are_told_but_not_what_the_store_keeps_for_itself(self, store: Store) -> None:
        assert list(store.documents()) == []
        paths = ["top.json", "spool/a.json", "steps/ab/cd.json", "pointers/models/deep/er.json"]
        for path in [*paths, "gc/condemned/x.json", "tmp/probe"]:
            store.write_document(path, b"1")
        store.put(of_bytes(b"blob"))
        assert sorted(store.documents()) == sorted(paths)

    def test_what_killed_writers_left_is_tidied_when_it_is_old(self, store: Store, server: S3Server) -> None:
        if isinstance(store, S3Store):
            bucket = store.url.removeprefix("s3://").partition("/")[0]
            server.client().create_multipart_upload(Bucket=bucket, Key=f"artifacts/{blob_path(digest_bytes(b'x'))}")
        else:
            store.write_document("tmp/put-abc", b"half a blo")
        younger = (
            1.2e9 if isinstance(store, S3Store) else store.now() - 100
        )  # moto says of all uploads that they began in 2010
        assert store.tidy(younger) == 0
        assert store.tidy(store.now() + 100) == 1
        assert store.tidy(store.now() + 100) == 0


def test_a_million_blobs_are_planned_in_little_memory() -> None:
    import tracemalloc

    class Many(LocalStore):
        """Tells of blobs that are not there."""

        def blobs(self) -> Iterator[tuple[Digest, BlobStat]]:
            return ((Digest(f"{n:064x}"), BlobStat(100, 0.0)) for n in range(200_000))

    many = Many("/tmp")
    tracemalloc.start()
    found = retention.plan(
        many, lambda: (Reference(Digest(f"{n:064x}"), "npy/1") for n in range(150_000)), grace=2 * DAY
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.kept, len(found.doomed)) == (150_000, 50_000)
    assert peak < 200_000 * 250


@pytest.mark.parametrize("kind", ["local", "fsspec"])
def test_writers_a_collector_and_kills_race_and_nothing_needed_is_lost(kind: str, tmp_path: Path) -> None:
    where = f"{'local://' if kind == 'fsspec' else ''}{tmp_path}/store"
    counts = race.run(race.Race(kind, where, seconds=8, seed=7))
    assert counts["puts"] > 20
    assert counts["killed"] > 1
    assert counts["collections"] > 0


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "file.bin"
    path.write_bytes(data)
    return path
