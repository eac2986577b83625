"""This project: a repository on a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save(kind: str, value: Any, store: Path) -> Any:
    """Save, as a step does with its output."""
    from sematic_airflow_provider.artifacts.repository import open_repository

    return open_repository(str(store), create=True).save(value).to_json()


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load, verified, as a step does with its input."""
    from sematic_airflow_provider.artifacts.ref import ArtifactRef
    from sematic_airflow_provider.artifacts.repository import open_repository

    return open_repository(str(store)).load(ArtifactRef.from_json(handle))
