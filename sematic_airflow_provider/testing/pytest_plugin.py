"""pytest fixtures for tests of Dags and steps. Found by pytest through the entry point ``pytest11``; imports nothing until a fixture is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.memory_store import MemoryStore
    from sematic_airflow_provider.testing.results import DagResult
    from sematic_airflow_provider.testing.step_results import StepResult


@pytest.fixture
def sematic_store() -> MemoryStore:
    """An empty store in memory. The other fixtures of the same test use it, so what one run keeps in the step cache another one finds."""
    from sematic_airflow_provider.artifacts.memory_store import MemoryStore

    return MemoryStore()


@pytest.fixture
def sematic_run(sematic_store: MemoryStore) -> Callable[..., DagResult]:
    """``run_dag`` on the test's store."""
    from sematic_airflow_provider.testing.dags import run_dag

    return partial(run_dag, store=sematic_store)


@pytest.fixture
def sematic_step(sematic_store: MemoryStore) -> Callable[..., StepResult]:
    """``run_step`` on the test's store."""
    from sematic_airflow_provider.testing.steps import step_runner

    return step_runner(store=sematic_store)


@pytest.fixture
def sematic_replay() -> Callable[..., StepResult]:
    """``replay``."""
    from sematic_airflow_provider.testing.replaying import replay

    def run(step: Any, function: Any = None, **options: Any) -> StepResult:
        return replay(step, function, **options)

    return run
