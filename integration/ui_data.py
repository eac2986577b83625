"""Lineage to look at, as events: a training with all kinds of nodes, and a wide one of two thousand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from tests.events import ref, task_event

Event = dict[str, Any]
INSTANCES = 12

DAGS = """
from airflow.sdk import DAG, task

for name in ("tuning", "serving", "wide"):
    with DAG(name, schedule=None) as dag:
        @task
        def step(): ...
        step()
    globals()[name] = dag
"""


def tuning() -> list[Event]:
    """A table is loaded, twelve settings are tried in a task group, the best becomes a model, which another Dag serves; a report still runs."""
    table = ref("tuning.load.return_value", "table")
    model = ref("tuning.tune.best.return_value", "model", "skops/1")
    scores = [ref("tuning.tune.fit.return_value", f"score {n}", "json/1") for n in range(INSTANCES)]
    raw = {"namespace": "postgres://warehouse:5432", "name": "public.flights", "facets": {}}
    events = _step("load", 0, {}, table)
    events[-1]["inputs"].append(raw)
    for n, score in enumerate(scores):
        end = "FAIL" if n == 7 else "COMPLETE"
        events += _step("tune.fit", 10 + n, {"table": table}, score, map_index=n, end=end)
    best = {f"scores_{n}": score for n, score in enumerate(scores)}
    events += _step("tune.best", 40, {**best, "table": table}, model)
    _is_model(events[-1])
    predictions = ref("serving.score.return_value", "predictions")
    events += _step("score", 60, {"model": model}, predictions, dag_id="serving")
    events += _step(
        "alert", 70, {"predictions": predictions}, ref("serving.alert.return_value", "alert"), dag_id="serving"
    )
    sent = ref("serving.send.return_value", "sent")
    events += _step("send", 80, {"alert": ref("serving.alert.return_value", "alert")}, sent, dag_id="serving")
    return [*events, task_event("START", "report", dag_id="tuning", second=50, reads={"model": model})]


def report_ends() -> list[Event]:
    """The last step of the training succeeds."""
    model = ref("tuning.tune.best.return_value", "model", "skops/1")
    return _step("report", 50, {"model": model}, ref("tuning.report.return_value", "report", "text/1"))[1:]


def wide(steps: int = 1000) -> list[Event]:
    """So many steps in layers of forty, each of which reads what two of the layer before wrote, and as many artifacts."""
    outputs = [ref(f"wide.step{n}.return_value", f"wide {n}") for n in range(steps)]
    events: list[Event] = []
    for n, output in enumerate(outputs):
        reads = {f"input{k}": outputs[m] for k, m in enumerate((n - 40, n - 39)) if m >= 0}
        events += _step(f"step{n}", n / 10, reads, output, dag_id="wide")[1:]
    return events


def batches(events: Iterable[Event], size: int = 500) -> Iterable[list[Event]]:
    """As many at a time as one request should carry."""
    pending = list(events)
    return (pending[at : at + size] for at in range(0, len(pending), size))


def _step(
    task_id: str,
    second: float,
    reads: dict[str, ArtifactRef],
    output: ArtifactRef,
    *,
    dag_id: str = "tuning",
    map_index: int = -1,
    end: str = "COMPLETE",
) -> list[Event]:
    start = task_event("START", task_id, dag_id=dag_id, map_index=map_index, second=second)
    writes = {"return_value": output}
    return [
        start,
        task_event(end, task_id, dag_id=dag_id, map_index=map_index, second=second + 4, reads=reads, writes=writes),
    ]


def _is_model(event: Event) -> None:
    event["outputs"][0]["facets"]["datasetType"] = {"datasetType": "MODEL"}
