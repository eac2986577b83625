"""The kit beside ``dag.test``, which runs the same Dags with Airflow's scheduler code and database: same states, same XCom rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sematic_airflow_provider.testing import run_dag
from tests.testing.dags import PARITY, built


def by_airflow(dag: Any) -> tuple[str, dict[str, str], dict[tuple[str, str], Any]]:
    """State of the run, of its instances, and its XCom rows."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.models.xcom import XComModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session

    DagBundlesManager().sync_bundles_to_db()
    serialized = LazyDeserializedDAG.from_dag(dag)
    SerializedDAG.bulk_write_to_db("dags-folder", None, [serialized])
    SerializedDagModel.write_dag(serialized, bundle_name="dags-folder")
    finished = dag.test()
    with create_session() as session:
        pushed = session.query(XComModel).filter_by(dag_id=dag.dag_id, run_id=finished.run_id).all()
        rows = {(named(row.task_id, row.map_index), row.key): plain(row.value) for row in pushed}
    states = {named(one.task_id, one.map_index): str(one.state) for one in finished.get_task_instances()}
    return str(finished.state), states, rows


def named(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def plain(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", PARITY)
def test_a_dag_ends_as_it_does_under_airflow(name: str, migrated_home: str) -> None:
    state, states, rows = by_airflow(built(name))
    result = run_dag(built(name), raise_on_failure=False)
    assert result.states == states
    assert result.state == state
    ours = {
        (one.name, key): result._supervisor.row(one.task_id, key, one.map_index)
        for one in result.instances
        for key in one.xcom_keys
    }
    assert ours == rows
