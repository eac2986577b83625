"""Values that are loaded when they are asked for, and only as much of them as is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import pandas as pd
import pytest

from sematic_airflow_provider.artifacts.artifact import Artifact
from sematic_airflow_provider.artifacts.handing import handed_over, read_with
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from tests.contracts.counting_store import CountingStore


@dataclass
class Split:
    """A value of the tests."""

    train: pd.DataFrame
    test: pd.DataFrame


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(str(tmp_path / "store"))


@pytest.fixture
def repository(store: CountingStore, tmp_path: Path) -> Repository:
    return Repository(store, scratch=str(tmp_path))


@pytest.fixture
def noted() -> list[ArtifactRef]:
    return []


def _artifact(repository: Repository, noted: list[ArtifactRef], value: Any, name: str = "d.t.return_value") -> Any:
    return Artifact(repository.save(value, name=name), repository, noted.append)


def test_nothing_is_read_before_it_is_asked_for(
    repository: Repository, store: CountingStore, noted: list[ArtifactRef]
) -> None:
    artifact = _artifact(repository, noted, np.arange(5000))
    assert (artifact.size, artifact.type, bool(artifact)) == (artifact.ref.size, "numpy.ndarray", True)
    assert (store.read, noted) == ([], [])
    assert artifact.load().sum() == 12497500
    assert [ref.digest for ref in noted] == store.read == [artifact.digest]


def test_one_member_is_loaded_alone(repository: Repository, store: CountingStore, noted: list[ArtifactRef]) -> None:
    arrays = [np.full(1000, number) for number in range(50)]
    artifact = _artifact(repository, noted, arrays)
    assert (artifact[7][0], artifact[-1][0], len(artifact)) == (7, 49, 50)
    members = [ref.digest for ref in repository.members(artifact.ref)]
    assert [digest for digest in store.read if digest in members] == [members[7], members[49]]
    assert {ref.name for ref in noted} == {"d.t.return_value"}, "lineage knows the list by its name, its members not"
    assert [part[0] for part in artifact[3:9:3]] == [3, 6]
    assert sum(part[0] for part in artifact) == sum(range(50))
    with pytest.raises(IndexError):
        artifact[50]
    with pytest.raises(LookupError, match="by number"):
        artifact["a"]


def test_dicts_and_dataclasses_are_read_key_by_key(repository: Repository, noted: list[ArtifactRef]) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    by_key = _artifact(repository, noted, {"x": frame, "y": [np.zeros(2)]})
    assert (list(by_key), sorted(by_key.keys())) == (["x", "y"], ["x", "y"])
    assert by_key["y"][0].tolist() == [0, 0]
    assert by_key.member("x").load(["a"])["a"].tolist() == [1, 2]
    numbered = _artifact(repository, noted, {(1, 2): np.ones(3), 5: "five"})
    assert (numbered[(1, 2)].sum(), numbered[5]) == (3, "five")
    split = _artifact(repository, noted, Split(frame, frame[:1]))
    assert (list(split.keys()), len(split["test"])) == (["train", "test"], 1)
    for missing in ("z", 1):
        with pytest.raises(KeyError):
            by_key[missing]


@pytest.mark.parametrize("rows", [100, 700_000])
def test_columns_of_a_table_are_loaded_alone(
    repository: Repository, store: CountingStore, noted: list[ArtifactRef], rows: int
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{number}": rng.random(rows) for number in range(30)})
    artifact = _artifact(repository, noted, frame)
    assert artifact.ref.in_chunks == (rows > 1000)
    pd.testing.assert_series_equal(artifact["c3"], frame["c3"])
    pd.testing.assert_frame_equal(artifact[["c9", "c1"]], frame[["c9", "c1"]])
    pd.testing.assert_frame_equal(artifact.load(["c2"]), frame[["c2"]])
    with pytest.raises(LookupError, match=r"no columns c99; it has c0, c1"):
        artifact["c99"]
    if artifact.ref.in_chunks:
        store.read.clear()
        artifact.load(["c0"])
        in_all = len(repository.store.get(artifact.digest)) and sum(1 for _ in repository.store.blobs())
        assert len(set(store.read)) < in_all / 1.3, "most of its chunks hold other columns"
    assert {ref.digest for ref in noted} == {artifact.digest}


def test_one_file_of_a_folder_is_unpacked_alone(
    repository: Repository, noted: list[ArtifactRef], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("A")
    (folder / "sub" / "b.txt").write_text("B")
    artifact = _artifact(repository, noted, folder)
    path = artifact["sub/b.txt"]
    assert (path.read_text(), [found.name for found in path.parents[1].rglob("*.txt")]) == ("B", ["b.txt"])
    with pytest.raises(LookupError, match=r"no file 'c\.txt'"):
        artifact["c.txt"]
    assert len(noted) == 1


def test_what_has_no_parts_says_so(repository: Repository, noted: list[ArtifactRef]) -> None:
    array = _artifact(repository, noted, np.arange(3))
    assert (array[1], list(array), len(array)) == (1, [0, 1, 2], 3)
    for wrong in (lambda: array.load(["a"]), lambda: array.member(0), array.keys):
        with pytest.raises(TypeError):
            wrong()


def test_an_artifact_that_is_returned_is_the_artifact(repository: Repository, store: CountingStore) -> None:
    first = repository.save(np.arange(3), name="d.a.return_value")
    again = repository.save([Artifact(first, repository), 1], name="d.b.return_value")
    assert repository.members(again)[0] == first
    assert store.read == [again.digest], "nothing was loaded to store it again"


def test_a_step_that_takes_an_artifact_is_tested_with_any_value() -> None:
    def mean(flights: Artifact[pd.DataFrame]) -> float:
        return float(flights["delay"].mean())

    assert mean(Artifact.of(pd.DataFrame({"delay": [1.0, 2.0]}))) == 1.5


class TestHandingOver:
    """Arguments become artifacts where annotations say so."""

    @pytest.fixture(autouse=True)
    def _given(self, repository: Repository, noted: list[ArtifactRef]) -> None:
        self.repository, self.noted = repository, noted
        self.arrays = [repository.save(np.full(900, n), name=f"d.t{n}.return_value") for n in range(3)]

    def _handed(self, value: Any, annotation: Any) -> Any:
        return handed_over(value, annotation, self.repository, self.noted.append, lambda v: f"loaded {v!r}")

    @pytest.mark.parametrize("annotation", [int, None, list[int], Any, Annotated[int, "x"]])
    def test_without_the_annotation_values_are_loaded(self, annotation: Any) -> None:
        assert self._handed(5, annotation) == "loaded 5"

    @pytest.mark.parametrize(
        "annotation",
        [
            Artifact,
            Artifact[np.ndarray],
            Optional[Artifact[int]],  # noqa: UP045
            Artifact[int] | None,
            Annotated[Artifact, 1],
        ],
    )
    def test_one(self, annotation: Any) -> None:
        artifact = self._handed(self.arrays[1], annotation)
        assert isinstance(artifact, Artifact)
        assert (list(self.noted), artifact[0]) == ([], 1)
        assert self.noted == [self.arrays[1]]

    def test_a_missing_optional_one_is_none(self) -> None:
        none = self.repository.save(None)
        assert [self._handed(value, Artifact[int] | None) for value in (None, none)] == [None, None]

    def test_a_literal_becomes_one(self) -> None:
        assert self._handed({"a": 1}, Artifact[dict]).load() == {"a": 1}  # type: ignore[type-arg]

    def test_collections_of_them(self) -> None:
        as_list = self._handed(self.arrays, list[Artifact[np.ndarray]])
        as_dict = self._handed({"x": self.arrays[2]}, dict[str, Artifact[np.ndarray]])
        first, second = self._handed((self.arrays[0], 7), tuple[Artifact[np.ndarray], int])
        assert ([one[0] for one in as_list], as_dict["x"][0], first[0]) == ([0, 1, 2], 2, 0)
        assert second == "loaded 7"
        assert [ref.name for ref in self.noted] == [f"d.t{n}.return_value" for n in (0, 1, 2, 2, 0)]

    def test_the_members_of_one_output(self) -> None:
        whole = self.repository.save([np.zeros(900), np.ones(900)], name="d.many.return_value")
        handed = self._handed(whole, list[Artifact[np.ndarray]])
        assert (len(handed), list(self.noted), handed[1][0]) == (2, [], 1)
        assert self.noted == [whole]


def test_reading_what_only_holds_outputs_together_counts_as_reading_them(repository: Repository) -> None:
    outputs = {key: repository.save(np.full(9, n), name=f"d.split.{key}") for n, key in enumerate(("train", "test"))}
    together = repository.save(outputs, name="d.split.return_value")
    chosen = repository.save([outputs["test"]], name="d.choose.return_value")
    literal = repository.describe({"a": 5})
    assert {ref.name for ref in read_with(together, repository)} == {"d.split.train", "d.split.test"}
    assert read_with(chosen, repository) == [chosen], "another step chose it: the way leads through that step"
    assert read_with(repository.save([outputs["test"], 5]), repository) == [outputs["test"]]
    assert read_with(literal, repository) == []
