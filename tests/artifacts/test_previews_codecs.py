"""What codecs say of themselves: a preview of their own, and what they promise of identity."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts import previews
from sematic_airflow_provider.artifacts.codecs.promises import promises_of
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.previews.form import JsonPreview

THEIRS = """
import json


class Molecule:
    def __init__(self, atoms):
        self.atoms = atoms


class MoleculeCodec:
    name = "molecule/1"
    deterministic = True
    depends_on = ("theirs",)

    def handles(self, value):
        return isinstance(value, Molecule)

    def encode(self, value, file):
        file.write(json.dumps(value.atoms).encode())

    def decode(self, data):
        return Molecule(json.loads(bytes(data)))

    def preview(self, value):
        if value.atoms == ["?"]:
            raise RuntimeError("unknown atom")
        return {"atoms": len(value.atoms), "mass": 0.1 + 0.2, "formula": "".join(value.atoms)}
"""

SAVE = """
import sys, theirs
from sematic_airflow_provider.artifacts.codecs.promises import promises_of
from sematic_airflow_provider.artifacts.repository import open_repository
repository = open_repository(sys.argv[1], create=True)
print(repository.save(theirs.Molecule(["C", "O", "O"])).digest, repository.save(theirs.Molecule(["?"])).digest)
print(promises_of("molecule/1"))
"""


@pytest.fixture
def saved(tmp_path: Path) -> list[str]:
    """Lines of a process in which a package with a codec is installed."""
    packages = tmp_path / "packages"
    (packages / "theirs-1.0.dist-info").mkdir(parents=True)
    (packages / "theirs.py").write_text(THEIRS)
    (packages / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (packages / "theirs-1.0.dist-info" / "entry_points.txt").write_text(
        "[sematic_airflow_provider.codecs]\nmolecule = theirs:MoleculeCodec\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", SAVE, str(tmp_path / "store")],
        env={**os.environ, "PYTHONPATH": f"{packages}{os.pathsep}{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "gets no preview: RuntimeError: unknown atom" in done.stderr
    return done.stdout.splitlines()


def test_a_codec_of_ones_own_gives_a_preview(saved: list[str], tmp_path: Path) -> None:
    shown, failed = saved[0].split()
    store = LocalStore(str(tmp_path / "store"))
    made = previews.read(store, shown)
    assert isinstance(made, JsonPreview)
    assert json.loads(made.text) == {"atoms": 3, "mass": 0.1 + 0.2, "formula": "COO"}
    assert made.type == "theirs.Molecule"
    assert previews.read(store, failed) is None
    assert saved[1] == "Promises(deterministic=True, depends_on=('theirs',), pickle=False)"


@pytest.mark.parametrize(
    ("codec", "promised"),
    [
        ("json/1", (True, (), False)),
        ("npy/1", (True, (), False)),
        ("parquet/1", (True, ("pyarrow", "pandas"), False)),
        ("chunks/1:parquet/1", (True, ("pyarrow", "pandas"), False)),
        ("files/1", (True, (), False)),
        ("tree/1", (None, (), False)),
        ("pickle/1", (False, (), True)),
        ("chunks/1:pickle/1", (False, (), True)),
        ("molecule/1", (None, (), False)),
        ("", (None, (), False)),
    ],
)
def test_a_codec_promises_by_its_name(codec: str, promised: Any) -> None:
    found = promises_of(codec)
    assert (found.deterministic, found.depends_on, found.pickle) == promised


def test_of_two_distributions_of_one_package_the_installed_one_counts() -> None:
    assert len(promises_of("xgboost/1").depends_on) == 1
