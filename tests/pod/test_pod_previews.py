"""The switch of previews reaches the pod."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.pod.run import run
from sematic_airflow_provider.pod.spec import PodTask

CODE = "import numpy as np\n\ndef make():\n    return np.arange(10)\n"


@pytest.mark.parametrize("previews", [True, False])
def test_a_pod_makes_previews_where_the_worker_would(tmp_path: Path, previews: bool) -> None:
    store = LocalStore(str(tmp_path))
    task = PodTask(Repository(store).save(CODE), "make", {}, store.url, "results/x.json", previews=previews)
    result = run(PodTask.from_json(task.to_json()))
    assert result.error == ""
    made = [path for path in store.documents() if path.startswith("previews/")]
    assert any(result.outputs["return_value"].digest in path for path in made) == previews


def test_a_message_of_an_earlier_version_makes_previews(tmp_path: Path) -> None:
    task = PodTask(Repository(LocalStore(str(tmp_path))).save(CODE), "make", {}, str(tmp_path), "results/x.json")
    record = json.loads(task.to_json())
    del record["previews"]
    assert PodTask.from_json(json.dumps(record)).previews
