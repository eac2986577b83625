"""What Airflow knows about a step."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.bundles.local import LocalDagBundle
from airflow.sdk import DAG, Param
from airflow.sdk.definitions.param import ParamsDict

from sematic_airflow_provider import sematic_task
from sematic_airflow_provider.worker.circumstances import bundle_of, executor_of, parameters_of


@sematic_task
def step() -> None: ...


@sematic_task(executor="CeleryExecutor", seed=7)
def elsewhere() -> None: ...


def test_a_task_runs_in_its_own_executor_or_the_deployments_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor, CeleryExecutor")
    with DAG("flow") as dag:
        step()
        elsewhere()
    assert executor_of(dag.get_task("step")) == "LocalExecutor"
    assert executor_of(dag.get_task("elsewhere")) == "CeleryExecutor"


def test_a_bundle_has_a_name_and_perhaps_a_version(tmp_path: Path) -> None:
    folder = LocalDagBundle(name="flows", path=str(tmp_path))
    assert bundle_of(SimpleNamespace(bundle_instance=folder)) == {"name": "flows", "version": None}
    pinned = LocalDagBundle(name="flows", path=str(tmp_path), version="4f2a")
    assert bundle_of(SimpleNamespace(bundle_instance=pinned)) == {"name": "flows", "version": "4f2a"}
    assert bundle_of(SimpleNamespace()) is None


def test_parameters_are_plain_json() -> None:
    given = ParamsDict({"month": Param("2024-01"), "limits": Param({"a": [1, 2]})})
    assert parameters_of({"params": given}) == {"month": "2024-01", "limits": {"a": [1, 2]}}
    assert parameters_of({"params": {"path": Path("/x")}}) == {"path": "/x"}
    assert parameters_of({}) == {}
    assert parameters_of({"params": {("odd", "key"): 1, "n": 2}}) == {"n": 2}


def test_a_parameter_that_no_json_can_hold_does_not_fail_the_step() -> None:
    own: dict[str, object] = {}
    own["own"] = own
    assert parameters_of({"params": own}) == {}


@pytest.mark.parametrize(("seed", "error"), [("7", TypeError), (-1, ValueError)])
def test_a_seed_that_cannot_be_set_is_refused_when_the_file_is_read(seed: object, error: type[Exception]) -> None:
    @sematic_task(seed=seed)
    def seeded() -> None: ...

    with DAG("flow"), pytest.raises(error, match="seed must be"):
        seeded()


def test_a_seed_can_be_overridden() -> None:
    with DAG("flow") as dag:
        elsewhere.override(task_id="other", seed=8)()
        elsewhere()
    assert (dag.get_task("other").seed, dag.get_task("elsewhere").seed) == (8, 7)
