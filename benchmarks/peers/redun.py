"""redun: values in its database and value store."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from redun.backends.db import RedunBackendDb
from redun.config import create_config_section

logging.getLogger("redun").setLevel(logging.ERROR)


def _backend(store: Path) -> RedunBackendDb:
    section = {
        "db_uri": f"sqlite:///{store}/redun.db",
        "value_store_path": str(store / "values"),
        "max_value_size": str(4 << 30),  # it refuses 1 GB and more, and says to raise this
    }
    backend = RedunBackendDb(config=create_config_section(section))
    backend.load()
    return backend


def prepare(store: Path) -> None:
    """Make the database."""
    _backend(store)


def save(kind: str, value: Any, store: Path) -> Any:
    """Record the value."""
    return _backend(store).record_value(value)


def load(kind: str, handle: Any, store: Path) -> Any:
    """Get it by its hash."""
    value, found = _backend(store).get_value(handle)
    if not found:
        raise LookupError(handle)
    return value
