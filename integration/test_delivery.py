"""Delivery with real processes: tasks emit while the API server, the database and disks fail. No accepted event is lost, none counts twice.

``SEMATIC_OUTAGE_SECONDS`` is how long the API server stays away in the longest outage (20; `make soak` takes ten minutes).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from integration.postgresql import PostgreSQL
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import EventRow
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.lineage.events import parse_event
from tests.db.tables import made, projection
from tests.delivery.api import event_bytes, eventually

ROOT = Path(__file__).parents[1]
OUTAGE = float(os.environ.get("SEMATIC_OUTAGE_SECONDS", "20"))
PAUSE = 0.03


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    """One of our own, since it is restarted."""
    server = PostgreSQL()
    yield server
    server.stop()


class Site:
    """An API server with its database, and what emits to it."""

    def __init__(self, home: Path, database: PostgreSQL) -> None:
        (home / "dags").mkdir(parents=True)
        self.home, self.database = home, database
        self.url = database.create(f"site{home.name.replace('-', '_')}".lower()[:60])
        extra = {"AIRFLOW__SEMATIC__DRAIN_INTERVAL": "2", "AIRFLOW__SEMATIC__DELIVERY_TIMEOUT": "1"}
        self.airflow = LocalAirflow(home, home / "dags", free_port(18580), database=self.url, extra=extra)
        self.emitters: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the API server, and wait until it answers."""
        self.airflow.start("api-server")
        self.airflow.wait_until_healthy()

    def kill(self) -> None:
        """End the API server at this instant."""
        process = self.airflow._running["api-server"]
        os.killpg(process.pid, signal.SIGKILL)
        self.airflow.stop("api-server")

    def emit(self, name: str, seconds: float, **options: str) -> subprocess.Popen[bytes]:
        """Let a process emit for so long."""
        command = [sys.executable, "-m", "integration.emitters", name, str(seconds), str(PAUSE), str(self.file(name))]
        environment = {**self.airflow.environment, "PYTHONPATH": str(ROOT), **options}
        with (self.home / "logs" / f"emitter-{name}.log").open("wb") as log:
            emitter = subprocess.Popen(command, cwd=self.home, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.emitters.append(emitter)
        return emitter

    def emit_by_all_ways(self, seconds: float) -> None:
        """Two processes that share the disk of their worker, and one whose disk goes away."""
        for name in ("disk1", "disk2"):
            self.emit(name, seconds)
        self.emit("pod", seconds, AIRFLOW__SEMATIC__SPOOL="store")

    def stop_emitters(self) -> None:
        """Let all end, in order."""
        for emitter in self.emitters:
            emitter.terminate()
        for emitter in self.emitters:
            assert emitter.wait(120) == 0, self.log()

    def file(self, name: str) -> Path:
        return self.home / f"accepted-{name}.jsonl"

    def accepted(self) -> list[dict[str, Any]]:
        """Every event that a transport took, and how long that took."""
        files = sorted(self.home.glob("accepted-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines() if line.endswith("}")]

    def stored(self) -> list[str]:
        """Digests of the events in the log."""
        try:
            with Session(create_engine(self.url)) as session:
                return list(session.scalars(select(EventRow.digest)))
        except OperationalError:
            return []

    def log(self) -> str:
        return "\n".join(file.read_text(errors="replace")[-1500:] for file in (self.home / "logs").glob("*.log"))

    def end(self) -> None:
        for emitter in self.emitters:
            emitter.kill()
            emitter.wait()
        self.airflow.stop()
        spool = self.home / "sematic-spool"
        if spool.exists():
            spool.rename(self.home / "ended")  # which ends the processes that deliver from it


@pytest.fixture
def site(tmp_path: Path, database: PostgreSQL) -> Iterator[Site]:
    made = Site(tmp_path, database)
    made.airflow.migrate()
    try:
        made.start()
        yield made
    finally:
        made.end()


def _check_nothing_is_lost_or_doubled(site: Site, at_least: int, seconds: float = 240) -> None:
    """The log holds each accepted event once, and the projection is that of one ordered pass over them."""
    events = {parse_event(one["event"]).digest: one["event"] for one in site.accepted()}
    assert len(events) >= at_least
    assert eventually(lambda: set(events) <= set(site.stored()), seconds), (
        f"{len(set(events) - set(site.stored()))} of {len(events)} events are missing\n{site.log()}"
    )
    stored = site.stored()
    assert len(stored) == len(set(stored))
    assert set(stored) == set(events)
    assert eventually(lambda: not SpoolFolder(site.home / "sematic-spool").has_waiting(), 30)
    with Session(made(site.database.create(f"{site.url.rsplit('/', 1)[-1]}_ordered"))) as session:
        in_order = sorted(events.values(), key=lambda event: event["eventTime"])
        for start in range(0, len(in_order), 500):
            ingest(session, [parse_event(event) for event in in_order[start : start + 500]])
        expected = projection(session)
    with Session(create_engine(site.url)) as session:
        assert projection(session) == expected


def test_a_server_that_is_away_under_load_costs_no_event_and_no_time(site: Site) -> None:
    site.emit_by_all_ways(OUTAGE + 600)
    assert eventually(lambda: len(site.stored()) > 100, 180), site.log()
    site.airflow.stop("api-server")
    before = len(site.accepted())
    time.sleep(OUTAGE)
    meanwhile = [one["seconds"] for one in site.accepted()[before:]]
    assert len(meanwhile) > 10
    assert median(meanwhile) < 0.1
    site.start()
    site.stop_emitters()
    _check_nothing_is_lost_or_doubled(site, 150, 240 + OUTAGE)


def test_a_server_that_is_killed_in_the_middle_of_posts_again_and_again(site: Site) -> None:
    site.emit_by_all_ways(600)
    for round_ in range(1, 4):
        assert eventually(lambda at_least=150 * round_: len(site.stored()) > at_least, 180), site.log()  # type: ignore[misc]
        site.kill()
        site.start()
    site.stop_emitters()
    _check_nothing_is_lost_or_doubled(site, 450)


def test_a_database_that_crashes_under_load(site: Site) -> None:
    site.emit_by_all_ways(600)
    for round_ in range(1, 4):
        assert eventually(lambda at_least=150 * round_: len(site.stored()) > at_least, 180), site.log()  # type: ignore[misc]
        site.database.restart()
    site.stop_emitters()
    _check_nothing_is_lost_or_doubled(site, 450)


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A disk with room for a few dozen events."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_is_full_while_the_server_is_away(site: Site) -> None:
    spool = site.home / "small"
    with _small_disk(spool):
        site.airflow.stop("api-server")
        site.emit("full", 120, AIRFLOW__SEMATIC__SPOOL=str(spool))
        in_store = site.home / "sematic" / "spool"
        assert eventually(lambda: in_store.is_dir() and len(list(in_store.glob("*.json"))) > 20, 90), site.log()
        site.stop_emitters()
        on_disk, stored = len(list(spool.glob("*.json"))), len(list(in_store.glob("*.json")))
        assert on_disk > 5
        assert on_disk + stored == len(site.accepted())
        site.start()
        site.airflow.command("sematic", "drain", "--show")
        _check_nothing_is_lost_or_doubled(site, 25)
        assert eventually(lambda: not list(spool.glob("*.json")), 60)


def test_drains_race_over_a_backlog_and_each_event_counts_once(site: Site) -> None:
    """Of the API server, of two commands that write to the database, and of one that posts."""
    spool = SpoolFolder(site.home / "sematic-spool")
    count = 3000
    with site.file("backlog").open("w") as accepted:
        for number in range(count):
            data = event_bytes(f"t{number % 50}", dag_id="backlog", dag_run_id=f"run{number // 50}")
            spool.put(data)
            accepted.write(json.dumps({"event": json.loads(data), "seconds": 0}) + "\n")
    drains = [
        subprocess.Popen(
            [sys.executable, "-m", "airflow", "sematic", "drain", *options],
            env=site.airflow.environment,
            cwd=site.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for options in ((), (), ("--post",))
    ]
    for drain in drains:
        _, errors = drain.communicate(timeout=300)
        assert drain.returncode == 0, errors.decode()[-2000:]
    _check_nothing_is_lost_or_doubled(site, count)
    with Session(create_engine(site.url)) as session:
        assert session.scalar(select(func.count()).select_from(EventRow)) == count
