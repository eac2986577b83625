"""Faults at every call that a local store makes to the system: each fails once, or the process is killed just before it.

Run as a program of its own, which forks for each fault. What is in the store afterwards is checked, then the same is done again without a fault.
"""

from __future__ import annotations

import errno
import io
import itertools
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy

from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError

CALLS = frozenset(
    (
        *(
            "write",
            "pwrite",
            "writev",
            "flush",
            "fsync",
            "fdatasync",
            "sync_file_range",
            "ftruncate",
            "posix_fallocate",
        ),
        *("copy_file_range", "sendfile", "open", "replace", "rename", "link", "symlink", "mkdir", "unlink", "remove"),
        *("rmdir", "utime", "fchmod", "chmod"),
    )
)
FAULTS = {"kill": 0, "full": errno.ENOSPC, "broken": errno.EIO, "forbidden": errno.EACCES}
_SAVED, _REFUSED, _BROKEN = 0, 10, 11
_MADE = random.Random(7)
LARGE = _MADE.randbytes(9 << 20)
IN_CHUNKS = _MADE.randbytes(5 << 20)
VALUE: dict[str, Any] = {"array": numpy.arange(500), "chunks": IN_CHUNKS, "text": "long " * 200}


class _Fault:
    """Watches the calls that this process makes; the n-th fails, or is its last."""

    def __init__(self, number: int = 0, name: str = "") -> None:
        self.count, self._number, self._name = 0, number, name
        self.called: list[str] = []

    @property
    def deleting(self) -> bool:
        """Whether what failed was to delete something."""
        return self._number <= len(self.called) and self.called[self._number - 1] in ("unlink", "remove")

    def __enter__(self) -> _Fault:
        threading.setprofile(self._see)
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _see(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "c_call" or argument.__name__ not in CALLS or "importlib" in frame.f_code.co_filename:
            return
        if argument.__module__ not in ("posix", "io", "_io") and not isinstance(argument.__self__, io.RawIOBase):
            return  # of a text, a list
        self.count += 1
        self.called.append(argument.__name__)
        if self.count != self._number:
            return
        if self._name == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(FAULTS[self._name], os.strerror(FAULTS[self._name]))


def _document(store: LocalStore) -> None:
    store.write_document("results/one.json", b"new" * 1000)


def _blobs(store: LocalStore) -> None:
    store.put_all([of_bytes(b"a" * 100), of_bytes(LARGE), of_bytes(b"b" * 100)])


def _in_one_pass(store: LocalStore) -> None:
    """The same, each hashed while it is written."""
    LocalStore(store.url, large=1).put_all([of_bytes(b"a" * 100), of_bytes(LARGE), of_bytes(b"b" * 100)])


def _moved(store: LocalStore) -> None:
    """The same by way of fsspec, which moves what it has written to its name."""
    FsspecStore(f"local://{store.url}").put_all([of_bytes(b"a" * 100), of_bytes(LARGE), of_bytes(b"b" * 100)])


def _value(store: LocalStore) -> ArtifactRef:
    """A manifest, an array, a list of chunks and its chunks, a text, and previews of them."""
    return Repository(store).save(VALUE)


def _folder(store: LocalStore) -> ArtifactRef:
    return Repository(store).save(_files())


def _files() -> Path:
    """A folder to save; below the working directory, so that each run has its own."""
    root = Path("files")
    if not root.exists():
        (root / "deep" / "empty").mkdir(parents=True)
        for number in range(5):
            (root / "deep" / f"{number}.bin").write_bytes(bytes([number]) * 10_000)
        (root / "large.bin").write_bytes(IN_CHUNKS)
        (root / "link").symlink_to("deep/1.bin")
    return root


SCENARIOS: dict[str, Callable[[LocalStore], Any]] = {
    "document": _document,
    "blobs": _blobs,
    "in_one_pass": _in_one_pass,
    "moved": _moved,
    "value": _value,
    "folder": _folder,
}


def check_store(store: LocalStore) -> None:
    """Every blob is whole, and every document old or new."""
    for digest, found in store.blobs():
        assert len(store.get(digest)) == found.size
    document = store.read_document("results/one.json")
    assert document in (None, b"old", b"new" * 1000), document


def check_saved(store: LocalStore, scenario: str, result: Any) -> None:
    """What a save has returned can be read."""
    repository = Repository(store)
    if scenario == "document":
        assert store.read_document("results/one.json") == b"new" * 1000
    elif scenario == "value":
        back = repository.load(result)
        assert (back.pop("array") == VALUE["array"]).all()
        assert back == {name: VALUE[name] for name in ("chunks", "text")}
    elif scenario == "folder":
        back = repository.load(result)
        assert (back / "large.bin").read_bytes() == IN_CHUNKS
        assert (back / "link").resolve() == (back / "deep" / "1.bin").resolve()
        repository.scratch.clear()
    else:
        assert sorted(found.size for _, found in store.blobs()) == [100, 100, len(LARGE)]


def calls_of(scenario: str, folder: Path) -> list[str]:
    """The calls of a save to which nothing happens."""
    store = LocalStore(folder / "counted", create=True)
    _prepare(store)
    with _Fault() as watch:
        SCENARIOS[scenario](store)
    return watch.called


def _prepare(store: LocalStore) -> None:
    store.write_document("results/one.json", b"old")


def try_fault(scenario: str, number: int, name: str, root: Path) -> str:
    """One save with a fault at its n-th call, in a process of its own; what came of it. Then the checks, and the save again."""
    store = LocalStore(root, create=True)
    _prepare(store)
    process = os.fork()
    if process == 0:
        os._exit(_save(scenario, number, name, store))
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    where = f"{name} at call {number} of {scenario}"
    assert code in (_SAVED, _REFUSED, -signal.SIGKILL), f"{where}: exit code {code}"
    check_store(store)
    if code != -signal.SIGKILL and not (root / "failed-to-delete").exists():
        left = [path.name for path in root.rglob("*") if path.parent.name == "tmp" or path.name.startswith(".tmp-")]
        assert left == [], f"{where} left {left}"
    result = SCENARIOS[scenario](store)
    check_saved(store, scenario, result)
    check_store(store)
    store.tidy(time.time() + 10)
    assert [path for path in (root / "tmp").glob("*") if path.is_file()] == [], where
    return {_SAVED: "saved all the same", _REFUSED: "refused"}.get(code, "killed")


def _save(scenario: str, number: int, name: str, store: LocalStore) -> int:
    """In the process that meets the fault: how it ended."""
    watch = _Fault(number, name)
    try:
        with watch:
            result = SCENARIOS[scenario](store)
    except ArtifactError as error:
        text = str(error)
        if watch.deleting:
            (Path(store.url) / "failed-to-delete").touch()
        return _REFUSED if store.url in text and os.strerror(FAULTS[name]) in text else _told(text)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is not ours: told, and counted as a failure
        own = scenario == "folder" and isinstance(error, OSError) and watch.called[number - 1] == "open"
        return _REFUSED if own else _told(traceback.format_exc())  # the user's file could not be read
    try:
        check_saved(store, scenario, result)
    except BaseException:  # noqa: BLE001 - as above
        return _told(traceback.format_exc())
    if watch.deleting:
        (Path(store.url) / "failed-to-delete").touch()
    return _SAVED


def _told(text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return _BROKEN


def main(scenario: str, limit: int = 0, seed: int = 0) -> Counter[str]:
    """All faults of a scenario, or so many that the seed chooses; what came of them."""
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="sematic-faults-", dir=in_memory))
    logging.disable()  # previews that could not be written are told by warnings
    os.chdir(folder)
    try:
        SCENARIOS[scenario](LocalStore(folder / "warm", create=True))  # imports are made
        calls = calls_of(scenario, folder)
        chosen = list(itertools.product(range(1, len(calls) + 1), FAULTS))
        if limit and limit < len(chosen):
            chosen = random.Random(seed).sample(chosen, limit)
        counts = Counter[str](calls=len(calls), faults=len(chosen))
        for number, name in chosen:
            root = folder / f"{number}-{name}"
            counts[try_fault(scenario, number, name, root)] += 1
            shutil.rmtree(root)
        return counts
    finally:
        os.chdir("/")
        shutil.rmtree(folder)


def writers(number: int, seed: int) -> Counter[str]:
    """So many processes that store the same values at once, of which some are killed; what came of them."""
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = Path(tempfile.mkdtemp(prefix="sematic-writers-", dir=in_memory))
    chosen = random.Random(seed)
    store, begin = LocalStore(root), time.monotonic() + 0.05
    try:
        children = []
        for _ in range(number):
            process = os.fork()
            if process == 0:
                time.sleep(max(0.0, begin - time.monotonic()))
                os._exit(_write_all(store))
            children.append(process)
        time.sleep(max(0.0, begin - time.monotonic()) + chosen.random() * 0.03 * number)
        for victim in chosen.sample(children, chosen.randrange(1, max(2, number // 2))):
            os.kill(victim, signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert set(codes) <= {0, -signal.SIGKILL}, f"seed {seed}: exit codes {codes}"
        check_store(store)
        _blobs(store)
        check_saved(store, "blobs", None)
        store.tidy(time.time() + 10)
        assert list((root / "tmp").iterdir()) == []
        return Counter(finished=codes.count(0), killed=codes.count(-signal.SIGKILL))
    finally:
        shutil.rmtree(root)


def _write_all(store: LocalStore) -> int:
    try:
        _blobs(store)
        for data in (b"a" * 100, LARGE, b"b" * 100):
            assert store.get(digest_bytes(data)) == data
    except BaseException:  # noqa: BLE001 - told, and counted as a failure
        return _told(traceback.format_exc())
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "writers":
        print(json.dumps(sum((writers(int(sys.argv[2]), int(seed)) for seed in sys.argv[3:]), Counter[str]())))
    else:
        print(json.dumps(main(sys.argv[1], *map(int, sys.argv[2:]))))
