"""ZenML: artifacts by name and version, in the default local stack."""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path
from typing import Any


def _configure(store: Path) -> None:
    """One database and artifact store for all that a process does, the warming up too: ZenML finds out once where they are."""
    home = store.parent / "store"
    os.environ["ZENML_CONFIG_PATH"] = str(home / "config")
    os.environ["ZENML_LOCAL_STORES_PATH"] = str(home / "stores")
    logging.getLogger("zenml").setLevel(logging.ERROR)


def prepare(store: Path) -> None:
    """Make the database and the stack."""
    _configure(store)
    from zenml.client import Client

    _ = Client().active_stack.artifact_store.path


def save(kind: str, value: Any, store: Path) -> Any:
    """Save an artifact by the materializer that its type has."""
    _configure(store)
    import zenml

    name = f"value-{uuid.uuid4()}"
    zenml.save_artifact(value, name=name)
    return name


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load its latest version."""
    _configure(store)
    import zenml

    return zenml.load_artifact(handle)
