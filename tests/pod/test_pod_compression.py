"""The switch of compression reaches the pod."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.pod.run import run
from sematic_airflow_provider.pod.spec import PodTask

CODE = "def make():\n    return 'a line of a log\\n' * 500_000\n"


@pytest.mark.parametrize("compress", [True, False])
def test_a_pod_compresses_where_the_worker_would(tmp_path: Path, compress: bool) -> None:
    store = LocalStore(str(tmp_path))
    task = PodTask(Repository(store).save(CODE), "make", {}, store.url, "results/x.json", compress=compress)
    result = run(PodTask.from_json(task.to_json()))
    assert result.error == ""
    listing = json.loads(bytes(store.get(result.outputs["return_value"].digest)))
    assert ("zstd" in listing) == compress
    assert Repository(store).load(result.outputs["return_value"]) == "a line of a log\n" * 500_000


def test_a_message_of_an_earlier_version_compresses_nothing(tmp_path: Path) -> None:
    task = PodTask(Repository(LocalStore(str(tmp_path))).save(CODE), "make", {}, str(tmp_path), "results/x.json")
    record = json.loads(task.to_json())
    del record["compress"]
    assert not PodTask.from_json(json.dumps(record)).compress
