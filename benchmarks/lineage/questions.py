"""Questions to a filled store, over HTTP as a user asks them: graphs of up to 500 nodes, and first pages of all lists that the API has."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from benchmarks.lineage.server import API
from sematic_airflow_provider.cli.processes import LocalAirflow
from sematic_airflow_provider.db.models import DataRow, RunRow

NODES: Final = 500
_DEPTH: Final = 20
_KINDS: Final = {"Spark": "spark!_%", "dbt": "dbt!_%", "steps": "learning!_%", "200 mapped tasks": "learning!_000"}
_ABSENT: Final = "no-such-name"
_LISTS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("/runs", {}),
    ("/runs", {"state": "failed"}),
    ("/runs", {"integration": "SPARK"}),
    ("/runs", {"dag_id": "learning_000", "task_id": "fit"}),
    ("/runs", {"name": "learning_000.fit"}),
    ("/runs", {"name": "fit"}),
    ("/runs", {"name": _ABSENT}),
    ("/jobs", {}),
    ("/jobs", {"name": "model_07"}),
    ("/jobs", {"name": _ABSENT}),
    ("/artifacts", {}),
    ("/artifacts", {"digest": "ab1"}),
    ("/artifacts", {"type": "RandomForest"}),
    ("/artifacts", {"name": "reference_00"}),
    ("/artifacts", {"name": _ABSENT}),
    ("/datasets", {}),
    ("/datasets", {"name": "table_007"}),
    ("/datasets", {"namespace": "s3://lake"}),
    ("/datasets", {"name": _ABSENT}),
    ("/datasets/versions", {"namespace": "s3://lake", "name": "silver/learning_000"}),
)


@dataclass
class Asked:
    """One kind of question: seconds of each answer, and what came."""

    what: str
    seconds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """Seconds."""
        return quantile(self.seconds, 0.95)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many are at most as large as."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Asker:
    """A user with a connection that stays open."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(airflow.url).netloc, timeout=120)
        login = {"username": airflow.user, "password": airflow.password}
        token = airflow._call("POST", "/auth/token", login, token=False)["access_token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def warm(self) -> None:
        """Make the API server load what it loads when it is first asked."""
        self.get("/openapi.json")

    def get(self, path: str) -> tuple[float, Any]:
        """Seconds until the answer was there, and the answer.

        Raises:
            RuntimeError: it is none.
        """
        started = time.perf_counter()
        self._connection.request("GET", API + path, headers=self._headers)
        answer = self._connection.getresponse()
        data = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {data[:300]!r}")
        return seconds, json.loads(data)


def graphs(asker: Asker, engine: Engine, samples: int, seed: int = 7) -> list[Asked]:
    """Graphs around Dag runs of each kind and around artifacts that many Dags use."""
    rng = random.Random(seed)
    found = []
    for what, paths in _graph_paths(engine, samples, rng).items():
        asked = Asked(what)
        for path in paths:
            more = "&" if "?" in path else "?"
            seconds, answer = asker.get(f"{path}{more}{urlencode({'depth': _DEPTH, 'max_nodes': NODES})}")
            asked.seconds.append(seconds)
            asked.sizes.append(len(answer["nodes"]))
        found.append(asked)
    return found


def _graph_paths(engine: Engine, samples: int, rng: random.Random) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {}
    with Session(engine) as session:
        for kind, pattern in _KINDS.items():
            query = select(RunRow.dag_id, RunRow.dag_run_id).where(
                RunRow.dag_id.like(pattern, escape="!"),
                RunRow.task_id.is_not(None),
                RunRow.dag_run_id.is_not(None),
            )
            ids = session.execute(
                query.group_by(RunRow.dag_id, RunRow.dag_run_id).order_by(RunRow.dag_id, RunRow.dag_run_id)
            ).all()
            chosen = rng.sample(ids, min(samples, len(ids)))
            paths[f"graph of a Dag run, {kind}"] = [
                f"/dags/{dag}/runs/{quote(str(run), safe='')}/graph" for dag, run in chosen
            ]
        shared = session.scalars(
            select(DataRow.digest)
            .where(DataRow.name.like("reference%") | DataRow.name.like("models/%"))
            .order_by(DataRow.digest)
        ).all()
        paths["graph of a shared artifact"] = [f"/artifacts/{rng.choice(shared)}/graph" for _ in range(samples)]
        fitted = select(DataRow.digest).where(DataRow.name == "learning_000.fit.return_value").order_by(DataRow.digest)
        models = session.scalars(fitted).all()
        paths["graph of a model"] = [f"/artifacts/{one}/graph" for one in rng.sample(models, min(samples, len(models)))]
    tables = [
        {"namespace": "postgres://warehouse:5432", "name": f"analytics.public.table_{n:03d}"} for n in range(1, 9)
    ]
    paths["graph of a shared table"] = [f"/datasets/graph?{urlencode(rng.choice(tables))}" for _ in range(samples)]
    return paths


def lists(asker: Asker, samples: int) -> list[Asked]:
    """First pages of all lists, as they are and searched: for what is common, what is rare, and what is not there at all."""
    found = []
    for path, told in _LISTS:
        asked = Asked(
            f"first page of {path}" + (f" ({', '.join(f'{k} {v}' for k, v in told.items())})" if told else "")
        )
        for _ in range(samples):
            seconds, answer = asker.get(f"{path}?{urlencode(told)}")
            asked.seconds.append(seconds)
            asked.sizes.append(len(answer["items"]))
        found.append(asked)
    return found
