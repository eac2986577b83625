"""Kedro: data sets of a catalog, for each kind of value the one that its documentation names."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog

_TABLE = {"type": "pandas.ParquetDataset"}
_TYPES: dict[str, dict[str, Any]] = {
    "numbers": _TABLE,
    "strings": _TABLE,
    "json": {"type": "json.JSONDataset"},
    "model": {"type": "pickle.PickleDataset", "backend": "joblib"},
}


def _catalog(kind: str, name: str, store: Path) -> DataCatalog:
    entry = _TYPES.get(kind, {"type": "pickle.PickleDataset"}) | {"filepath": str(store / name)}
    return DataCatalog.from_config({name: entry})


def save(kind: str, value: Any, store: Path) -> Any:
    """Save by the catalog."""
    name = f"output-{uuid.uuid4()}"
    _catalog(kind, name, store).save(name, value)
    return name


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load by the catalog."""
    return _catalog(kind, handle, store).load(handle)
