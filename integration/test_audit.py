"""The hash chain and retention with several processes, and a database of its own, on the databases that Airflow runs on."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, func, inspect, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from integration import mariadb
from integration.postgresql import PostgreSQL
from sematic_airflow_provider.db.audit import verify
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import EventRow, PartRow, RunRow, SealRow, UnsealedRow, metadata
from sematic_airflow_provider.db.packed import texts
from sematic_airflow_provider.db.part_sweep import sweep_parts
from sematic_airflow_provider.db.projection_check import differences
from sematic_airflow_provider.db.retention import Policy, prune
from sematic_airflow_provider.db.seals import seal
from sematic_airflow_provider.db.sessions import lineage_engine
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.settings import given, load_settings
from tests.airflow_home import run_airflow
from tests.db.test_migrations import CHECK
from tests.events import pipeline, task_event

Create = Callable[[str], str]

_LONG = {"plan": {"steps": [f"step {n} of a plan that is long enough to be a part" for n in range(40)]}}


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def create(request: pytest.FixtureRequest) -> Iterator[Create]:
    """Makes a database with the lineage tables; gives its URL."""
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        yield lambda name: _with_tables(server.create(f"audit_{name}"))
        return
    if not mariadb.is_installed():
        pytest.skip("MariaDB is not installed (Debian: apt install mariadb-server)")
    other = mariadb.MariaDB()
    yield lambda name: _with_tables(other.create(name))
    other.stop()


def _with_tables(url: str) -> str:
    metadata.create_all(_engine(url))
    return url


def _engine(url: str) -> Engine:
    """As ``db/sessions.py`` makes it."""
    with given(load_settings()._replace(database=url)):
        return lineage_engine()


def _take_in(url: str, seed: int, runs: int) -> None:
    with Session(_engine(url)) as session:
        for number in range(runs):
            for record in pipeline(dag_run_id=f"run{seed}-{number}"):
                ingest(session, [parse_event(record)])


def _seal_again_and_again(url: str, seed: int, seconds: float) -> None:
    rng = random.Random(seed)
    with Session(_engine(url)) as session:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seal(session, most=rng.choice((1, 3, 50)))


def _prune_again_and_again(url: str, seconds: float) -> None:
    with Session(_engine(url)) as session:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            prune(session, Policy(1, "tests"))


def _together(works: list[tuple[Any, tuple[Any, ...]]]) -> None:
    os.environ.setdefault("PYTHONHASHSEED", "0")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=arguments) for work, arguments in works]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_writers_and_sealers_in_several_processes_make_one_chain(create: Create) -> None:
    url = create("sealed")
    writers = [(_take_in, (url, seed, 6)) for seed in range(3)]
    sealers = [(_seal_again_and_again, (url, seed, 6.0)) for seed in range(3)]
    _together([*writers, *sealers])
    with Session(_engine(url)) as session:
        seal(session)
        found = verify(session)
        assert (found.whole, found.events, found.waiting) == (True, 3 * 6 * 10, 0)
        assert found.seals > 5
        assert session.scalar(select(func.count()).select_from(UnsealedRow)) == 0


def test_a_sealer_does_not_wait_for_another(create: Create) -> None:
    url = create("held")
    _take_in(url, 0, 1)
    with Session(_engine(url)) as session:
        seal(session)
    with Session(_engine(url)) as holder, Session(_engine(url)) as other:
        last = holder.scalars(select(SealRow).order_by(SealRow.number.desc()).limit(1).with_for_update()).one()
        ingest(other, [parse_event(task_event("START", "one_more"))])
        began = time.monotonic()
        assert seal(other) == 0
        assert time.monotonic() - began < 2
        holder.rollback()
        assert seal(other) == 1
        assert last is not None


def test_a_server_that_is_killed_between_commit_and_seal_loses_nothing(create: Create) -> None:
    url = create("killed")
    with Session(_engine(url)) as session:
        ingest(session, [parse_event(task_event("START", "first"))])
        seal(session)
    code = f"""
import os
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from sematic_airflow_provider.db import event_store
from sematic_airflow_provider.db.sessions import lineage_engine
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.settings import given, load_settings
from tests.events import pipeline
event_store.seal_soon = lambda session: os._exit(9)
with Session(create_engine({url!r})) as session:
    event_store.ingest(session, [parse_event(record) for record in pipeline()])
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[1])
    assert done.returncode == 9
    with Session(_engine(url)) as session:
        assert session.scalar(select(func.count()).select_from(UnsealedRow)) == 10
        seal(session)
        found = verify(session)
        assert (found.whole, found.events) == (True, 11)


def test_old_runs_are_rolled_up_while_events_of_them_come_in(create: Create) -> None:
    url = create("pruned")
    _together(
        [
            (_take_in, (url, 0, 8)),
            (_take_in, (url, 0, 8)),
            (_prune_again_and_again, (url, 6.0)),
            (_prune_again_and_again, (url, 6.0)),
        ]
    )
    with Session(_engine(url)) as session:
        prune(session, Policy(1, "tests"))
        left = select(func.count()).where(EventRow.kind == "run", EventRow.payload.is_not(None))
        assert session.scalar(left) == 0
        assert session.scalar(select(func.count()).select_from(RunRow)) == 40
        assert set(session.scalars(select(RunRow.event_count))) == {2}
        assert list(differences(session)) == []
        seal(session)
        assert verify(session).whole


def _old_part(url: str) -> str:
    """A part that only an event without its text had, and that nothing new has had for long."""
    with Session(_engine(url)) as session:
        ingest(session, [parse_event(task_event("COMPLETE", "old", facets=_LONG))])
        prune(session, Policy(1, "tests"))
        session.execute(update(PartRow).values(seen_on=dt.date(2026, 1, 1)))
        session.commit()
        return session.scalars(select(PartRow.key)).one()


@pytest.mark.parametrize("order", ["named before it is deleted", "named while it is deleted"])
def test_a_part_that_is_named_anew_while_parts_are_swept_is_not_lost(create: Create, order: str) -> None:
    """Two transactions meet at the row of the part, in both orders."""
    url = create(f"swept_{'before' if 'before' in order else 'while'}")
    key = _old_part(url)
    isolation: dict[str, Any] = {"isolation_level": "READ COMMITTED"}
    engine, other = create_engine(url, **isolation), create_engine(url, **isolation)
    reached, go_on = threading.Event(), threading.Event()
    stop_at = "COMMIT" if "before" in order else "DELETED"

    if stop_at == "COMMIT":  # the writer has renewed the part, and not committed, when the sweep comes to delete it

        @event.listens_for(other, "after_cursor_execute")
        def renewed(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "INSERT INTO sematic_part" in statement:
                reached.set()
                go_on.wait(3)
    else:  # the sweep has deleted the part, and not committed, when the writer comes to renew it

        @event.listens_for(engine, "after_cursor_execute")
        def deleted(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("DELETE FROM sematic_part"):
                reached.set()
                go_on.wait(3)

    def write() -> None:
        with Session(other) as session:
            ingest(session, [parse_event(task_event("START", "new", facets=_LONG))])

    def sweep() -> None:
        with Session(engine) as session:
            sweep_parts(session, dt.datetime.now(dt.timezone.utc).date(), pause=0)

    first, second = (write, sweep) if stop_at == "COMMIT" else (sweep, write)
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert reached.wait(10)
    threads[1].start()
    time.sleep(1.0)  # it waits at the row now
    go_on.set()
    for thread in threads:
        thread.join()
    with Session(_engine(url)) as session:
        assert session.get(PartRow, key) is not None
        packed = session.scalars(select(EventRow.payload).where(EventRow.payload.is_not(None), EventRow.kind == "run"))
        (text,) = texts(session, [one for one in packed if one is not None])
        assert b"step 39 of a plan" in text
        seal(session)
        assert verify(session).whole


def test_migrations_go_to_the_lineage_database_alone(postgresql: PostgreSQL, tmp_path: Path) -> None:
    airflow, lineage = postgresql.create("apart_airflow"), postgresql.create("apart_lineage")
    home = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
        "AIRFLOW__SEMATIC__DATABASE": lineage,
    }
    run_airflow("db", "migrate", **home)
    run_airflow("db", "check-migrations", **home)
    ours = sorted(metadata.tables)
    assert [name for name in inspect(create_engine(airflow)).get_table_names() if "sematic" in name] == []
    assert sorted(set(inspect(create_engine(lineage)).get_table_names()) - {"alembic_version_sematic"}) == ours
    check = CHECK.replace("session.connection()", "manager.session.connection()").replace(
        "session.commit()", "manager.session.commit()"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], env={**os.environ, **home}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith(("True", "False", "["))]
    assert lines == [f"True {ours}", "False []", f"True {ours}", "[]"]


SERVED = """
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from tests.events import pipeline
import time
with TestClient(create_app(apps="core"), base_url="http://testserver") as client:
    posted = client.post("/sematic/api/v1/lineage/batch", json=pipeline(), headers={"Authorization": "Bearer key-of-the-workers"})
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="admin"))
    answer = client.get("/sematic/api/v1/dags/flow/graph", headers={"Authorization": f"Bearer {token}"})
    time.sleep(3)
    print("ANSWER", posted.status_code, answer.status_code, len(answer.json()["nodes"]))
"""


def test_a_graph_is_served_from_the_lineage_database_and_sealed_there(postgresql: PostgreSQL, tmp_path: Path) -> None:
    airflow, lineage = postgresql.create("served_airflow"), postgresql.create("served_lineage")
    home = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
        "AIRFLOW__SEMATIC__DATABASE": lineage,
        "AIRFLOW__SEMATIC__LINEAGE_API_KEY": "key-of-the-workers",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-tests-" + "x" * 50,
        "AIRFLOW__CORE__XCOM_BACKEND": "sematic_airflow_provider.worker.xcom.SematicXComBackend",
    }
    run_airflow("db", "migrate", **home)
    done = subprocess.run(
        [sys.executable, "-c", SERVED],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("ANSWER")), done.stderr[-3000:])
    assert line == "ANSWER 204 200 10"
    with Session(create_engine(lineage)) as session:
        found = verify(session)
        assert (found.whole, found.events, found.waiting) == (True, 10, 0)
    told = run_airflow("sematic", "audit", "verify", "--output", "json", **home)
    assert '"anchors": 1' in told.stdout
    doctor = run_airflow("sematic", "doctor", "--output", "json", check=False, **home)
    assert f"migrated, in {lineage.replace('airflow@', '')}" in doctor.stdout
