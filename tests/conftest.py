"""An AIRFLOW_HOME of its own for the whole session, made before Airflow is imported."""

from __future__ import annotations

import os
import tempfile

import pytest

from tests.airflow_home import run_airflow

_HOME = tempfile.mkdtemp(prefix="sematic-tests-")
for _name in [name for name in os.environ if name.startswith(("AIRFLOW_", "OPENLINEAGE_"))]:
    del os.environ[_name]
os.environ.update(
    AIRFLOW_HOME=_HOME,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__CORE__XCOM_BACKEND="sematic_airflow_provider.worker.xcom.SematicXComBackend",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS="admin:admin,viewer:viewer,user:user",
    AIRFLOW__API_AUTH__JWT_SECRET="only-for-tests-" + "x" * 50,
    AIRFLOW__OPENLINEAGE__TRANSPORT='{"type": "sematic_airflow_provider.worker.transport.SematicTransport"}',
    AIRFLOW__SEMATIC__LINEAGE_API_KEY="",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest goes first: in the end it would run alone, while the other workers have nothing to do."""
    items.sort(key=lambda item: item.path.name != "test_dags_examples.py")


@pytest.fixture(scope="session")
def migrated_home() -> str:
    """AIRFLOW_HOME with migrated tables."""
    run_airflow("db", "migrate")
    return _HOME
