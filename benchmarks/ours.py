"""This project: a repository on a local folder, with previews, as deployments have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SYNCS = True

_opened: list[Any] = []  # folders that were loaded live as long as their repository


def _repository(store: Path, *, create: bool = False) -> Any:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.artifacts.store import open_store

    return Repository(open_store(str(store), create=create), scratch=str(store.parent))


def save(kind: str, value: Any, store: Path) -> Any:
    """Save, as a step does with its output."""
    return _repository(store, create=True).save(value).to_json()


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load, verified, as a step does with its input."""
    from sematic_airflow_provider.artifacts.ref import ArtifactRef

    repository = _repository(store)
    _opened[:] = [repository]
    return repository.load(ArtifactRef.from_json(handle))
