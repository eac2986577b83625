"""Metaflow: a task's datastore on local storage, used as its runtime does at the end of one task and the beginning of the next."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from metaflow.datastore import FlowDataStore
from metaflow.plugins.datastores.local_storage import LocalStorage


def _datastore(store: Path) -> FlowDataStore:
    return FlowDataStore("Bench", storage_impl=LocalStorage, ds_root=str(store))


def save(kind: str, value: Any, store: Path) -> Any:
    """Save it as an artifact of a task, and mark the task as done."""
    task = uuid.uuid4().hex
    datastore = _datastore(store).get_task_datastore("1", "save", task, attempt=0, mode="w")
    datastore.init_task()
    datastore.save_artifacts(iter([("value", value)]))
    datastore.done()
    return task


def load(kind: str, handle: Any, store: Path) -> Any:
    """Load the artifact of that task."""
    return _datastore(store).get_task_datastore("1", "save", handle)["value"]
