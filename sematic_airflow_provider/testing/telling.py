"""The lineage of a test run: the events that its task instances would have sent, and the graph that the Lineage tab would draw of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.lineage import capture
from sematic_airflow_provider.lineage.events import Event, parse_event
from sematic_airflow_provider.lineage.fold import DataRecord, RunRecord, fold
from sematic_airflow_provider.lineage.graph import (
    ArtifactNode,
    DatasetNode,
    Edge,
    LineageGraph,
    Node,
    RunNode,
    artifact_label,
    run_label,
)
from sematic_airflow_provider.testing.attempts import Attempt
from sematic_airflow_provider.testing.logs import quiet
from sematic_airflow_provider.testing.supervisor import Supervisor
from sematic_airflow_provider.worker import stores
from sematic_airflow_provider.worker.operator import SematicOperator

if TYPE_CHECKING:
    from sematic_airflow_provider.testing.step_results import StepResult


def events_of(instances: Iterable[StepResult], supervisor: Supervisor, repository: Repository) -> list[dict[str, Any]]:
    """By Airflow's OpenLineage provider, from what the tasks themselves tell it."""
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
    from openlineage.client import OpenLineageClient
    from openlineage.client.serde import Serde
    from openlineage.client.transport.transport import Transport

    events: list[dict[str, Any]] = []

    class Keeping(Transport):
        kind = "keeping"

        def emit(self, event: Any) -> None:
            events.append(json.loads(Serde.to_json(event)))

    with quiet(), stores.given(repository):
        adapter = OpenLineageAdapter(client=OpenLineageClient(transport=Keeping()))
        for instance in instances:
            for attempt in instance.attempts:
                _tell(adapter, attempt, supervisor.dag_run)
    return events


def records_of(events: Iterable[Mapping[str, Any]]) -> dict[str, RunRecord]:
    """Events folded, by the name of the task instance; of several tries the last."""
    runs: dict[str, list[Event]] = {}
    for payload in events:
        event = parse_event(payload)
        runs.setdefault(event.run_id or "", []).append(event)
    folded = sorted(map(fold, runs.values()), key=lambda record: record.try_number)
    order = {fold(of).run_id: number for number, of in enumerate(runs.values())}
    last = {name_of(record): record for record in folded}
    return dict(sorted(last.items(), key=lambda item: order[item[1].run_id]))


def graph_of(records: Mapping[str, RunRecord]) -> LineageGraph:
    """All runs and data, whole."""
    nodes: dict[str, Node] = {}
    edges: dict[Edge, None] = {}
    names: dict[str, set[str]] = {}
    for record in records.values():
        for data in record.data:
            if data.direction == "write":
                names.setdefault(data.node_id, set()).add(data.name)
    for record in records.values():
        run = _run_node(record)
        nodes[run.id] = run
        for data in record.data:
            nodes.setdefault(data.node_id, _data_node(data, sorted(names.get(data.node_id, {data.name}))))
            ends = (data.node_id, run.id) if data.direction == "read" else (run.id, data.node_id)
            edges[Edge(*ends, kind=data.direction, label=data.label)] = None
    return LineageGraph((), tuple(nodes.values()), tuple(edges), False, (), ())


def upstream_of(records: Mapping[str, RunRecord], name: str) -> set[str]:
    """Names of the task instances whose outputs went into one.

    Raises:
        KeyError: there is no such record.
    """
    writers: dict[tuple[str, str], set[str]] = {}
    for writer, record in records.items():
        for data in record.data:
            if data.direction == "write":
                writers.setdefault((data.node_id, data.name), set()).add(writer)
    found: set[str] = set()
    pending = [records[name]]
    while pending:
        for data in pending.pop().data:
            if data.direction == "read":
                new = writers.get((data.node_id, data.name), set()) - found - {name}
                found |= new
                pending.extend(records[one] for one in new)
    return found


def name_of(record: RunRecord) -> str:
    """``task`` or ``task[map_index]``."""
    task = record.task_id or record.name
    return task if record.map_index < 0 else f"{task}[{record.map_index}]"


def _tell(adapter: Any, attempt: Attempt, dag_run: Any) -> None:
    from airflow.providers.openlineage.utils.utils import get_airflow_run_facet, get_task_parent_run_facet

    instance, task = attempt.task_instance, attempt.task_instance.task
    dag = task.dag
    run_id = adapter.build_task_instance_run_id(
        dag_id=instance.dag_id,
        task_id=instance.task_id,
        try_number=instance.try_number,
        logical_date=dag_run.logical_date,
        map_index=instance.map_index,
    )
    parent = adapter.build_dag_run_id(dag_id=instance.dag_id, logical_date=dag_run.logical_date, clear_number=0)
    facets = {
        **get_task_parent_run_facet(parent_run_id=parent, parent_job_name=instance.dag_id),
        **get_airflow_run_facet(dag_run, dag, instance, task, run_id),
    }
    common: dict[str, Any] = {
        "run_id": run_id,
        "job_name": f"{instance.dag_id}.{instance.task_id}",
        "nominal_start_time": dag_run.data_interval_start.isoformat(),
        "nominal_end_time": dag_run.data_interval_end.isoformat(),
        "owners": [],
        "tags": list(dag.tags or []),
        "job_description": None,
        "run_facets": facets,
    }
    with capture.resumed(attempt.captured):
        told = _told_by(task, attempt)
    adapter.start_task(event_time=attempt.started.isoformat(), task=_nothing(), **common)
    if attempt.state in ("success", "skipped"):
        adapter.complete_task(end_time=attempt.ended.isoformat(), task=told, **common)
    else:
        adapter.fail_task(end_time=attempt.ended.isoformat(), task=told, error=attempt.error, **common)


def _told_by(task: Any, attempt: Attempt) -> Any:
    """What the OpenLineage provider is told about a task: by our operator itself, for other tasks by our listener."""
    from airflow.providers.openlineage.extractors import OperatorLineage

    from sematic_airflow_provider.worker.openlineage import checks_facet, input_of, metrics_facet, output_of

    if isinstance(task, SematicOperator):
        succeeded = attempt.state in ("success", "skipped")
        tell = task.get_openlineage_facets_on_complete if succeeded else task.get_openlineage_facets_on_failure
        return tell(attempt.task_instance)
    captured = attempt.captured
    return OperatorLineage(
        inputs=[input_of(ref) for ref in captured.reads.values()],
        outputs=[output_of(ref, {}) for ref in captured.writes.values()],
        run_facets=metrics_facet(captured.metrics) | checks_facet(captured.checks),
    )


def _nothing() -> Any:
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage()


def _run_node(record: RunRecord) -> RunNode:
    index = f" [{record.map_index}]" if record.map_index >= 0 else ""
    return RunNode(
        id=f"run:{record.run_id}",
        label=run_label(record.task_id, record.name) + index,
        run_id=record.run_id,
        state=record.state,
        job_namespace=record.namespace,
        job_name=record.name,
        dag_id=record.dag_id,
        dag_run_id=record.dag_run_id,
        task_id=record.task_id,
        map_index=record.map_index,
        try_number=record.try_number,
        started_at=record.started_at,
        ended_at=record.ended_at,
    )


def _data_node(data: DataRecord, names: list[str]) -> ArtifactNode | DatasetNode:
    if data.ref is None:
        return DatasetNode(data.node_id, data.name.rsplit("/", 1)[-1], data.namespace, data.name, data.version)
    kind = data.facets.get("datasetType")
    return ArtifactNode(
        id=data.node_id,
        label=artifact_label(names, data.ref.digest),
        digest=data.ref.digest,
        codec=data.ref.codec,
        type=data.ref.type,
        size=data.ref.size,
        names=tuple(names),
        dataset_type=str(kind["datasetType"]) if isinstance(kind, Mapping) else None,
        value=data.ref.value if data.ref.has_value else None,
        has_value=data.ref.has_value,
    )
