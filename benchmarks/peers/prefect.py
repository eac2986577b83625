"""Prefect: a persisted result, written and read by the result store that its tasks use."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from prefect.filesystems import LocalFileSystem
from prefect.results import ResultStore


def _results(store: Path) -> ResultStore:
    return ResultStore(result_storage=LocalFileSystem(basepath=str(store)))


def save(kind: str, value: Any, store: Path) -> Any:
    """Persist the result."""
    key = uuid.uuid4().hex
    _results(store).write(value, key=key)
    return key


def load(kind: str, handle: Any, store: Path) -> Any:
    """Read it."""
    return _results(store).read(handle).result
