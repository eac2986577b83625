"""Steps in pods of a real Kubernetes: the same Dag, one switch, the same digests.

Which cluster: ``SEMATIC_TEST_KUBE`` names a folder with the scripts ``kube`` and ``docker`` that start one on this machine; its node sees this machine's files.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from integration.conftest import ROOT
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port
from sematic_airflow_provider.db.packed import facets as facets_of

KUBE = os.environ.get("SEMATIC_TEST_KUBE", "")
IMAGE = "sematic-steps:test"
DAG = "mixed_with_plain_tasks"
pytestmark = pytest.mark.skipif(not KUBE, reason="no cluster: set SEMATIC_TEST_KUBE")

FAILING = """
from airflow.sdk import dag
from sematic_airflow_provider import sematic_task

@sematic_task(compute="kubernetes")
def divide(x: int) -> float:
    return 1 / x

@sematic_task(compute="kubernetes")
def with_context(ds=None) -> str:
    return ds

@dag(schedule=None)
def failing_in_a_pod():
    divide(0)

@dag(schedule=None)
def context_in_a_pod():
    with_context()

failing_in_a_pod()
context_in_a_pod()
"""

TEMPLATE = """
apiVersion: v1
kind: Pod
metadata: {{name: step}}
spec:
  restartPolicy: Never
  tolerations: [{{operator: Exists}}]
  containers:
    - name: base
      imagePullPolicy: IfNotPresent
      volumeMounts: [{{name: store, mountPath: /mnt/sematic}}]
  volumes: [{{name: store, hostPath: {{path: {store}, type: Directory}}}}]
"""


def _run(*command: str, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def _image(folder: Path) -> None:
    site = folder / "site"
    packages = ["numpy", "pandas", "pyarrow"]
    uv = str(Path(sys.executable).parent / "uv")
    _run(
        uv,
        "pip",
        "install",
        "--quiet",
        "--target",
        str(site),
        "--python-version",
        "3.11",
        "--python-platform",
        "x86_64-manylinux_2_28",
        *packages,
    )
    shutil.copytree(
        ROOT / "sematic_airflow_provider",
        site / "sematic_airflow_provider",
        ignore=shutil.ignore_patterns("static", "__pycache__"),
    )
    shutil.copy(ROOT / "integration" / "Dockerfile", folder)
    _run("docker", "build", "-q", "-t", IMAGE, str(folder), env={**os.environ, "DOCKER_BUILDKIT": "0"})
    _run(f"{KUBE}/kube", "images", IMAGE)


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    _run(f"{KUBE}/docker", "up")
    _run(f"{KUBE}/docker", "base")
    _run(f"{KUBE}/kube", "up")
    _image(tmp_path_factory.mktemp("image"))
    line = next(line for line in _run(f"{KUBE}/kube", "env").splitlines() if "KUBECONFIG" in line)
    yield line.split("=", 1)[1].strip("'\"")
    _run(f"{KUBE}/kube", "down")
    _run(f"{KUBE}/docker", "down")


@pytest.fixture(scope="module")
def homes(kubeconfig: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LocalAirflow]:
    """The example, run in process and in pods, each in a home of its own."""
    found = {}
    for compute in ("local", "kubernetes"):
        home = tmp_path_factory.mktemp(compute)
        store = home / "sematic"
        store.mkdir()
        template = home / "pod.yaml"
        template.write_text(TEMPLATE.format(store=store))
        dags = home / "dags"
        shutil.copytree(ROOT / "dags_examples", dags)
        (dags / "failing.py").write_text(FAILING)
        extra = {
            "KUBECONFIG": kubeconfig,
            "AIRFLOW__SEMATIC__COMPUTE": compute,
            "AIRFLOW__SEMATIC__POD_IMAGE": IMAGE,
            "AIRFLOW__SEMATIC__POD_TEMPLATE_FILE": str(template),
            "AIRFLOW__SEMATIC__POD_STORE": "/mnt/sematic",
            "AIRFLOW__SEMATIC__LINEAGE_API_KEY": "",
        }
        airflow = LocalAirflow(home, dags, free_port(18280), extra=extra)
        airflow.migrate()
        airflow.command("dags", "test", DAG)
        airflow.command("sematic", "drain")
        found[compute] = airflow
    return found


def _rows(airflow: LocalAirflow, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(airflow.home / "airflow.db") as connection:
        return connection.execute(query).fetchall()


def test_pods_give_the_same_digests_as_the_workers_process(homes: dict[str, LocalAirflow]) -> None:
    query = f"""select r.task_id, i.direction, i.label, i.node_id from sematic_io i join sematic_run r using (run_id)
                where r.dag_id = '{DAG}' order by 1, 2, 3, 4"""
    local, pods = (_rows(homes[compute], query) for compute in ("local", "kubernetes"))
    assert local == pods
    assert len(local) == 7


def test_the_step_says_that_it_ran_in_a_pod_and_what_it_used_there(homes: dict[str, LocalAirflow]) -> None:
    ((text,),) = _rows(
        homes["kubernetes"], f"select facets from sematic_run where task_id = 'highest' and dag_id = '{DAG}'"
    )
    with Session(create_engine(f"sqlite:///{homes['kubernetes'].home}/airflow.db")) as session:
        (facets,) = facets_of(session, [text])
    assert facets["sematic_step"]["compute"] == "kubernetes"
    assert facets["sematic_provenance"]["image"] == IMAGE
    assert facets["sematic_provenance"]["host"].startswith("highest-")
    assert facets["sematic_resources"]["peakMemoryBytes"] > 1e6
    assert facets["sematic_metrics"]["metrics"]["altitude_ft"] > 1000


def test_nothing_is_left_behind_in_the_store(homes: dict[str, LocalAirflow]) -> None:
    assert list((homes["kubernetes"].home / "sematic" / "results").glob("*")) == []


def test_an_error_in_a_pod_is_told_with_its_line(homes: dict[str, LocalAirflow]) -> None:
    done = homes["kubernetes"].command("dags", "test", "failing_in_a_pod", check=False)
    assert "ZeroDivisionError: division by zero" in done.stdout + done.stderr
    assert "return 1 / x" in done.stdout + done.stderr


def test_a_step_that_needs_airflows_context_says_so_before_a_pod_is_started(homes: dict[str, LocalAirflow]) -> None:
    done = homes["kubernetes"].command("dags", "test", "context_in_a_pod", check=False)
    assert "takes ds from Airflow's context" in done.stdout + done.stderr
