"""The kit beside Airflow: the same Dags end in the same states and leave the same XCom rows.

``by_airflow.json`` is what came of them under ``dag.test``, with the scheduler's code and a database; ``integration/test_testing_kit.py`` runs that anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.testing import run_dag
from tests.testing.by_airflow import in_order
from tests.testing.dags import PARITY, built

BY_AIRFLOW: dict[str, Any] = json.loads(Path(__file__).with_name("by_airflow.json").read_text())


@pytest.mark.parametrize("name", PARITY)
def test_a_dag_ends_as_it_does_under_airflow(name: str) -> None:
    result = run_dag(built(name), raise_on_failure=False)
    expected = BY_AIRFLOW[name]
    assert result.states == expected["states"]
    assert result.state == expected["state"]
    rows = {f"{one.name} {key}": in_order(one.xcom_row(key)) for one in result.instances for key in one.xcom_keys}
    assert rows == expected["rows"]
