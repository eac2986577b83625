"""Questions to a filled store, over HTTP as a user asks them: graphs of up to 500 nodes, and first pages of all lists that the API has."""

from __future__ import annotations

import http.client
import json
import random
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from benchmarks.lineage.server import API
from sematic_airflow_provider.cli.processes import LocalAirflow
from sematic_airflow_provider.db.models import DataRow, DatasetRow, JobRow, RunRow

NODES: Final = 500
_DEPTH: Final = 20
_KINDS: Final = {"Spark": "spark!_%", "dbt": "dbt!_%", "steps": "learning!_%", "200 mapped tasks": "learning!_000"}
_SEARCHED: Final = {
    "search": "learning_00",
    "q": "learning_00",
    "query": "learning_00",
    "name": "learning_00",
    "prefix": "learning_00",
}


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
            seconds, answer = asker.get(f"{path}?{urlencode({'depth': _DEPTH, 'max_nodes': NODES})}")
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
                f"/dags/{dag}/runs/{quote(run, safe='')}/graph" for dag, run in chosen
            ]
        shared = session.scalars(
            select(DataRow.digest)
            .where(DataRow.name.like("reference%") | DataRow.name.like("models/%"))
            .order_by(DataRow.digest)
        ).all()
        paths["graph of a shared artifact"] = [f"/artifacts/{rng.choice(shared)}/graph" for _ in range(samples)]
        large = session.scalars(
            select(DataRow.digest).where(DataRow.name.like("learning%.fit.return_value")).limit(5000)
        ).all()
        paths["graph of a model"] = [
            f"/artifacts/{digest}/graph" for digest in rng.sample(large, min(samples, len(large)))
        ]
    return paths


def lists(asker: Asker, engine: Engine, samples: int) -> list[Asked]:
    """First pages of every list that the API has, as they are and with a search where they take one; of one thing, a much used one is taken."""
    found = []
    for path, query in _lists(asker, _known(engine)):
        asked = Asked(f"first page of {path}{'?' + query if query else ''}")
        for _ in range(samples):
            seconds, answer = asker.get(f"{path}{'?' + query if query else ''}")
            asked.seconds.append(seconds)
            asked.sizes.append(len(json.dumps(answer)))
        found.append(asked)
    return found


def _known(engine: Engine) -> dict[str, str]:
    """What stands for parameters in paths."""
    with Session(engine) as session:
        table = session.scalars(select(DatasetRow).where(DatasetRow.name == "analytics.public.table_007")).one()
        job = session.scalars(select(JobRow).where(JobRow.name == "learning_000.fit")).one()
        run = session.scalars(select(RunRow).where(RunRow.job_key == job.job_key).limit(1)).one()
        shared = session.scalars(select(DataRow).where(DataRow.name.like("reference%")).limit(1)).one()
    return {
        "dataset_key": table.dataset_key,
        "job_key": job.job_key,
        "run_id": run.run_id,
        "digest": str(shared.digest),
        "dag_id": str(run.dag_id),
        "dag_run_id": str(run.dag_run_id),
        "task_id": str(run.task_id),
    }


def _lists(asker: Asker, known: dict[str, str]) -> Iterator[tuple[str, str]]:
    _, told = asker.get("/openapi.json")
    for path, methods in told["paths"].items():
        short = path.removeprefix(API).removeprefix("/api/v1")
        wanted = set(re.findall(r"{(\w+)}", short))
        parameters = methods.get("get", {}).get("parameters", [])
        names = {one["name"] for one in parameters if one["in"] == "query"}
        if (
            "get" not in methods
            or not wanted <= set(known)
            or (wanted and "limit" not in names)
            or short.endswith("/graph")
        ):
            continue
        short = short.format(**{name: quote(known[name], safe="") for name in wanted})
        needed = [one["name"] for one in parameters if one.get("required") and one["in"] == "query"]
        searched = [name for name in _SEARCHED if name in names]
        if set(needed) <= set(searched):
            if not needed:
                yield short, ""
            for name in searched:
                yield short, urlencode({name: _SEARCHED[name]})
