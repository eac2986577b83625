"""Airflow's XCom with the object storage backend of its common.io provider, in a local folder."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any


def _backend(store: Path) -> Any:
    os.environ["AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH"] = f"file://{store}"
    os.environ["AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD"] = "0"
    from airflow.providers.common.io.xcom import backend

    backend._get_base_path.cache_clear()  # read once in each process; here a process uses two folders
    return backend.XComObjectStorageBackend


def save(kind: str, value: Any, store: Path) -> Any:
    """What the database would hold for the value: where it was written."""
    return _backend(store).serialize_value(value, dag_id="bench", run_id="1", task_id="save", key=uuid.uuid4().hex)


class _Row:
    def __init__(self, value: Any) -> None:
        self.value = value


def load(kind: str, handle: Any, store: Path) -> Any:
    """Read what a row of the database stands for."""
    return _backend(store).deserialize_value(_Row(handle))
