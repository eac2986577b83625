"""Dagster: an asset that is materialized by one job and read by another, with the file system IO manager in its folder."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dagster

_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def save(kind: str, value: Any, store: Path) -> Any:
    """Materialize the asset whose function returns the value."""
    name = f"output_{uuid.uuid4().hex}"

    @dagster.asset(name=name)
    def output() -> Any:
        return value

    _materialized([output], store)
    return name


def load(kind: str, handle: Any, store: Path) -> Any:
    """Materialize an asset that takes the first as its argument."""
    found: list[Any] = []

    @dagster.asset(name="reader", ins={"read": dagster.AssetIn(handle)})
    def reader(read: Any) -> None:
        found.append(read)

    _materialized([dagster.AssetSpec(handle), reader], store)
    return found[0]


def _materialized(assets: list[Any], store: Path) -> None:
    resources = {"io_manager": dagster.FilesystemIOManager(base_dir=str(store))}
    if not dagster.materialize(assets, resources=resources, run_config=_QUIET).success:
        raise RuntimeError("the run failed")
