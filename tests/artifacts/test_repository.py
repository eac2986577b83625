"""Values in, refs out, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository, facts_of
from sematic_airflow_provider.errors import ArtifactError, ArtifactNotFoundError, InvalidRefError, NoCodecError


class Unknown:
    """A type that no codec knows."""

    def __init__(self) -> None:
        self.x = 1


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path))


def _blobs(repository: Repository) -> int:
    return len(list(repository.store.blobs()))


def test_a_small_value_travels_in_its_ref_and_needs_no_store(repository: Repository, tmp_path: Path) -> None:
    ref = repository.save({"auc": 0.7})
    assert ref.value == {"auc": 0.7}
    for blob in (tmp_path / "blobs").glob("??/*"):
        blob.unlink()
    assert repository.load(ref) == {"auc": 0.7}


def test_a_large_value_travels_by_digest_only(repository: Repository) -> None:
    ref = repository.save("x" * 5000)
    assert not ref.has_value
    assert repository.load(ref) == "x" * 5000


def test_none_is_a_value(repository: Repository) -> None:
    ref = repository.save(None)
    assert ref.has_value
    assert repository.load(ArtifactRef.from_json(ref.to_json())) is None


def test_loading_gives_a_new_object_each_time(repository: Repository) -> None:
    ref = repository.save([1])
    repository.load(ref).append(2)
    assert repository.load(ref) == [1]


def test_describing_a_small_value_writes_nothing_and_a_large_one_is_stored(repository: Repository) -> None:
    small = repository.describe(5)
    assert (_blobs(repository), repository.load(small)) == (0, 5)
    assert small == repository.save(5)
    assert repository.load(repository.describe("x" * 5000)) == "x" * 5000


def test_containers_of_tables_become_manifests_that_share_members(repository: Repository) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    value: dict[str, Any] = {"train": frame, "both": [frame, np.ones(2)], "n": (1, frame)}
    ref = repository.save(value)
    assert ref.codec == "tree/1"
    assert sorted({member.codec for member in repository.members(ref)}) == ["parquet/1", "tree/1"]
    loaded = repository.load(ref)
    pd.testing.assert_frame_equal(loaded["train"], frame)
    pd.testing.assert_frame_equal(loaded["both"][0], frame)
    assert type(loaded["n"]) is tuple
    assert _blobs(repository) == 5, "three manifests, one table, one array; the number stands in its manifest"


def test_a_manifest_does_not_depend_on_what_this_deployment_inlines(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1]})
    digests = set()
    for limit in (0, 10, 300, 10**6):
        repository = Repository(LocalStore(tmp_path), inline_limit=limit)
        number, text = repository.save(5), repository.save("x" * 280)
        digests.add(repository.save([number, text, 7, "y" * 280, frame]).digest)
        digests.add(repository.save([5, "x" * 280, 7, "y" * 280, repository.save(frame)]).digest)
    assert len(digests) == 1
    loaded = repository.load(ArtifactRef(digests.pop(), "tree/1", "builtins.list", 0))
    assert loaded[:4] == [5, "x" * 280, 7, "y" * 280]


def test_many_numbers_beside_an_array_are_one_manifest(repository: Repository) -> None:
    ref = repository.save([*range(500), np.ones(1)])
    assert _blobs(repository) == 2
    assert repository.load(ref)[:500] == list(range(500))


@pytest.mark.parametrize("change", [6, 5.0, "5", None, [5], {"a": 5}, float("nan")])
def test_a_value_that_was_changed_in_its_ref_is_read_from_the_store(repository: Repository, change: Any) -> None:
    ref = repository.save(5)
    loaded = repository.load(ArtifactRef.from_json(ref.to_json() | {"value": change}))
    assert (loaded, type(loaded)) == (5, int)


def test_a_value_that_was_changed_and_is_nowhere_else_is_not_given_out(repository: Repository) -> None:
    ref = repository.describe(5)
    with pytest.raises(ArtifactNotFoundError):
        repository.load(ArtifactRef.from_json(ref.to_json() | {"value": 6}))


@pytest.mark.parametrize("value", [1e16, -1.5e300, -0.0, "a\0b", {"a\0": 1}, 2**63, -(2**63) - 1, float("inf"), (1,)])
def test_what_a_database_would_change_or_refuse_does_not_travel_in_a_ref(repository: Repository, value: Any) -> None:
    """PostgreSQL refuses NUL and writes 1e16 as a whole number; MySQL rounds whole numbers beyond 64 bits."""
    ref = repository.save(value)
    assert not ref.has_value
    assert repr(repository.load(ref)) == repr(value)


def test_a_dict_comes_back_sorted_from_a_ref_and_from_the_store(repository: Repository) -> None:
    ref = repository.save({"b": 1, "a": 2})
    carried, stored = repository.load(ref), repository.load(ArtifactRef(ref.digest, ref.codec, ref.type, ref.size))
    assert list(carried) == list(stored) == ["a", "b"]


def test_refs_in_containers_are_members_already(repository: Repository) -> None:
    part = repository.save(pd.DataFrame({"a": [1]}), name="d.t.part")
    ref = repository.save({"part": part})
    assert [member.name for member in repository.members(ref)] == ["d.t.part"]


def test_saving_what_is_stored_already_stores_nothing(repository: Repository) -> None:
    repository.save(pd.DataFrame({"a": range(100)}))
    before = _blobs(repository)
    repository.save(pd.DataFrame({"a": range(100)}))
    assert _blobs(repository) == before


def test_an_unknown_type_names_the_type_and_the_ways_out(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match=r"Unknown.*codec.*allow_pickle"):
        repository.save(Unknown())


def test_an_unknown_type_deep_inside_names_where(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match=r"member 'b': member 0: no codec"):
        repository.save({"a": 1, "b": [Unknown()]})


def test_pickle_is_used_only_where_it_was_asked_for(tmp_path: Path) -> None:
    trusting = Repository(LocalStore(tmp_path), allow_pickle=True)
    ref = trusting.save(Unknown())
    assert ref.codec == "pickle/1"
    assert trusting.load(ref).x == 1
    with pytest.raises(NoCodecError, match="allow_pickle"):
        Repository(LocalStore(tmp_path)).load(ref)


def test_a_missing_artifact_is_named(repository: Repository, tmp_path: Path) -> None:
    ref = repository.save("x" * 5000)
    (tmp_path / "blobs" / ref.digest[:2] / ref.digest).unlink()
    with pytest.raises(ArtifactNotFoundError, match=ref.digest):
        repository.load(ref)


def test_an_unknown_codec_is_named(repository: Repository) -> None:
    ref = repository.save("x" * 5000)
    with pytest.raises(NoCodecError, match="martian/7"):
        repository.load(ArtifactRef(ref.digest, "martian/7", ref.type, ref.size))


def test_a_manifest_that_is_none_gives_a_clear_error(repository: Repository) -> None:
    ref = repository.save([1, 2] * 1000)
    with pytest.raises(ArtifactError, match="no manifest"):
        repository.load(ArtifactRef(ref.digest, "tree/1", ref.type, ref.size))


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "../../etc/passwd"}, {"digest": "0" * 63}, {"digest": None}, {"sematic": 2}, {"size": -1}, {"size": True}, {"size": "1"}, {"codec": 5},
        {"type": None}, {"name": []},
    ],
)  # fmt: skip
def test_a_hostile_ref_is_refused(repository: Repository, change: dict[str, Any]) -> None:
    record = repository.save(1).to_json() | change
    with pytest.raises(InvalidRefError):
        ArtifactRef.from_json(record)


def test_a_ref_shows_no_data(repository: Repository) -> None:
    assert "secret" not in repr(repository.save("secret"))


def test_tables_tell_their_columns_and_rows() -> None:
    facts = facts_of(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    assert facts["rowCount"] == 2
    assert [field["name"] for field in facts["schema"]] == ["a", "b"]
    assert facts_of(5) == {}
