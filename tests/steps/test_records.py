"""Records of the step cache, on a store."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.memory_store import MemoryStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.retention import plan
from sematic_airflow_provider.artifacts.store import Store, blob_path
from sematic_airflow_provider.steps import keeping, records
from sematic_airflow_provider.steps.policy import CachePolicy, policy_of
from sematic_airflow_provider.steps.records import By, Change, Entry, Last, changes

KEY = digest_bytes(b"key")
BY = By("flow", "manual__2026-11-24T08:00:00+00:00", "Größe/schätzen", 3, 1764000000.5)


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path)


def entry(store: Store, value: Any = None, **fields: Any) -> Entry:
    ref = Repository(store, previews=False).save([1, 2, 3] if value is None else value)
    made = Entry(KEY, {"python": "3.11", "input raw": digest_bytes(b"raw")}, {"return_value": ref}, BY)
    return replace(made, **fields)


def test_an_entry_comes_back_as_it_was_written(store: Store) -> None:
    ref = Repository(store).save({"a": 1}, name="flow.other.return_value")
    written = entry(
        store,
        namespace="n",
        expires=1764000001.5,
        metrics={"auc": 0.5, "loss": "nan"},
        facts={"return_value": {"rowCount": 3}},
        reads=(ref,),
        extras=({"name": "asset", "uri": "x://y", "extra": {"rows": 1}},),
        length=3,
    )
    records.write_entry(store, written)
    assert records.read_entry(store, KEY) == written
    assert list(records.entry_keys(store)) == [KEY]
    records.delete_entry(store, KEY)
    assert records.read_entry(store, KEY) is None
    assert list(records.entry_keys(store)) == []


@pytest.mark.parametrize(
    ("field", "content"),
    [
        ("by", "1e400"), ("by", "NaN"), ("by", "1e18"), ("by", "-1"), ("expires", "NaN"), ("length", "-1"), ("length", "Infinity"),
        ("metrics", '{"a": [1]}'), ("facts", '{"return_value": 1}'), ("extras", "[{}]"), ("extras", '[{"name": "a", "uri": "b", "extra": 1}]'),
    ],
)  # fmt: skip
def test_an_entry_that_somebody_changed_into_nonsense_is_none_and_stops_no_collection(
    field: str, content: str, store: Store
) -> None:
    records.write_entry(store, entry(store))
    record = json.loads(store.read_document(records.entry_path(KEY)) or b"")
    whole = json.dumps(record | {field: record["by"] | {"at": "HERE"} if field == "by" else "HERE"})
    store.write_document(records.entry_path(KEY), whole.replace('"HERE"', content).encode())
    assert records.read_entry(store, KEY) is None
    assert list(keeping.named_by_cache(store)) == []
    assert keeping.sweep(store) == 0


def test_an_entry_is_created_only_where_there_is_none(store: Store) -> None:
    first = entry(store)
    assert records.create_entry(store, first)
    assert not records.create_entry(store, replace(first, namespace="second"))
    assert records.read_entry(store, KEY) == first


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b'{"format":2}', b'{"format":1}', b'{"format":1,"parts":[]}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_entry_is_as_if_there_were_none(store: Store, damage: bytes) -> None:
    store.write_document(records.entry_path(KEY), damage)
    assert records.read_entry(store, KEY) is None
    assert list(keeping.entries(store)) == []


def test_the_last_key_of_each_task_instance_is_kept_apart_whatever_its_names_are(store: Store) -> None:
    others = [replace(BY, task_id="../../etc"), replace(BY, map_index=-1), replace(BY, dag_id="flow.Größe")]
    for number, by in enumerate([BY, *others]):
        records.write_last(store, Last(KEY, {"python": str(number)}, by))
    for number, by in enumerate([BY, *others]):
        assert records.read_last(store, by.dag_id, by.task_id, by.map_index) == Last(KEY, {"python": str(number)}, by)
    assert records.read_last(store, "flow", "another", -1) is None


def test_changes_say_what_came_what_went_and_what_is_another() -> None:
    was = {"input raw": "a", "package numpy": "2.1", "code :f": "x", "context ds": "1", "version": ""}
    now = {"input raw": "b", "package numpy": "2.2", "package scipy": "1.0", "code :f": "x", "version": "2"}
    found = changes(was, now)
    assert found == [
        Change("context ds", "1", None),
        Change("input raw", "a", "b"),
        Change("package numpy", "2.1", "2.2"),
        Change("package scipy", None, "1.0"),
        Change("version", "", "2"),
    ]
    assert [str(change) for change in found] == [
        "context `ds` is gone",
        "input `raw` changed",
        "package `numpy` 2.1 -> 2.2",
        "package `scipy` is new (1.0)",
        "version (none) -> 2",
    ]
    assert changes(now, now) == []


def kept(store: Store) -> set[str]:
    return {reference.digest for reference in keeping.kept_by_cache(store)}


def test_an_entry_keeps_its_outputs_and_not_what_its_key_names(store: Store) -> None:
    repository = Repository(store, previews=False)
    raw = repository.save(b"raw bytes of the input")
    written = entry(store, parts={"input raw": raw.digest}, reads=(raw,))
    records.write_entry(store, written)
    records.write_last(store, Last(KEY, {"input raw": raw.digest}, BY))
    assert kept(store) == {written.outputs["return_value"].digest}


def test_an_expired_entry_keeps_nothing_and_is_swept_but_not_within_the_hour(store: Store) -> None:
    records.write_entry(store, entry(store, expires=time.time() - 60))
    assert kept(store) != set()
    assert keeping.sweep(store) == 0
    records.write_entry(store, entry(store, expires=time.time() - 3700))
    assert kept(store) == set()
    assert keeping.sweep(store) == 1
    assert records.read_entry(store, KEY) is None


def test_an_entry_whose_outputs_are_gone_keeps_nothing_and_is_swept(store: Store) -> None:
    written = entry(store)
    records.write_entry(store, written)
    assert keeping.sweep(store) == 0
    store.delete(written.outputs["return_value"].digest)
    assert kept(store) == set()
    assert keeping.sweep(store) == 1


def test_an_entry_that_lost_a_manifest_deep_inside_does_not_stop_a_collection(store: Store) -> None:
    repository = Repository(store, previews=False)
    parts = [np.arange(100), np.arange(200)]
    inner = repository.save(parts)
    outer = repository.save([parts, np.arange(300)])
    records.write_entry(store, entry(store, outputs={"return_value": outer}))
    assert plan(store, lambda: keeping.kept_by_cache(store), grace=86400).kept > 1
    store.delete(inner.digest)
    assert kept(store) == set()
    assert plan(store, lambda: keeping.kept_by_cache(store), grace=86400).kept == 0


@pytest.fixture
def files(tmp_path: Path) -> tuple[LocalStore, Entry]:
    store = LocalStore(tmp_path / "store", create=True)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "large.bin").write_bytes(bytes(range(256)) * 30_000)
    repository = Repository(store, previews=False)
    value = {"arrays": [np.arange(100), {"deep": np.arange(200)}], "folder": folder}
    made = entry(store, outputs={"return_value": repository.save(value)})
    return store, made


def test_every_blob_of_a_nested_output_is_looked_at(files: tuple[LocalStore, Entry]) -> None:
    store, made = files
    assert keeping.flaw(store, made) is None
    assert keeping.flaw(store, made, verify=True) is None
    blobs = list(store.blobs())
    found = {digest for digest, _ in keeping._blobs(store, made.outputs.values())}
    assert len(found) == 8, "three manifests, two arrays, a listing, two chunks at least"
    for digest, _ in [one for one in blobs if one[0] in found]:
        path = Path(store.url) / blob_path(digest)
        data = path.read_bytes()
        path.unlink()
        gone = keeping.flaw(store, made)
        assert gone is not None
        assert gone.digest == digest
        path.write_bytes(data[:-1])
        cut_short = keeping.flaw(store, made)
        assert cut_short is not None
        assert cut_short.digest == digest
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        flipped = keeping.flaw(store, made, verify=True)
        assert flipped is not None
        assert flipped.digest == digest
        path.write_bytes(data)
    assert keeping.flaw(store, made, verify=True) is None


def test_without_verifying_only_manifests_are_read(
    files: tuple[LocalStore, Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = files
    read: list[Digest] = []
    get = LocalStore.get
    monkeypatch.setattr(LocalStore, "get", lambda self, digest: (read.append(digest), get(self, digest))[1])
    assert keeping.flaw(store, made) is None
    for digest in set(read):
        assert json.loads((Path(store.url) / blob_path(digest)).read_bytes()), "a manifest"
    assert len(set(read)) < len(list(store.blobs())) / 2


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"namespace": 5}, TypeError, "namespace must be text, it is int '5'"),
        ({"namespace": "x" * 201}, ValueError, "more than 200"),
        ({"ttl": 7}, TypeError, "ttl must be a timedelta"),
        ({"ttl": dt.timedelta(0)}, ValueError, "longer than nothing"),
        ({"ignore": "level"}, TypeError, r'ignore must be a list such as \["log_level"\], it is str'),
        ({"ignore": [1]}, TypeError, "each of ignore must be text"),
        ({"files": Path("x.csv")}, TypeError, "files must be a list"),
        ({"version": True}, TypeError, "version must be text or a whole number"),
        ({"packages": 1}, TypeError, "packages must be True or False"),
        ({"verify": "yes"}, TypeError, "verify must be True or False"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_the_reason(fields: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CachePolicy(**fields)


def test_what_stands_for_a_policy() -> None:
    policy = CachePolicy(ignore=["a"], files=[Path("x")])
    assert policy_of(policy) is policy
    assert (policy.ignore, policy.files) == (("a",), (Path("x"),))
    assert policy_of(True) == CachePolicy()
    assert policy_of(False) is None
    for wrong in ("True", 1, None, {}):
        with pytest.raises(TypeError, match="cache must be True, False or a CachePolicy"):
            policy_of(wrong)


def test_a_policy_that_ignores_what_is_no_argument_is_refused() -> None:
    def step(x: int, level: str) -> None: ...

    CachePolicy(ignore=["level"]).check(step)
    with pytest.raises(
        ValueError, match="step: CachePolicy ignores levle, but the function has only the arguments x, level"
    ):
        CachePolicy(ignore=["levle"]).check(step)
