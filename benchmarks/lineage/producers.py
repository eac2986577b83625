"""What producers send: Airflow's OpenLineage provider with our facets as it was recorded, Spark and dbt as their integrations are documented."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_RECORDED = Path(__file__).parents[2] / "tests" / "lineage" / "events"
_SPEC = "https://openlineage.io/spec"
_SPARK = "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/spark"
_DBT = "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/dbt"
_COLUMNS = (
    ("customer_id", "bigint"), ("carrier", "varchar"), ("origin", "varchar"), ("destination", "varchar"),
    ("scheduled_at", "timestamp"), ("delay_minutes", "double"), ("distance_km", "double"), ("cancelled", "boolean"),
)  # fmt: skip
_HOSTS, _COMMIT_DAYS = 8, 7

Event = dict[str, Any]


class Data(NamedTuple):
    """An artifact of ours where ``digest`` is there, else a data set. ``value`` is a tuple of the value, where it is told."""

    name: str
    digest: str | None = None
    namespace: str = "default"
    version: str | None = None
    codec: str = "parquet/1"
    type: str = "pandas.DataFrame"
    size: int = 0
    value: tuple[Any, ...] = ()
    model: bool = False


@dataclass(frozen=True)
class DagRun:
    """A run of a Dag."""

    dag_id: str
    dag_run_id: str
    run_id: str
    logical: dt.datetime
    started_at: dt.datetime


@dataclass(frozen=True)
class Task:
    """A try of a task: of a step of ours, or of another operator."""

    run: DagRun
    task_id: str
    map_index: int
    attempt: int
    run_id: str
    classic: bool = False
    plain: bool = False

    @property
    def job_name(self) -> str:
        """As OpenLineage has it."""
        return f"{self.run.dag_id}.{self.task_id}"

    @property
    def parent(self) -> tuple[str, str]:
        """Name of the job and id of the run, for what it starts."""
        return self.job_name, self.run_id


@dataclass(frozen=True)
class Foreign:
    """A run of a producer that a task has started; ``above`` is the run that it is part of."""

    name: str
    run_id: str
    above: tuple[str, str]
    root: DagRun

    @property
    def parent(self) -> tuple[str, str]:
        """Name of the job and id of the run, for what it starts."""
        return self.name, self.run_id


def text_of(value: Any) -> str:
    """As a codec for JSON writes it."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def step_started(task: Task, at: dt.datetime) -> Event:
    """START of a step of ours."""
    recorded = _recorded("mixed_with_plain_tasks", 3)
    step = recorded["run"]["facets"]["sematic_step"] | _step_facts(task)
    return _of_task(recorded, task, at, {"sematic_step": step}) | {"job": _job(recorded, task)}


def step_ended(
    task: Task,
    at: dt.datetime,
    *,
    lasted: dt.timedelta,
    reads: Mapping[str, Data],
    writes: Mapping[str, Data],
    failed: bool = False,
) -> Event:
    """COMPLETE or FAIL of a step of ours, with all that it read and wrote."""
    recorded = _recorded("mapped_failed_skipped", 5) if failed else _recorded("mixed_with_plain_tasks", 4)
    facets = recorded["run"]["facets"]
    seconds = round(lasted.total_seconds(), 6)
    step = facets["sematic_step"] | _step_facts(task)
    step |= {"arguments": _ports(reads), "outputs": _ports(writes)}
    own = {
        "sematic_step": step,
        "sematic_provenance": facets["sematic_provenance"] | _place(task),
        "sematic_resources": facets["sematic_resources"]
        | {"durationSeconds": seconds, "cpuSeconds": round(seconds * 0.7, 6)},
    }
    told = _of_task(recorded, task, at, own)
    told["job"] = _job(recorded, task)
    told["inputs"] = [_dataset(data) for data in reads.values()]
    told["outputs"] = [_dataset(data, output=True) for data in writes.values()]
    return told


def plain_event(task: Task, kind: str, reads: Sequence[Data], writes: Sequence[Data], at: dt.datetime) -> Event:
    """Of a plain ``@task``; RUNNING tells what it read and wrote."""
    recorded = _recorded("mixed_with_plain_tasks", {"START": 5, "RUNNING": 6, "COMPLETE": 7}[kind])
    told = _of_task(recorded, task, at, {}) | {"job": _job(recorded, task)}
    told["inputs"] = [_dataset(data) for data in reads]
    told["outputs"] = [_dataset(data, output=True) for data in writes]
    return told


def classic_event(
    task: Task, kind: str, reads: Sequence[Data], writes: Sequence[Data], at: dt.datetime, *, columns: bool = False
) -> Event:
    """Of an operator whose data sets the OpenLineage provider finds out itself."""
    told = plain_event(task, kind, [], [], at)
    told["inputs"] = [_table(data) for data in reads]
    told["outputs"] = [_table(data, made_of=reads if columns else ()) for data in writes]
    return told


def dag_run_event(run: DagRun, states: Mapping[str, str], at: dt.datetime) -> Event:
    """Start of a Dag run, or its end with the states of its tasks."""
    recorded = _recorded("mixed_with_plain_tasks", 8)
    facets = recorded["run"]["facets"]
    told_run = facets["airflowDagRun"]["dagRun"] | _dag_run_facts(run)
    told_run |= {"end_date": at.isoformat(), "duration": (at - run.started_at).total_seconds()}
    state = {
        "dagRunState": "success",
        "tasksState": dict(states),
        "tasksDuration": {task: round(17.1 + 3.3 * n, 6) for n, task in enumerate(states)},
    }
    own = {
        "airflowDagRun": {
            **facets["airflowDagRun"],
            "dag": facets["airflowDagRun"]["dag"] | _dag_facts(run),
            "dagRun": told_run,
        },
        "nominalTime": _nominal(facets, run),
        **({"airflowState": facets["airflowState"] | state} if states else {}),
    }
    kept = {name: facet for name, facet in facets.items() if name != "airflowState"}
    return {
        **recorded,
        "eventType": "COMPLETE" if states else "START",
        "eventTime": at.isoformat(),
        "run": {"runId": run.run_id, "facets": kept | own},
        "job": recorded["job"] | {"name": run.dag_id},
    }


def spark_event(one: Foreign, kind: str, reads: Sequence[Data], writes: Sequence[Data], at: dt.datetime) -> Event:
    """Of a Spark application, or of one of its SQL executions."""
    engine = {"name": "spark", "version": "3.5.4", "openlineageAdapterVersion": "1.54.0"}
    details = {
        "master": "k8s://https://kubernetes.default.svc",
        "appName": one.root.dag_id,
        "deployMode": "client",
        "userName": "spark",
    }
    properties = {
        "spark.master": details["master"],
        "spark.app.name": one.root.dag_id,
        "spark.sql.shuffle.partitions": "200",
    }
    facets = {
        "processing_engine": _facet(_SPARK, "1-1-1/ProcessingEngineRunFacet", **engine),
        "spark_applicationDetails": _facet(_SPARK, "2-0-2/RunFacet", **details),
        "spark_properties": _facet(_SPARK, "2-0-2/RunFacet", properties=properties),
    }
    job = "APPLICATION" if not reads else "SQL_JOB"
    return _foreign(_SPARK, one, kind, reads, writes, at, facets, ("SPARK", job), {})


def dbt_event(one: Foreign, kind: str, reads: Sequence[Data], writes: Sequence[Data], at: dt.datetime) -> Event:
    """Of a dbt run, or of one of its models."""
    facets = {
        "dbt_version": _facet(_DBT, "1-0-0/DbtVersionRunFacet", version="1.9.1"),
        "processing_engine": _facet(
            _DBT, "1-1-1/ProcessingEngineRunFacet", name="dbt", version="1.9.1", openlineageAdapterVersion="1.54.0"
        ),
    }
    columns = ", ".join(name for name, _ in _COLUMNS)
    sql = f"-- {one.name}\nselect {columns}\nfrom {' join '.join(data.name for data in reads)}\nwhere not cancelled"
    more = {"sql": _facet(_DBT, "1-0-1/SQLJobFacet", query=sql, dialect="postgres")} if reads else {}
    return _foreign(
        _DBT, one, kind, reads, writes, at, facets, ("DBT", "MODEL" if ".model_" in one.name else "JOB"), more
    )


def _foreign(
    producer: str,
    one: Foreign,
    kind: str,
    reads: Sequence[Data],
    writes: Sequence[Data],
    at: dt.datetime,
    facets: Mapping[str, Any],
    kind_of_job: tuple[str, str],
    job_facets: Mapping[str, Any],
) -> Event:
    integration, job_type = kind_of_job
    parent = _facet(producer, "1-2-0/ParentRunFacet", **_parent(*one.above, one.root))
    job_type_facet = _facet(
        producer, "2-0-4/JobTypeJobFacet", processingType="BATCH", integration=integration, jobType=job_type
    )
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "producer": producer,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": one.run_id, "facets": {"parent": parent, **facets}},
        "job": {
            "namespace": integration.lower(),
            "name": one.name,
            "facets": {"jobType": job_type_facet, **job_facets},
        },
        "inputs": [_table(data, producer) for data in reads],
        "outputs": [_table(data, producer, made_of=reads) for data in writes],
    }


def _of_task(recorded: Event, task: Task, at: dt.datetime, own: Mapping[str, Any]) -> Event:
    """A recorded event, told of this try."""
    facets = recorded["run"]["facets"]
    airflow = facets["airflow"]
    attempt = {"try_number": task.attempt, "log_url": _log_url(task)}
    mapped = {"map_index": task.map_index} if task.map_index >= 0 else {}
    told = {
        **airflow,
        "dag": airflow["dag"] | _dag_facts(task.run),
        "dagRun": airflow["dagRun"] | _dag_run_facts(task.run),
        "task": airflow["task"] | {"task_id": task.task_id, "mapped": task.map_index >= 0},
        "taskInstance": airflow["taskInstance"] | attempt | mapped,
        "taskUuid": task.run_id,
    }
    parent = facets["parent"] | _parent(task.run.dag_id, task.run.run_id, task.run)
    more = {"airflow": told, "parent": parent, "nominalTime": _nominal(facets, task.run), **own}
    return {**recorded, "eventTime": at.isoformat(), "run": {"runId": task.run_id, "facets": facets | more}}


def _job(recorded: Event, task: Task) -> Event:
    facets = recorded["job"]["facets"]
    if "sourceCode" in facets:
        source = facets["sourceCode"]["sourceCode"] + f"    # {task.job_name}: {'as it was agreed. ' * 12}\n"
        facets = facets | {"sourceCode": facets["sourceCode"] | {"sourceCode": source}}
    return {"namespace": "default", "name": task.job_name, "facets": facets}


def _dag_facts(run: DagRun) -> Event:
    return {"dag_id": run.dag_id, "fileloc": f"/opt/airflow/dags/{run.dag_id}.py"}


def _dag_run_facts(run: DagRun) -> Event:
    moment = run.logical.isoformat()
    times = dict.fromkeys(("data_interval_end", "data_interval_start", "logical_date", "run_after"), moment)
    return {
        **times,
        "dag_id": run.dag_id,
        "run_id": run.dag_run_id,
        "run_type": "scheduled",
        "start_date": run.started_at.isoformat(),
    }


def _nominal(facets: Mapping[str, Any], run: DagRun) -> Event:
    moment = run.logical.isoformat()
    return {**facets["nominalTime"], "nominalStartTime": moment, "nominalEndTime": moment}


def _parent(job: str, run_id: str, root: DagRun) -> Event:
    return {
        "job": {"namespace": "default", "name": job},
        "run": {"runId": run_id},
        "root": {"job": {"namespace": "default", "name": root.dag_id}, "run": {"runId": root.run_id}},
    }


def _step_facts(task: Task) -> Event:
    return {"file": f"/opt/airflow/dags/{task.run.dag_id}.py", "function": f"{task.run.dag_id}.{task.task_id}"}


def _place(task: Task) -> Event:
    """Which of a few workers, and which commit: a new one each week."""
    week = task.run.logical.toordinal() // _COMMIT_DAYS
    git = {"branch": "main", "commit": f"{week * 7919:040x}", "dirty": False, "path": f"dags/{task.run.dag_id}.py"}
    return {
        "host": f"worker-{(task.map_index + len(task.task_id)) % _HOSTS}",
        "git": git | {"remote": "https://github.com/acme/dags"},
    }


def _log_url(task: Task) -> str:
    run = task.run.dag_run_id.replace(":", "%3A").replace("+", "%2B")
    mapped = f"/mapped/{task.map_index}" if task.map_index >= 0 else ""
    return f"http://localhost:8080/dags/{task.run.dag_id}/runs/{run}/tasks/{task.task_id}{mapped}?try_number={task.attempt}"


def _ports(data: Mapping[str, Data]) -> Event:
    return {port: _ref(one) for port, one in data.items()}


def _ref(data: Data) -> Event:
    if data.digest is None:
        return {"value": data.name}
    ref = {
        "sematic": 1,
        "name": data.name,
        "digest": data.digest,
        "codec": data.codec,
        "type": data.type,
        "size": data.size,
    }
    return ref | ({"value": data.value[0]} if data.value else {})


def _dataset(data: Data, *, output: bool = False) -> Event:
    """As our operator tells of an artifact."""
    if data.digest is None:
        return _table(data)
    recorded = _recorded("mixed_with_plain_tasks", 4)["outputs"][0]
    facets = recorded["facets"]
    ref = {key: value for key, value in _ref(data).items() if key not in ("sematic", "name")}
    artifact = {key: value for key, value in facets["sematic_artifact"].items() if key.startswith("_")}
    link = {"namespace": "s3://artifacts/sematic", "name": data.digest, "type": "ARTIFACT"}
    told = {
        "sematic_artifact": artifact | ref | {"hasValue": bool(data.value)},
        "symlinks": facets["symlinks"] | {"identifiers": [link]},
        "version": facets["version"] | {"datasetVersion": data.digest},
    }
    if data.model:
        told["datasetType"] = _facet(
            facets["version"]["_producer"], "1-0-0/DatasetTypeDatasetFacet", datasetType="MODEL"
        )
    elif output and data.codec == "parquet/1":
        told["schema"] = _schema(facets["version"]["_producer"])
    own: Event = {"inputFacets": {}}
    if output:
        own = {"outputFacets": {"outputStatistics": recorded["outputFacets"]["outputStatistics"] | {"size": data.size}}}
    return {"namespace": data.namespace, "name": data.name, "facets": told, **own}


def _table(data: Data, producer: str = _SPARK, made_of: Sequence[Data] = ()) -> Event:
    """As other producers tell of a table or a file."""
    if data.digest is not None:
        return _dataset(data)
    source = _facet(producer, "1-0-1/DatasourceDatasetFacet", name=data.namespace, uri=data.namespace)
    facets = {"schema": _schema(producer), "dataSource": source}
    if data.version:
        facets["version"] = _facet(producer, "1-0-1/DatasetVersionDatasetFacet", datasetVersion=data.version)
    if made_of:
        facets["columnLineage"] = _facet(producer, "1-2-0/ColumnLineageDatasetFacet", fields=_flows(made_of))
    return {"namespace": data.namespace, "name": data.name, "facets": facets}


def _flows(sources: Sequence[Data]) -> Event:
    """Each column of what was made, from the same column of two of these."""
    how = {"type": "DIRECT", "subtype": "IDENTITY", "description": "", "masking": False}
    return {
        name: {
            "inputFields": [
                {"namespace": one.namespace, "name": one.name, "field": name, "transformations": [how]}
                for one in sources[-2:]
            ]
        }
        for name, _ in _COLUMNS
    }


def _schema(producer: str) -> Event:
    return _facet(
        producer, "1-1-1/SchemaDatasetFacet", fields=[{"name": name, "type": kind} for name, kind in _COLUMNS]
    )


def _facet(producer: str, schema: str, **content: Any) -> Event:
    name = schema.rsplit("/", 1)[-1]
    return {"_producer": producer, "_schemaURL": f"{_SPEC}/facets/{schema}.json#/$defs/{name}", **content}


@cache
def _all_recorded(name: str) -> list[Event]:
    found: list[Event] = json.loads((_RECORDED / f"{name}.json").read_text())
    return found


def _recorded(name: str, index: int) -> Event:
    return _all_recorded(name)[index]
