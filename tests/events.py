"""Events as Airflow's OpenLineage provider and this package send them, small enough to read."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.ref import ArtifactRef

PRODUCER = "https://github.com/apache/airflow/tree/providers-openlineage/2.20.3"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


def ref(name: str, content: str | None = None, codec: str = "parquet/1") -> ArtifactRef:
    """A made-up artifact; equal content gives the same digest under any name."""
    return ArtifactRef(digest_bytes((content or name).encode()), codec, "pandas.DataFrame", 100, name)


def run_id(*parts: object) -> str:
    """The same for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts))))


def dataset(of: ArtifactRef) -> dict[str, Any]:
    """An artifact as a data set of an event."""
    facet = {"digest": of.digest, "codec": of.codec, "type": of.type, "size": of.size, "hasValue": of.has_value}
    return {
        "namespace": "default",
        "name": of.name,
        "facets": {"version": {"datasetVersion": of.digest}, "sematic_artifact": facet},
    }


def task_event(
    event_type: str,
    task_id: str,
    *,
    dag_id: str = "flow",
    dag_run_id: str = "run1",
    map_index: int = -1,
    try_number: int = 1,
    second: float = 0,
    reads: dict[str, ArtifactRef] | None = None,
    writes: dict[str, ArtifactRef] | None = None,
    facets: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An event of one try of a task instance."""
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(seconds=second)
    step = {
        "function": f"flow.{task_id}",
        "arguments": {name: of.to_json() for name, of in (reads or {}).items()},
        "outputs": {name: of.to_json() for name, of in (writes or {}).items()},
    }
    return {
        "eventType": event_type,
        "eventTime": moment.isoformat(),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {
            "runId": run_id(dag_id, dag_run_id, task_id, map_index, try_number),
            "facets": {
                "airflow": {
                    "dag": {"dag_id": dag_id},
                    "dagRun": {"run_id": dag_run_id},
                    "task": {"task_id": task_id},
                    "taskInstance": {"try_number": try_number, "map_index": map_index},
                },
                **({"sematic_step": step} if reads or writes else {}),
                **(facets or {}),
            },
        },
        "job": {"namespace": "default", "name": f"{dag_id}.{task_id}", "facets": {}},
        "inputs": [dataset(of) for of in (reads or {}).values()],
        "outputs": [dataset(of) for of in (writes or {}).values()],
    }


def pipeline(dag_id: str = "flow", dag_run_id: str = "run1", seed: str = "") -> list[dict[str, Any]]:
    """Two raw tables, joined, trained on, and predicted with: ten events of five tasks."""
    flights, weather, table, model, scores = (
        ref(f"{dag_id}.{task}.return_value", f"{task}{seed}")
        for task in ("flights", "weather", "join", "train", "predict")
    )
    steps: list[tuple[str, dict[str, ArtifactRef], ArtifactRef]] = [
        ("flights", {}, flights),
        ("weather", {}, weather),
        ("join", {"left": flights, "right": weather}, table),
        ("train", {"table": table}, model),
        ("predict", {"model": model, "table": table}, scores),
    ]
    found = []
    for number, (task, reads, output) in enumerate(steps):
        where = {"dag_id": dag_id, "dag_run_id": dag_run_id}
        found.append(task_event("START", task, second=10 * number, **where))  # type: ignore[arg-type]
        found.append(
            task_event("COMPLETE", task, second=10 * number + 5, reads=reads, writes={"return_value": output}, **where)  # type: ignore[arg-type]
        )
    return found
