"""A worker with a disk, a store and an API server to deliver to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import airflow.settings  # noqa: F401 - reads AIRFLOW_HOME, which is another one for a while below
import pytest

from sematic_airflow_provider.worker import deliverer, stores
from tests.delivery.api import Api


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Has the store and the spool folder; deliverers end with it."""
    for folder in ("store", "spool"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW__SEMATIC__STORE", str(tmp_path / "store"))
    monkeypatch.setenv("AIRFLOW__SEMATIC__SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_API_KEY", "the-key")
    stores._open.cache_clear()
    yield tmp_path
    for process in deliverer._started:
        process.kill()
        process.wait()
    deliverer._started.clear()
    stores._open.cache_clear()


@pytest.fixture
def api(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Ours."""
    served = Api()
    monkeypatch.setenv("AIRFLOW__SEMATIC__LINEAGE_URL", served.url + "/prefix/")
    yield served
    served.close()
