"""Seeds and listed variables in a pod."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.pod.run import run
from sematic_airflow_provider.pod.spec import PodResult, PodTask

CODE = "def draw():\n    import random\n    import numpy\n    return [random.random(), float(numpy.random.random())]\n"


def _run(tmp_path: Path, seed: int | None) -> PodResult:
    store = LocalStore(str(tmp_path))
    task = PodTask(
        Repository(store).save(CODE), "draw", {}, store.url, "results/x.json", seed=seed, record_env=("MODEL_*", "*_TOKEN")
    )  # fmt: skip
    run(PodTask.from_json(task.to_json()))
    return PodResult.from_json(store.read_document("results/x.json") or b"")


def test_a_seed_gives_the_same_numbers_again_and_is_told(tmp_path: Path) -> None:
    first, second, other = _run(tmp_path, 7), _run(tmp_path, 7), _run(tmp_path, 8)
    digests = [result.outputs["return_value"].digest for result in (first, second, other)]
    assert digests[0] == digests[1] != digests[2]
    assert {"python": 7, "numpy": 7}.items() <= first.provenance["seeds"].items()  # torch too, where it is loaded


def test_without_a_seed_numbers_differ_and_none_is_told(tmp_path: Path) -> None:
    first, second = _run(tmp_path, None), _run(tmp_path, None)
    assert first.outputs["return_value"].digest != second.outputs["return_value"].digest
    assert first.provenance["seeds"] is None


def test_listed_variables_machine_and_packages_are_those_of_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_REGION", "eu")
    monkeypatch.setenv("HUB_TOKEN", "canary")
    monkeypatch.setenv("SEMATIC_IMAGE", "steps@sha256:" + "0a" * 32)
    found = _run(tmp_path, None).provenance
    assert found["environment"] == {"MODEL_REGION": "eu"}
    assert found["imageDigest"] == "sha256:" + "0a" * 32
    assert found["git"] is None
    packages = Repository(LocalStore(str(tmp_path))).load(ArtifactRef.from_json(found["packages"]))
    assert "numpy" in packages


def test_a_message_of_an_earlier_version_sets_no_seed(tmp_path: Path) -> None:
    task = PodTask(Repository(LocalStore(str(tmp_path))).save(CODE), "draw", {}, str(tmp_path), "results/x.json")
    record = json.loads(task.to_json())
    del record["seed"], record["record_env"]
    read = PodTask.from_json(json.dumps(record))
    assert (read.seed, tuple(read.record_env)) == (None, ())
