"""Paths as values: files and folders in, the same files and folders out, and nothing outside of them."""

from __future__ import annotations

import json
import os
import random
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.files import Files, load_listing
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.counting_store import CountingStore


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(str(tmp_path / "store"))


@pytest.fixture
def repository(store: CountingStore, tmp_path: Path) -> Repository:
    return Repository(store, scratch=str(tmp_path))


def _snapshot(root: Path) -> dict[str, Any]:
    def one(path: Path) -> Any:
        if path.is_symlink():
            return "link", os.readlink(path)
        return ("folder",) if path.is_dir() else (path.read_bytes(), bool(path.stat().st_mode & 0o100))

    return {str(path.relative_to(root)): one(path) for path in sorted(root.rglob("*"))}


def _folder(root: Path) -> Path:
    folder = root / "dataset"
    for name in ("deep/er/still", "empty"):
        (folder / name).mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"1,2\n")
    (folder / "nothing").write_bytes(b"")
    (folder / "deep" / "ünïcode name.txt").write_text("x")
    (folder / "deep" / "er" / "still" / "large.bin").write_bytes(random.Random(1).randbytes(9_000_000))
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "deep" / "link").symlink_to("../a.csv")
    (folder / "to_folder").symlink_to("deep/er")
    return folder


def test_a_folder_comes_back(repository: Repository, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    ref = repository.save(folder)
    back = repository.load(ref)
    assert (back.name, ref.codec, ref.type, ref.size) == ("dataset", "files/1", "pathlib.Path (folder)", 9_000_015)
    assert _snapshot(back) == _snapshot(folder)


def test_a_file_comes_back(repository: Repository, tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"content")
    ref = repository.save(file)
    back = repository.load(ref)
    assert (back.name, back.read_bytes(), ref.type, ref.size) == ("model.bin", b"content", "pathlib.Path (file)", 7)
    assert repository.save(back).digest == ref.digest, "a copy is the same artifact"
    file.write_bytes(b"")
    assert repository.load(repository.save(file)).read_bytes() == b""


def test_equal_folders_are_one_artifact_whenever_and_wherever_they_were_made(
    repository: Repository, tmp_path: Path
) -> None:
    digests = set()
    for number, parent in enumerate(("one", "two")):
        (tmp_path / parent / "same").mkdir(parents=True)
        names = ["b", "a", "c"] if number else ["c", "a", "b"]
        for name in names:
            path = tmp_path / parent / "same" / name
            path.write_text(name)
            os.utime(path, (number, number))
            path.chmod(0o600 if number else 0o664)
        digests.add(repository.save(tmp_path / parent / "same").digest)
    assert len(digests) == 1


@pytest.mark.parametrize("change", ["content", "name", "executable", "one more", "one less", "empty folder", "link"])
def test_folders_that_differ_are_different_artifacts(repository: Repository, tmp_path: Path, change: str) -> None:
    folder = _folder(tmp_path)
    before = repository.save(folder).digest
    if change == "content":
        (folder / "a.csv").write_bytes(b"1,3\n")
    elif change == "name":
        (folder / "a.csv").rename(folder / "b.csv")
    elif change == "executable":
        (folder / "run.sh").chmod(0o644)
    elif change == "one more":
        (folder / "new").write_bytes(b"")
    elif change == "one less":
        (folder / "nothing").unlink()
    elif change == "empty folder":
        (folder / "empty").rmdir()
    else:
        (folder / "to_folder").unlink()
        (folder / "to_folder").symlink_to("deep")
    assert repository.save(folder).digest != before


def test_a_file_that_is_added_costs_itself(repository: Repository, store: CountingStore, tmp_path: Path) -> None:
    there = random.Random(3)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.bin").write_bytes(there.randbytes(50_000))
    repository.save(folder)
    store.written.clear()
    (folder / "150-and-a-half.bin").write_bytes(there.randbytes(50_000))
    repository.save(folder)
    assert sum(one.size for one in store.written) < 6_000_000, "of 15 MB: some chunks and the listing"
    store.written.clear()
    repository.save(folder)
    assert store.written == []


def test_a_large_file_that_changes_costs_itself(repository: Repository, store: CountingStore, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.bin").write_bytes(random.Random(number).randbytes(600_000))
    repository.save(folder)
    store.written.clear()
    (folder / "2.bin").write_bytes(random.Random(9).randbytes(600_000))
    repository.save(folder)
    assert sum(one.size for one in store.written) < 605_000, "the file and the listing, nothing of its neighbours"


def test_a_step_may_write_to_its_copy(repository: Repository, tmp_path: Path) -> None:
    ref = repository.save(_folder(tmp_path))
    first = repository.load(ref)
    (first / "a.csv").write_text("changed")
    assert (repository.load(ref) / "a.csv").read_text() == "1,2\n"


def test_copies_are_gone_when_the_step_is_done(repository: Repository, tmp_path: Path) -> None:
    back = repository.load(repository.save(_folder(tmp_path)))
    repository.scratch.clear()
    assert not back.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("sematic-")] == []
    assert repository.load(repository.save(tmp_path / "dataset")).exists(), "and can be made again"


def test_what_cannot_be_stored_is_named(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(NoCodecError, match="nowhere is not there: a step that returns a path must have written it"):
        repository.save(tmp_path / "nowhere")
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "out").symlink_to("../secret")
    with pytest.raises(NoCodecError, match=r"bad/out is a link to \.\./secret, outside of the folder"):
        repository.save(folder)
    (folder / "out").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        with pytest.raises(NoCodecError, match="socket is neither a file nor a folder"):
            repository.save(folder)
    (folder / "socket").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(NoCodecError, match="pipe is neither"):
        repository.save(folder)
    (folder / "pipe").unlink()
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))).write_text("x")
    with pytest.raises(NoCodecError, match="is not UTF-8"):
        repository.save(folder)
    with pytest.raises(NoCodecError, match=r"member 'data': .*nowhere is not there"):
        repository.save({"data": tmp_path / "nowhere"})


def test_a_link_to_a_link_that_leads_outside_is_refused(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "first").symlink_to("second")
    (folder / "second").symlink_to("/etc/hostname")
    with pytest.raises(NoCodecError, match="outside of the folder"):
        repository.save(folder)


def _listing(repository: Repository, tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "plain"
    folder.mkdir(exist_ok=True)
    (folder / "a").write_text("A")
    digest = repository.save(folder).digest
    record: dict[str, Any] = json.loads(bytes(repository.store.get(digest)))
    return record


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "../up"}, {"name": ".."}, {"name": ""}, {"name": "a/b"}, {"name": "a\0b"}, {"name": 5}, {"kind": "disk"}, {"entries": {}}, {"layout": "x"},
        {"more": ["/etc/x", "file", 0, _EMPTY]}, {"more": ["../x", "file", 0, _EMPTY]}, {"more": ["x/../../y", "file", 0, _EMPTY]},
        {"more": ["x//y", "file", 0, _EMPTY]}, {"more": ["a", "file", 0, _EMPTY]}, {"more": ["a/below", "file", 0, _EMPTY]},
        {"more": ["x", "file", -1, _EMPTY]}, {"more": ["x", "file", 1 << 60, _EMPTY]}, {"more": ["x", "file", 0, "no hash"]}, {"more": ["x", "device", 0, ""]},
        {"more": ["x", "link", 0, "/etc/passwd"]}, {"more": ["x", "link", 0, "../.."]}, {"more": ["x", "link", 0, ""]}, {"more": ["x", "link", 5, "a"]},
        {"more": ["x", "folder", 5, ""]}, {"more": ["x\0", "folder", 0, ""]}, {"more": ["x"]}, {"more": None}, {"more": [5, "folder", 0, ""]},
        {"content": None}, {"content": {"layout": "chunks/1", "size": 0, "chunks": []}}, {"kind": "file"},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_a_hostile_listing_writes_nothing(repository: Repository, tmp_path: Path, changed: dict[str, Any]) -> None:
    record = _listing(repository, tmp_path)
    if "more" in changed:
        record["entries"].append(changed["more"])
    else:
        record |= changed
    stored = repository.store.put(of_bytes(json.dumps(record).encode()))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArtifactError, match="cannot be read by codec files/1"):
        repository.load(ArtifactRef(stored.digest, "files/1", "pathlib.Path (folder)", 1))
    assert sorted(tmp_path.rglob("*")) == before


def test_links_that_lead_outside_together_are_refused(repository: Repository, tmp_path: Path) -> None:
    """Each by itself looks harmless."""
    record = _listing(repository, tmp_path)
    record["entries"] += [["d", "folder", 0, ""], ["d/e", "link", 0, ".."], ["f", "link", 0, "d/e/d/e/../x"]]
    stored = repository.store.put(of_bytes(json.dumps(record).encode()))
    with pytest.raises(ArtifactError, match="leads outside"):
        repository.load(ArtifactRef(stored.digest, "files/1", "pathlib.Path (folder)", 1))


_names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_names, st.binary(max_size=50), max_size=5), st.randoms())
def test_any_names_and_contents_come_back(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], there: Any
) -> None:
    folder = tmp_path_factory.mktemp("any")
    names = list(files)
    there.shuffle(names)
    for name in names:
        (folder / name).write_bytes(files[name])
    ref = repository.save(folder)
    back = repository.load(ref)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == files
    listing = load_listing(repository.store, ref.digest)
    assert Files.from_json(json.loads(json.dumps(listing.to_json()))) == listing


def test_a_file_that_shrinks_while_it_is_stored_is_an_error(
    repository: Repository, store: CountingStore, tmp_path: Path
) -> None:
    file = tmp_path / "growing.log"
    file.write_bytes(random.Random(1).randbytes(6_000_000))

    class Shrinking(CountingStore):
        """The file is cut between hashing and writing."""

        def put_all(self, contents: Any) -> Any:
            os.truncate(file, 1000)
            return super().put_all(contents)

    with pytest.raises(ArtifactError, match=r"changed while|became shorter"):
        Repository(Shrinking(str(tmp_path / "other"))).save(file)
