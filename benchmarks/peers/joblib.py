"""joblib: ``dump`` and ``load`` of one file."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import joblib


def save(kind: str, value: Any, store: Path) -> Any:
    """Dump, uncompressed as is the default."""
    name = f"{uuid.uuid4()}.joblib"
    joblib.dump(value, store / name)
    return name


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load into memory."""
    return joblib.load(store / handle)
