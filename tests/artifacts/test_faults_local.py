"""Local stores whose disk, file system or process fails at any moment. ``tests/soak/faults.py`` does the same for as long as one likes."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, StoreError

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]


def faults(*arguments: object) -> dict[str, int]:
    """What came of many faults: ``tests.artifacts.system_faults`` as a program, which may fork."""
    command = [sys.executable, "-m", "tests.artifacts.system_faults", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("scenario", "limit"),
    [("document", 0), ("blobs", 40), ("in_one_pass", 40), ("moved", 20), ("value", 40), ("folder", 30)],
)
def test_a_save_that_fails_or_is_killed_at_any_call_to_the_system_is_not_torn_and_can_be_repeated(
    scenario: str, limit: int
) -> None:
    """``limit`` faults of all, by a seed; 0: all. The checks are in ``system_faults.try_fault``."""
    counts = faults(scenario, limit, 1)
    assert counts["refused"] >= counts["faults"] // 4
    assert counts["killed"] >= 3


@pytest.mark.parametrize(("number", "seeds"), [(2, 6), (4, 4), (16, 3)])
def test_writers_of_the_same_values_of_which_some_are_killed_leave_them_whole(number: int, seeds: int) -> None:
    counts = faults("writers", number, *range(seeds))
    assert counts["finished"] + counts["killed"] == number * seeds
    assert counts["killed"] > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a file system in memory, of a size and with rights."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False)
        if done.returncode:
            pytest.skip("this user may not mount a file system here")
        mounted.append(place)
        return place

    if os.getuid() or shutil.which("mount") is None:
        pytest.skip("only root mounts file systems")
    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_at_any_byte_refuses_and_goes_on_when_there_is_room(
    small_disk: Callable[..., Path],
) -> None:
    disk = small_disk("size=6m")
    value = {"array": numpy.arange(200), "chunks": os.urandom(4_500_000), "more": ["x" * 600] * 3}
    refusals: list[str] = []
    for used in range(0, 6 << 20, 150_000):
        filler = disk / "filler"
        filler.write_bytes(b"x" * used)
        repository = Repository(LocalStore(disk / "store", create=True))
        try:
            ref = repository.save(value)
        except StoreError as error:
            refusals.append(str(error))
            for digest, found in repository.store.blobs():
                assert len(repository.store.get(digest)) == found.size
            assert not any(path.is_file() for path in (disk / "store" / "tmp").glob("*"))
            filler.unlink()
            ref = repository.save(value)
        assert repository.load(ref)["chunks"] == value["chunks"]
        shutil.rmtree(disk / "store")
    assert len(refusals) > 20
    assert all(f"{disk / 'store'} cannot be written: No space left on device" in refusal for refusal in refusals)


def test_a_read_only_store_is_read_and_says_that_it_cannot_be_written(small_disk: Callable[..., Path]) -> None:
    disk = small_disk("size=4m")
    store = LocalStore(disk)
    digest = store.put(of_bytes(b"here")).digest
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert store.get(digest) == b"here"
    assert not store.put(of_bytes(b"here")).new
    for use in (
        lambda: store.put(of_bytes(b"new")),
        lambda: store.write_document("results/a.json", b"1"),
        lambda: store.delete(digest),
        store.check_writable,
    ):
        with pytest.raises(StoreError, match=f"{disk} cannot be written: Read-only file system"):
            use()


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_another_users_store_says_that_access_is_denied() -> None:
    folder = Path(f"/tmp/sematic-denied-{os.getpid()}")  # tmp_path itself is closed to others
    store = LocalStore(folder, create=True)
    digest = store.put(of_bytes(b"secret")).digest
    try:
        folder.chmod(0o700)
        program = _as_nobody(folder, digest)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Permission denied") == 3, done.stdout
    finally:
        shutil.rmtree(folder)


def _as_nobody(folder: Path, digest: str) -> str:
    """A program that reads and writes as somebody who may do neither."""
    return f"""
import os
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.errors import StoreError
store = LocalStore({str(folder)!r})
os.setuid({pwd.getpwnam("nobody").pw_uid})
for use in (
    lambda: store.get({digest!r}),
    lambda: store.put(of_bytes(b"new")),
    lambda: store.write_document("results/a.json", b"1"),
):
    try:
        use()
    except StoreError as error:
        print(error)
"""


def test_a_blob_that_is_a_folder_or_cannot_be_opened_is_an_error_that_names_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    digest = digest_bytes(b"x")
    (tmp_path / "blobs" / digest[:2] / digest).mkdir(parents=True)
    with pytest.raises(ArtifactError, match=f"{tmp_path}.*{digest[:12]}"):
        store.get(digest)
