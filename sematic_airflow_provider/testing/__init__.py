"""Run Dags and steps in a test: in this process, on a store in memory, with everything else as it is in production. See docs/testing.md."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.memory_store import MemoryStore
    from sematic_airflow_provider.errors import DagRunFailedError
    from sematic_airflow_provider.testing.dags import run_dag
    from sematic_airflow_provider.testing.replaying import replay
    from sematic_airflow_provider.testing.results import DagResult
    from sematic_airflow_provider.testing.step_results import MappedResult, StepResult
    from sematic_airflow_provider.testing.steps import run_step, step_runner

__all__ = [
    "DagResult",
    "DagRunFailedError",
    "MappedResult",
    "MemoryStore",
    "StepResult",
    "replay",
    "run_dag",
    "run_step",
    "step_runner",
]

_HOMES = {
    "DagResult": "testing.results",
    "DagRunFailedError": "errors",
    "MappedResult": "testing.step_results",
    "MemoryStore": "artifacts.memory_store",
    "StepResult": "testing.step_results",
    "replay": "testing.replaying",
    "run_dag": "testing.dags",
    "run_step": "testing.steps",
    "step_runner": "testing.steps",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"sematic_airflow_provider.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
