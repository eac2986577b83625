"""CeleryExecutor: several workers that share a store in S3, and with it the cache."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from integration.celery_workers import CeleryWorker, Redis
from integration.postgresql import PostgreSQL
from integration.test_demo_end_to_end import API, _eventually
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port
from tests.artifacts.s3_servers import moto_server

DAG = "on_celery"
STEPS = 6
SOURCE = """
    import os, time, uuid
    from pathlib import Path

    import numpy as np
    from airflow.sdk import dag

    from sematic_airflow_provider import sematic_task

    def told(step):
        Path({counters!r}, f"{{step}} {{os.environ.get('WORKER_NAME', '?')}} {{uuid.uuid4().hex}}").touch()

    @sematic_task(cache=True)
    def numbers(count: int, seed: str) -> list[int]:
        told("numbers")
        return list(range(count))

    @sematic_task(cache=True)
    def part(number: int, seed: str) -> np.ndarray:
        told("part")
        time.sleep(2)
        return np.random.default_rng(number + len(seed)).random(200_000)

    @sematic_task(cache=True)
    def total(parts: list[np.ndarray]) -> float:
        told("total")
        return float(sum(one.sum() for one in parts))

    @dag(schedule=None, max_active_runs=4, params={{"seed": "a"}})
    def on_celery():
        seed = "{{{{ params.seed }}}}"
        total(part.partial(seed=seed).expand(number=numbers({steps}, seed)))

    on_celery()
"""


@dataclass
class Celery:
    """An Airflow, its workers, and where steps leave a file each time that they are executed."""

    airflow: LocalAirflow
    workers: list[CeleryWorker]
    counters: Path

    def executed(self) -> Counter[str]:
        """How often each step was."""
        return Counter(path.name.split()[0] for path in self.counters.iterdir())

    def by_worker(self) -> Counter[str]:
        """How many steps each worker executed."""
        return Counter(path.name.split()[1] for path in self.counters.iterdir())

    def trigger(self, conf: dict[str, Any]) -> str:
        """A run with these parameters."""
        body = {"logical_date": None, "conf": conf}
        return str(self.airflow.post(f"/api/v2/dags/{DAG}/dagRuns", body)["dag_run_id"])

    def finished(self, run_id: str) -> str:
        """The state that the run ends in."""
        return dict(self.airflow.follow(DAG, run_id))[""]

    def cache_states(self, run_id: str) -> Counter[str]:
        """What the lineage says of the cache, for each step."""
        graph = self.airflow.get(f"{API}/dags/{DAG}/runs/{quote(run_id, safe='')}/graph")
        return Counter(node["cache"] for node in graph["nodes"] if node["kind"] == "run")


@pytest.fixture(scope="module")
def celery(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Celery]:
    folder = tmp_path_factory.mktemp("celery")
    dags, counters = folder / "dags", folder / "counters"
    dags.mkdir()
    counters.mkdir()
    (dags / "on_celery.py").write_text(textwrap.dedent(SOURCE).format(counters=str(counters), steps=STEPS))
    redis, server = Redis(folder), moto_server()
    database = postgresql.create("celery")
    airflow = LocalAirflow(
        folder / "home",
        dags,
        free_port(18480),
        database=database,
        extra={
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": redis.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__SEMATIC__STORE": f"s3://{server.bucket()}/shared",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
        },
    )
    airflow.migrate()
    workers: list[CeleryWorker] = []
    try:
        airflow.start()
        workers += [CeleryWorker(airflow, name, folder / name) for name in ("one", "two")]
        airflow.wait_until_healthy()
        airflow.wait_for_dag(DAG)
        airflow.unpause(DAG)
        for worker in workers:
            worker.wait_until_ready()
        yield Celery(airflow, workers, counters)
    finally:
        for worker in workers:
            worker.stop()
        airflow.stop()
        redis.stop()
        server.stop()


@pytest.fixture(scope="module")
def first_run(celery: Celery) -> str:
    run_id = celery.trigger({})
    assert celery.finished(run_id) == "success"
    return run_id


def test_workers_hand_values_to_each_other_through_the_store(celery: Celery, first_run: str) -> None:
    assert celery.executed() == {"numbers": 1, "part": STEPS, "total": 1}
    assert set(celery.by_worker()) == {"one", "two"}


def test_a_hit_on_one_worker_uses_what_another_computed(celery: Celery, first_run: str) -> None:
    before = celery.executed()
    run_id = celery.trigger({})
    assert celery.finished(run_id) == "success"
    assert celery.executed() == before
    assert _eventually(lambda: celery.cache_states(run_id) == {"hit": STEPS + 2}, 60)


def test_two_runs_at_once_compute_each_step_once(celery: Celery, first_run: str) -> None:
    before = celery.executed()
    runs = [celery.trigger({"seed": "bb"}), celery.trigger({"seed": "bb"})]
    assert [celery.finished(run_id) for run_id in runs] == ["success", "success"]
    assert celery.executed() - before == {"numbers": 1, "part": STEPS, "total": 1}


def test_a_run_that_is_told_to_computes_all_again(celery: Celery, first_run: str) -> None:
    before = celery.executed()
    run_id = celery.trigger({"sematic": {"cache": False}})
    assert celery.finished(run_id) == "success"
    assert celery.executed() - before == {"numbers": 1, "part": STEPS, "total": 1}


def test_what_a_killed_worker_was_computing_is_computed_by_another(celery: Celery, first_run: str) -> None:
    """The run of the killed worker fails or is tried again, as Airflow has it; the other run does not wait for ever."""
    before = celery.executed()
    celery.trigger({"seed": "ccc"})
    assert _eventually(lambda: (celery.executed() - before)["part"] >= 2, 60)
    celery.workers.pop().kill()
    time.sleep(1)
    assert celery.finished(celery.trigger({"seed": "ccc"})) == "success"
