"""The limit: the plain format of a value, written durably and read with its SHA-256 computed, with nothing around it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any


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
        for path in sorted((store / "folder").rglob("*.bin")):
            _hashed(path)
        return store / "folder"
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
    shutil.copytree(source, store / "folder", dirs_exist_ok=True)
    for path in (store / "folder").rglob("*"):
        _synced(path)
    return ""


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
