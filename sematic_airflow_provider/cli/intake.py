"""``artifacts put``: a file, a folder or standard input becomes an artifact."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError

FORMS: Final = ("file", "bytes", "text", "json", "npy", "parquet")


def take_in(repository: Repository, source: str, form: str) -> ArtifactRef:
    """Store what a path names, ``-`` for standard input, as a file or folder or as the value that it holds in a format.

    Raises:
        ArtifactError: it is not there, or not of this format.
        StoreError: the store fails.
    """
    if source != "-":
        return _saved(repository, Path(source), form)
    with tempfile.TemporaryDirectory(prefix="sematic-put-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        return _saved(repository, path, form)


def _saved(repository: Repository, path: Path, form: str) -> ArtifactRef:
    if form == "file":
        return repository.save(path)
    if path.is_dir():
        raise ArtifactError(f"{path} is a folder: only --as file stores folders")
    try:
        return repository.save(_READ[form](path))
    except ArtifactError:
        raise
    except FileNotFoundError as error:
        raise ArtifactError(f"there is no file {path}") from error
    except (OSError, ValueError, RecursionError) as error:  # what readers raise on bytes that are of another format
        raise ArtifactError(f"{path} cannot be read as {form}: {error}") from error


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes(), parse_constant=_refuse)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _npy(path: Path) -> Any:
    import numpy as np

    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _parquet(path: Path) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path)


_READ: Final[dict[str, Callable[[Path], Any]]] = {
    "bytes": Path.read_bytes,
    "text": lambda path: path.read_text(encoding="utf-8"),
    "json": _json,
    "npy": _npy,
    "parquet": _parquet,
}
