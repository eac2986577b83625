"""The limit: the plain format of a value, written durably and read with its SHA-256 computed, with nothing around it.

Arrays: ``numpy.save``, ``numpy.load``. Tables: Parquet with zstd. A model: ``joblib``. A folder: copied, each file's SHA-256 computed while it is read
back into a copy that the reader may change; one sync of the file system in place of one for each file. JSON: a file under a temporary name, synced,
renamed, its folder synced.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

SYNCS = True


def save(kind: str, value: Any, store: Path) -> Any:
    """Write the plain format, synced."""
    if kind == "folder":
        return _save_folder(value, store)
    if kind == "json":
        return _save_small(value, store)
    with (store / "file").open("wb") as file:
        if kind in ("array", "integers"):
            import numpy as np

            np.save(file, value)
        elif kind == "model":
            import joblib

            joblib.dump(value, file)
        else:
            value.to_parquet(file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    return ""


def load(kind: str, handle: Any, store: Path) -> Any:
    """Read it and compute its SHA-256."""
    if kind == "folder":
        return _load_folder(Path(handle), Path(tempfile.mkdtemp(dir=store)))
    if kind == "json":
        data = (store / handle).read_bytes()
        hashlib.sha256(data).hexdigest()
        return json.loads(data)
    if kind in ("array", "integers"):
        import numpy as np

        value = np.load(store / "file")
        hashlib.sha256(value.data).hexdigest()
        return value
    _hashed(store / "file")
    if kind == "model":
        import joblib

        return joblib.load(store / "file")
    import pandas as pd

    return pd.read_parquet(store / "file")


def _save_folder(source: Path, store: Path) -> str:
    from benchmarks.child import sync_tree

    place = Path(tempfile.mkdtemp(dir=store))
    shutil.copytree(source, place, dirs_exist_ok=True)
    sync_tree(store)
    return str(place)


def _load_folder(source: Path, target: Path) -> Path:
    for folder, folders, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        for name in folders:
            (place / name).mkdir()
        for name in names:
            data = Path(folder, name).read_bytes()
            hashlib.sha256(data).hexdigest()
            (place / name).write_bytes(data)
    return target


def _save_small(value: Any, store: Path) -> str:
    """As write-once files are made: a temporary name, fsync, rename, fsync of the folder."""
    data = json.dumps(value).encode()
    name = hashlib.sha256(data).hexdigest()
    with (store / "temporary").open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(store / "temporary", store / name)
    _synced(store)
    return name


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hashed(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        digest, buffer = hashlib.sha256(), bytearray(1 << 20)
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
