"""Dags run by ``dag.test()`` in this process: a real database, a real store, the real OpenLineage provider. What came of a run is read from those."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import DAG

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.fold import RunRecord, fold


@dataclass
class Ran:
    """What came of one Dag run; task instances are named ``task`` or ``task[map_index]``."""

    states: dict[str, str]
    rows: dict[tuple[str, str], Any]
    records: dict[str, RunRecord] = field(default_factory=dict)

    def output(self, instance: str, key: str = "return_value") -> Any:
        """The value that the task pushed."""
        return _repository().load(ArtifactRef.from_json(self.rows[instance, key]))

    def read(self, instance: str) -> set[tuple[str, str]]:
        """What it read: argument, and task and key of the output."""
        return {
            (data.label, data.name.partition(".")[2])
            for data in self.records[instance].data
            if data.direction == "read"
        }

    def argument(self, instance: str, name: str) -> Mapping[str, Any]:
        """The recorded argument."""
        ref: Mapping[str, Any] = self.records[instance].facets["sematic_step"]["arguments"][name]
        return ref

    def error(self, instance: str) -> str:
        """Why it failed."""
        return str(self.records[instance].facets["errorMessage"]["message"])


def run(dag: DAG, conf: dict[str, Any] | None = None) -> Ran:
    """Run a Dag once, from its first task to its last."""
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
    finished = dag.test(run_conf=conf)
    with create_session() as session:
        pushed = session.query(XComModel).filter_by(dag_id=dag.dag_id, run_id=finished.run_id).all()
        rows = {(_named(row.task_id, row.map_index), row.key): _plain(row.value) for row in pushed}
    states = {_named(one.task_id, one.map_index): str(one.state) for one in finished.get_task_instances()}
    return Ran(states, rows, _records(finished.run_id))


def _records(run_id: str) -> dict[str, RunRecord]:
    store = _repository().store
    events: dict[str, list[Any]] = {}
    for path in store.list_documents("spool"):
        text = (store.read_document(path) or b"").decode()
        if run_id in text:
            event = parse_event(json.loads(text))
            events.setdefault(event.run_id, []).append(event)
    records = [fold(of_run) for of_run in events.values()]
    return {_named(record.task_id or "", record.map_index): record for record in records}


def _named(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _plain(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _repository() -> Repository:
    from sematic_airflow_provider.worker.stores import repository

    return repository()
