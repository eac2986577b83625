"""Taking events in, on the databases that Airflow runs on, with several processes that take in the same runs at once."""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from integration import mariadb
from integration.postgresql import PostgreSQL
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.latest import latest_dataset_facets, latest_job_facets
from sematic_airflow_provider.db.models import EventRow, metadata
from sematic_airflow_provider.db.queries import Extent, dag_run_seeds, graph, latest_dag_run
from sematic_airflow_provider.db.rebuilding import rebuild
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.naming import dataset_key, job_key
from tests.db.carrying import check_carrying
from tests.db.tables import made, projection
from tests.events import pipeline, ref, task_event
from tests.lineage.hostile import EVIL
from tests.producers import dataset_event, dbt_event, flink_event, job_event, spark_event

Create = Callable[[str], str]


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def create(request: pytest.FixtureRequest) -> Iterator[Create]:
    """Makes a database; gives its URL."""
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        yield lambda name: server.create(f"databases_{name}")
        return
    if not mariadb.is_installed():
        pytest.skip("MariaDB is not installed (Debian: apt install mariadb-server)")
    other = mariadb.MariaDB()
    yield other.create
    other.stop()


def _events() -> list[dict[str, Any]]:
    """Few runs and data, so that all processes meet; the same bytes made by several, column flows that hundreds of events tell, a storm."""
    return [
        *(event for number in range(6) for event in pipeline(dag_run_id=f"run{number}", seed=str(number % 2))),
        *(spark_event(kind, second) for second in range(6) for kind in ("START", "RUNNING", "COMPLETE")),
        *(flink_event(second=number, records=number) for number in range(60)),
        *(job_event(second, {"documentation": {"description": str(second)}}) for second in range(4)),
        *(dataset_event(second) for second in range(4)),
        dbt_event(),
    ]


def _ingest_shuffled(url: str, seed: int) -> None:
    engine = create_engine(url, **_isolation(url))
    events = _events() * 2
    chance = random.Random(seed)
    chance.shuffle(events)
    with Session(engine) as session:
        while events:
            size = chance.choice((1, 5, 20))
            ingest(session, [parse_event(event) for event in events[:size]])
            del events[:size]


def _isolation(url: str) -> dict[str, Any]:
    """As Airflow's own engine has it, and ours."""
    return {"isolation_level": "READ COMMITTED"} if url.startswith("mysql") else {}


def test_concurrent_disordered_duplicated_ingest_gives_the_projection_of_one_ordered_pass(create: Create) -> None:
    ordered, racing = create("ordered"), create("racing")
    metadata.create_all(create_engine(racing))
    with Session(made(ordered)) as session:
        for event in _events():
            ingest(session, [parse_event(event)])
        expected = projection(session)
    context = multiprocessing.get_context("spawn")
    os.environ.setdefault("PYTHONHASHSEED", "0")
    servers = [context.Process(target=_ingest_shuffled, args=(racing, seed)) for seed in range(4)]
    for server in servers:
        server.start()
    for server in servers:
        server.join()
    assert [server.exitcode for server in servers] == [0] * 4
    with Session(create_engine(racing)) as session:
        assert projection(session) == expected
        assert session.scalar(select(func.count()).select_from(EventRow)) == len(
            {parse_event(event).digest for event in _events()}
        )
        rebuild(session, lambda progress: None)
        assert projection(session) == expected


def test_a_database_says_what_sqlite_says(create: Create) -> None:
    evil = [
        task_event("COMPLETE", name, second=number, writes={"return_value": ref(name)})
        for number, name in enumerate(EVIL)
    ]
    old = [
        task_event("START", "join") | {"eventTime": moment}
        for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
    ]
    found = []
    for url in (create("same"), "sqlite://"):
        with Session(made(url)) as session:
            ingest(session, [parse_event(event) for event in [*_events(), *evil, *old]])
            seeds = dag_run_seeds(session, "flow", latest_dag_run(session, "flow"))
            job, data = job_key("catalogue", "nightly"), dataset_key("catalogue", "joined")
            found.append(
                (
                    projection(session),
                    graph(session, seeds, Extent(20)),
                    latest_job_facets(session, job),
                    latest_dataset_facets(session, data),
                )
            )
    assert found[0] == found[1]
    assert found[0][2] == {"documentation": {"description": "3"}}


def test_the_log_is_carried_over_up_and_down(create: Create) -> None:
    check_carrying(create("carried"), create("carried_other"))
