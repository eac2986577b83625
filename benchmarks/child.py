"""One save or one load in a fresh process, measured: ``python -m benchmarks.child JOB.json``. Runs in the environment of the way that is measured.

Measured is only what stands between ``_Meter``'s start and stop: the libraries are imported and have handed on a small value of the same
kind before, and the value is made before. What a save leaves unsynced is synced inside the measured time, by one rule for all: each file
and folder by fsync, or, where there are more than 100 files, the file system once by syncfs. Reads find the files in the page cache. A
loaded array that is mapped from its file counts as loaded when each of its pages was touched.

Small documents are saved one after another for at most ``SECONDS``; here only what a way syncs by itself is synced, and that time is noted apart.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.values import KINDS, SMALL, touch

FEW = 100
SECONDS = 12.0
LEAST = 5


def sync_tree(root: Path) -> None:
    """Make durable what lies below a folder."""
    files = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    if len(files) > FEW:
        _open_and(root, _syncfs)
        return
    for path in [*files, *(folder for folder, _, _ in os.walk(root))]:
        if not os.path.islink(path):
            _open_and(path, os.fsync)


def _open_and(path: Any, sync: Any) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _syncfs(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
        raise OSError(ctypes.get_errno(), "syncfs failed")


class _Meter:
    """Seconds, CPU seconds, peak memory above what the process had at the start, bytes it wrote."""

    def __init__(self) -> None:
        gc.collect()
        _give_memory_back()
        os.sync()
        self._sync_s = 0.0
        self.peak_is_reset = _reset_peak()
        self._memory, self._cpu, self._written = _status("VmRSS"), _cpu(), _bytes_written()
        self._started = time.perf_counter()

    @contextmanager
    def syncs_apart(self) -> Iterator[None]:
        """Note the time that is spent in fsync."""
        plain = {name: getattr(os, name) for name in ("fsync", "fdatasync")}

        def timed(sync: Any) -> Any:
            def call(*arguments: Any) -> None:
                started = time.perf_counter()
                try:
                    sync(*arguments)
                finally:
                    self._sync_s += time.perf_counter() - started

            return call

        for name, sync in plain.items():
            setattr(os, name, timed(sync))
        try:
            yield
        finally:
            for name, sync in plain.items():
                setattr(os, name, sync)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def stop(self) -> dict[str, Any]:
        """The figures."""
        wall = self.elapsed()
        return {
            "wall_s": wall,
            "sync_s": self._sync_s,
            "cpu_s": _cpu() - self._cpu,
            "extra_bytes": max(0, _status("VmHWM") - self._memory),
            "written_bytes": _bytes_written() - self._written,
            "peak_is_reset": self.peak_is_reset,
        }


def _give_memory_back() -> None:
    """What was freed earlier, and would be used again unseen."""
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status has no {field}")


def _cpu() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _bytes_written() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])


def disk_bytes(root: Path) -> int:
    """What a folder takes of the disk."""
    blocks = {}
    for folder, _, names in os.walk(root):
        for name in names:
            found = os.lstat(os.path.join(folder, name))
            blocks[found.st_ino] = found.st_blocks
    return 512 * sum(blocks.values())


def _save(way: Any, kind: str, value: Any, store: Path) -> tuple[Any, dict[str, Any]]:
    meter = _Meter()
    if kind != "json":
        handle = way.save(kind, value, store)
        if not getattr(way, "SYNCS", False):
            sync_tree(store)
        return handle, meter.stop()
    handles: list[Any] = []
    with meter.syncs_apart():
        while len(handles) < len(value) and (len(handles) < LEAST or meter.elapsed() < SECONDS):
            handles.append(way.save(kind, value[len(handles)], store))
    return handles, {**meter.stop(), "documents": len(handles)}


def _load(way: Any, kind: str, handle: Any, store: Path) -> tuple[Any, dict[str, Any]]:
    meter = _Meter()
    if kind != "json":
        value = way.load(kind, handle, store)
        touch(value)
        return value, meter.stop()
    values: list[Any] = []
    while len(values) < len(handle) and (len(values) < LEAST or meter.elapsed() < SECONDS):
        values.append(way.load(kind, handle[len(values)], store))
    return values, {**meter.stop(), "documents": len(values)}


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Do what a job says: ``prepare``, ``save`` or ``load`` one kind of value by one way below ``folder``."""
    way, name, folder = import_module(job["way"]), job["kind"], Path(job["folder"])
    kind, store, handles = KINDS[name], folder / "store", folder / "handle.json"
    if job["phase"] == "prepare":
        for place in (store, folder / "warm"):
            way.prepare(place)
        return {}
    _warm_up(way, name, folder)
    if job["phase"] == "save":
        value = kind.make(job["scale"], Path(job["values"]))
        handle, figures = _save(way, name, value, store)
        handles.write_text(json.dumps(handle))
        figures |= {
            "weight": kind.weigh(value),
            "disk_bytes": disk_bytes(store),
            "warm_bytes": disk_bytes(folder / "warm"),
        }
    else:
        value, figures = _load(way, name, json.loads(handles.read_text()), store)
        figures["weight"] = kind.weigh(value)
    if job["check"]:
        figures["fingerprint"] = kind.fingerprint(value[:LEAST] if name == "json" else value)
    return figures


def _warm_up(way: Any, name: str, folder: Path) -> None:
    """Hand a small value on, so that libraries are imported and tables of types are built."""
    small, store = KINDS[name].make(SMALL, folder / "warm-values"), folder / "warm"
    if name == "json":
        small = small[:1]
    _load(way, name, _save(way, name, small, store)[0], store)


def main() -> None:
    """Run the job and write its figures where it says."""
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text())
    figures = run(job)
    Path(job["answer"]).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
