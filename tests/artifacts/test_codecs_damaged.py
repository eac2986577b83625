"""Damaged and random bytes: each codec says no, or finds a value; none ends the process, stalls, or takes memory that a file does not deserve."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.codecs import registry
from tests.artifacts.test_identity import _NOT_INSTALLED_HERE, _ONLY_WHERE_ASKED_FOR, _contracts

pytestmark = pytest.mark.thorough

_ROOT = Path(__file__).parents[2]
_COUNT = 300


@pytest.mark.parametrize("name", sorted(set(registry.built_in_names()) - _ONLY_WHERE_ASKED_FOR - _NOT_INSTALLED_HERE))
def test_damaged_files_are_refused(name: str, tmp_path: Path) -> None:
    contract = next(contract for contract in _contracts() if contract.codec == name)
    file = io.BytesIO()
    registry.codec_named(name).encode(contract().make(max(contract.sources, key=len)), file)
    (tmp_path / "whole").write_bytes(file.getvalue())
    done = subprocess.run(
        [sys.executable, str(_ROOT / "tests" / "artifacts" / "damaged.py"), name, str(tmp_path / "whole"), str(_COUNT)],
        env={
            "PATH": "",
            "PYTHONPATH": str(_ROOT),
            "OMP_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"seed {done.stderr.strip().splitlines()[-3:]} ended it: {done.returncode}"
    found = json.loads(done.stdout.splitlines()[-1])
    assert sum(found.values()) == _COUNT
    assert "MemoryError" not in found
    assert contract.any_bytes_are_valid or found.get("a value", 0) < _COUNT * 0.75
