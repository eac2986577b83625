"""An Airflow of its own for each test: a copy of the migrated database, and a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.deployment import Deployment


@pytest.fixture
def deployment(
    migrated_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Deployment]:
    made = Deployment(Path(migrated_home) / "airflow.db", tmp_path, monkeypatch, capfdbinary)
    yield made
    made.close()
