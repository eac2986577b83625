"""DVC: the value as a file or folder of its usual format in a repository, added to the cache, and taken out of it elsewhere."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from dvc.repo import Repo

logging.getLogger("dvc").setLevel(logging.ERROR)

_ENDINGS = {"array": ".npy", "integers": ".npy", "numbers": ".parquet", "strings": ".parquet", "model": ".joblib"}


def prepare(store: Path) -> None:
    """Make the repository, without Git, so that only DVC is measured."""
    Repo.init(str(store), no_scm=True).close()


def save(kind: str, value: Any, store: Path) -> Any:
    """Write the file and ``dvc add`` it."""
    name = f"{uuid.uuid4().hex}{_ENDINGS.get(kind, '.json' if kind == 'json' else '')}"
    _write(kind, value, store / name)
    with Repo(str(store)) as repo:
        repo.add(str(store / name))
    return name


def load(kind: str, handle: Any, store: Path) -> Any:
    """``dvc get`` it and read it: a step elsewhere has no copy in its workspace."""
    target = Path(tempfile.mkdtemp(dir=store.parent)) / handle
    Repo.get(str(store), handle, out=str(target))
    return target if kind == "folder" else _read(kind, target)


def _write(kind: str, value: Any, path: Path) -> None:
    if kind == "folder":
        shutil.copytree(value, path)
    elif kind in ("array", "integers"):
        import numpy as np

        np.save(path, value)
    elif kind == "model":
        import joblib

        joblib.dump(value, path)
    elif kind == "json":
        path.write_text(json.dumps(value))
    else:
        value.to_parquet(path)


def _read(kind: str, path: Path) -> Any:
    if kind in ("array", "integers"):
        import numpy as np

        return np.load(path)
    if kind == "model":
        import joblib

        return joblib.load(path)
    if kind == "json":
        return json.loads(path.read_text())
    import pandas as pd

    return pd.read_parquet(path)
