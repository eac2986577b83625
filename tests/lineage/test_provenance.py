"""What was true when a step ran, gathered beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider import __version__
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.lineage import resources
from sematic_airflow_provider.lineage.provenance import Provenance


@pytest.fixture
def store(tmp_path: Path) -> Repository:
    (tmp_path / "store").mkdir()
    return Repository(LocalStore(tmp_path / "store"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "flow.py").write_text("x = 1\n")
    for arguments in (("init", "-b", "trunk"), ("add", "."), ("commit", "-m", "one")):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)
    return folder / "flow.py"


def _whole(store: Repository, gathered: Provenance) -> dict[str, Any]:
    gathered.begin(store)
    return gathered.end(store, {})


def test_it_tells_git_python_packages_machine_and_seeds(store: Repository, file: Path) -> None:
    gathered = Provenance(str(file))
    gathered.begin(store)
    found = gathered.end(store, {"python": 7})
    assert (found["git"]["branch"], found["git"]["dirty"], found["git"]["path"]) == ("trunk", False, "flow.py")
    assert (found["git"]["diff"], found["git"]["diffRedacted"]) == (None, False)
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert store.load(ArtifactRef.from_json(found["packages"]))["apache-airflow"].startswith("3.")
    assert found["cpuCount"] >= 1
    assert (found["seeds"], found["providerVersion"]) == ({"python": 7}, __version__)


def test_the_uncommitted_difference_is_an_artifact_that_equal_ones_share(store: Repository, file: Path) -> None:
    file.write_text("x = 2\n")
    first, second = (_whole(store, Provenance(str(file)))["git"]["diff"] for _ in range(2))
    assert first == second
    assert "+x = 2" in store.load(ArtifactRef.from_json(first))


def test_secrets_in_the_difference_are_masked_and_that_is_said(store: Repository, file: Path) -> None:
    file.write_text("PASSWORD = 'canary-1'\nurl = 'https://me:canary-2@host'\nother = 'canary-3'\n")
    git = _whole(store, Provenance(str(file), redact=lambda text: text.replace("canary-3", "***")))["git"]
    text = store.load(ArtifactRef.from_json(git["diff"]))
    assert git["diffRedacted"] is True
    assert "+PASSWORD = '***'" in text
    assert "https://host" in text
    assert "canary" not in text


def test_a_step_without_a_file_has_no_git(store: Repository) -> None:
    assert Provenance(None).begin(store)["git"] is None


def test_listed_variables_are_recorded(store: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_REGION", "eu")
    assert Provenance(None, record_env=["MODEL_*"]).begin(store)["environment"] == {"MODEL_REGION": "eu"}


def test_the_difference_is_that_of_the_beginning_without_the_secrets_of_the_end(store: Repository, file: Path) -> None:
    file.write_text("x = 'canary'\n")
    secrets: list[str] = []

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    gathered = Provenance(str(file), redact=redact)
    gathered.begin(store)
    file.write_text("x = 'edited while it runs'\n")
    secrets.append("canary")
    git = gathered.end(store, {})["git"]
    text = store.load(ArtifactRef.from_json(git["diff"]))
    assert "+x = '***'" in text
    assert "edited" not in text


def test_an_abandoned_one_leaves_no_process(file: Path) -> None:
    gathered = Provenance(str(file))
    gathered.abandon()
    assert gathered._checkout is not None
    assert all(
        process is None or process.returncode is not None
        for process in (gathered._checkout._status, gathered._checkout._remotes)
    )


def test_the_peak_is_of_what_was_measured_not_of_what_came_before() -> None:
    before = bytearray(300_000_000)
    before[::4096] = b"x" * len(before[::4096])
    del before
    meter = resources.ResourceMeter()
    small = bytearray(1_000_000)
    baseline = meter.read()["peakMemoryBytes"]
    big = bytearray(200_000_000)
    big[::4096] = b"x" * len(big[::4096])
    assert meter.read()["peakMemoryBytes"] >= baseline + 150_000_000
    assert len(small) + len(big) == 201_000_000


def test_cpu_time_and_duration_grow_with_work() -> None:
    meter = resources.ResourceMeter()
    total = sum(i * i for i in range(400_000))
    read = meter.read()
    assert total > 0
    assert 0 < read["cpuSeconds"] <= read["durationSeconds"] * 4 + 1
