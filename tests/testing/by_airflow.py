"""The Dags of ``dags.py`` run by Airflow itself: ``python -m tests.testing.by_airflow tests/testing/by_airflow.json`` writes down what came of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def ran(dag: Any) -> dict[str, Any]:
    """State of the run, states of its task instances, and the XCom rows, by ``dag.test`` on a real database."""
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
        rows = {f"{_named(row.task_id, row.map_index)} {row.key}": _plain(row.value) for row in pushed}
    states = {_named(one.task_id, one.map_index): str(one.state) for one in finished.get_task_instances()}
    return {
        "state": str(finished.state),
        "states": dict(sorted(states.items())),
        "rows": dict(sorted(rows.items())),
    }


def _named(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _plain(value: Any) -> Any:
    return in_order(json.loads(value) if isinstance(value, str) else value)


def in_order(row: Any) -> Any:
    """A row as it is, but for what a short circuit writes: it names the tasks to skip in any order."""
    return {**row, "skipped": sorted(row["skipped"])} if isinstance(row, dict) and "skipped" in row else row


def main() -> None:
    """All of them, as JSON, into the file that is named."""
    import tests.conftest  # noqa: F401 - a home of its own, before Airflow is imported
    from tests.airflow_home import run_airflow

    run_airflow("db", "migrate")
    from tests.testing.dags import PARITY, built

    found = {name: ran(built(name)) for name in PARITY}
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
