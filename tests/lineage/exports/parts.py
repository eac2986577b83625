"""Parts of a lineage to export: events put into tables in memory, and looked up as the API server does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.exporting import subgraph
from sematic_airflow_provider.db.models import metadata
from sematic_airflow_provider.db.nodes import everything
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from tests.events import pipeline, ref, task_event

RECORDED = Path(__file__).parents[1] / "events"
HOSTILE = (
    "</title><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(2)>",
    "'; DROP TABLE sematic_run; --",
    "{{ 7 * 7 }}{% raw %}",
    "../../../../etc/passwd",
    "日本語 🚀 \u202e\u0007 name",
    "x" * 1900,
)
"""Names that somebody may have given to jobs, data sets and people."""


@contextmanager
def told(events: Sequence[Any]) -> Iterator[Session]:
    """Tables in which these events are."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(engine)
    with Session(engine) as session:
        ingest(session, [parse_event(event) for event in events])
        yield session


def part_of(
    events: Sequence[Any],
    dag_id: str,
    readable: Callable[[str | None], bool] = everything,
    *,
    digest: str | None = None,
    extent: Extent | None = None,
) -> Subgraph:
    """What is around the latest Dag run of a Dag, or around an artifact."""
    with told(events) as session:
        if digest is not None:
            return subgraph(session, queries.artifact_seed(session, digest), extent or Extent(20), readable)
        run = queries.latest_dag_run(session, dag_id)
        seeds = queries.dag_run_seeds(session, dag_id, run)
        return subgraph(session, seeds, extent or Extent(4), readable, dag_run=(dag_id, run))


def recorded(name: str = "mixed_with_plain_tasks") -> list[Any]:
    """Events as Airflow sent them."""
    found: list[Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return found


def two_dags() -> list[Any]:
    """A Dag that makes a model, and one that predicts with it; both tell a lot of themselves, and the second names the first."""
    model = ref("secret_factory.train.return_value", "secret weights")
    table = ref("secret_factory.load.return_value", "secret rows")
    scores = ref("open_shop.predict.return_value", "scores")
    secret: dict[str, Any] = {
        "sematic_provenance": {
            "host": "secret-host",
            "python": "3.11.7",
            "platform": "secret-os",
            "git": {"commit": "secretcommit"},
        },
        "errorMessage": {"message": "secret message"},
        "executionParameters": {"parameters": [{"key": "secret_key", "value": "secret_value"}]},
    }
    started = {
        "run": {"runId": _run("secret_factory", "train")},
        "job": {"namespace": "default", "name": "secret_factory.train"},
    }
    shared: dict[str, Any] = {
        "parent": {**started, "root": started},
        "sematic_cache": {
            "status": "hit",
            "key": "k",
            "reason": "computed in run secret_run of secret_factory",
            "changed": [],
            "computedBy": {
                "dagId": "secret_factory",
                "runId": "secret_run",
                "taskId": "train",
                "mapIndex": -1,
                "at": "2026-01-01T00:00:00Z",
            },
        },
    }
    secret_run: dict[str, Any] = {"dag_id": "secret_factory", "dag_run_id": "secret_run"}
    return [
        task_event("COMPLETE", "load", second=1, writes={"return_value": table}, facets=secret, **secret_run),
        task_event(
            "COMPLETE",
            "train",
            second=2,
            reads={"secret_argument": table},
            writes={"return_value": model},
            facets=secret,
            **secret_run,
        ),
        task_event(
            "COMPLETE",
            "predict",
            second=9,
            dag_id="open_shop",
            reads={"model": model},
            writes={"return_value": scores},
            facets=shared,
        ),
        *pipeline(),
    ]


def hostile_events() -> list[Any]:
    """A pipeline in which whatever can have a name has a hostile one."""
    events = pipeline("hostile")
    for number, event in enumerate(events):
        name = HOSTILE[number % len(HOSTILE)]
        event["run"]["facets"].update(
            sematic_provenance={"host": name, "python": name, "git": {"commit": name, "remote": name, "dirty": True}, "seeds": {name: name},
                                "gpus": {"devices": [{"name": name}, name]}, "packages": name},
            executionParameters={"parameters": [{"key": name, "value": {"deep": [name]}}]},
            sematic_metrics={"metrics": {name: name}},
            errorMessage={"message": name, "stackTrace": name},
            test={"tests": [{"name": name, "status": "fail", "expected": name, "actual": name}, name, {"name": 3}]},
            sematic_cache={"status": "miss", "reason": name, "key": name},
        )  # fmt: skip
        event["run"]["facets"]["airflow"]["dagRun"] |= {"triggering_user_name": name, "conf": {name: [name]}}
        event["job"]["facets"] = {
            "ownership": {"owners": [{"name": name}]},
            "sourceCode": {"language": name, "sourceCode": f"# {name}\n" * 3},
            "documentation": {"description": name},
            "jobType": {"integration": name, "jobType": name},
        }
        event["inputs"].append(
            {"namespace": name, "name": name, "facets": {"schema": {"fields": [{"name": name, "type": name}, 7]}}}
        )
    return events


def _run(dag_id: str, task_id: str) -> str:
    found: str = task_event("START", task_id, dag_id=dag_id, dag_run_id="secret_run")["run"]["runId"]
    return found
