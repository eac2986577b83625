"""An API server, and a spool folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic_airflow_provider.delivery.folder import SpoolFolder
from tests.delivery.api import Api


@pytest.fixture
def api() -> Iterator[Api]:
    served = Api()
    yield served
    served.close()


@pytest.fixture
def folder(tmp_path: Path) -> SpoolFolder:
    return SpoolFolder(tmp_path / "spool")
