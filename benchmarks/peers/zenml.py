"""ZenML: artifacts by name and version, in the default local stack."""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path
from typing import Any


def _configured(store: Path) -> None:
    """One database and artifact store for each folder. Read when the client is first asked for."""
    os.environ["ZENML_CONFIG_PATH"] = str(store / "config")
    os.environ["ZENML_LOCAL_STORES_PATH"] = str(store / "stores")
    logging.getLogger("zenml").setLevel(logging.ERROR)
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration

    if GlobalConfiguration().config_directory != str(store / "config"):
        GlobalConfiguration._reset_instance()
        Client._reset_instance()


def prepare(store: Path) -> None:
    """Make the database and the stack."""
    _configured(store)
    from zenml.client import Client

    _ = Client().active_stack.artifact_store.path


def save(kind: str, value: Any, store: Path) -> Any:
    """Save an artifact by the materializer that its type has."""
    _configured(store)
    import zenml

    name = f"value-{uuid.uuid4()}"
    zenml.save_artifact(value, name=name)
    return name


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load its latest version."""
    _configured(store)
    import zenml

    return zenml.load_artifact(handle)
