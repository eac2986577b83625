"""Ingest under load: over HTTP in batches and one by one, straight into the store, and the limit: the same texts into one table."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session

from benchmarks.lineage.server import API, Servers
from benchmarks.lineage.world import World
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import EventRow
from sematic_airflow_provider.lineage.events import event_of_text

BATCH = 100
_TENTHS = 10


@dataclass
class Load:
    """What was sent, and how fast it was taken: events a second over all, and in each tenth of it; seconds that each request took."""

    events: int
    seconds: float
    tenths: list[float]
    requests: list[float] = field(default_factory=list)
    mean_bytes: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


def texts(world: World, count: int, first_day: int = 0) -> list[bytes]:
    """The first events from a day on, as JSON, in the order of their times."""
    days = itertools.chain.from_iterable(world.events(day) for day in itertools.count(first_day))
    return [json.dumps(event, separators=(",", ":")).encode() for event in itertools.islice(days, count)]


def batches(events: Sequence[bytes], size: int = BATCH) -> list[bytes]:
    """Arrays of so many events."""
    return [b"[" + b",".join(events[start : start + size]) + b"]" for start in range(0, len(events), size)]


def over_http(servers: Servers, database: str, world: World, count: int, *, batch: int, clients: int) -> Load:
    """Post events to an API server on an empty database with connections that stay open, in batches or one by one.

    Raises:
        RuntimeError: an event was refused, or is not in the database afterwards.
    """
    sent = texts(world, count)
    bodies = batches(sent, batch) if batch > 1 else sent
    url = servers.fresh(database)
    with servers.api_server(url) as airflow:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {airflow.api_key}"}
        path = f"{API}/lineage/batch" if batch > 1 else f"{API}/lineage"
        _post(airflow.url, path, headers, texts(world, 5, first_day=9999)[:1] if batch == 1 else [b"[]"], 1)  # warm
        load = posted(airflow.url + path, headers, bodies, clients, count)
    engine = create_engine(url)
    with Session(engine) as session:
        stored = session.scalar(select(func.count()).select_from(EventRow)) or 0
    engine.dispose()
    missing = count + (batch == 1) - stored
    if missing:
        raise RuntimeError(f"{missing} of {count} events that were accepted are not in the database")
    load.mean_bytes = sum(map(len, sent)) / count
    return load


def posted(url: str, headers: dict[str, str], bodies: Sequence[bytes], clients: int, events: int) -> Load:
    """Post all bodies by so many clients at once."""
    parts = urlsplit(url)
    started = time.perf_counter()
    ends = _post(f"{parts.scheme}://{parts.netloc}", parts.path, headers, bodies, clients)
    seconds = time.perf_counter() - started
    moments = sorted(end - started for end, _ in ends)
    return Load(events, seconds, _by_tenths(moments, events), [took for _, took in ends])


def _by_tenths(moments: Sequence[float], events: int) -> list[float]:
    """Events a second in each tenth of the requests, from the moments at which they were answered."""
    size = len(moments) / _TENTHS
    marks = [0.0, *(moments[min(len(moments), max(1, round(n * size))) - 1] for n in range(1, _TENTHS + 1))]
    return [events / _TENTHS / (b - a) for a, b in itertools.pairwise(marks) if b > a]


def _post(
    base: str, path: str, headers: dict[str, str], bodies: Sequence[bytes], clients: int
) -> list[tuple[float, float]]:
    waiting: SimpleQueue[bytes] = SimpleQueue()
    for body in bodies:
        waiting.put(body)
    ends: list[tuple[float, float]] = []
    failed: list[str] = []

    def client() -> None:
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        while not failed:
            try:
                body = waiting.get_nowait()
            except Empty:
                break
            started = time.perf_counter()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            told = answer.read()
            if answer.status not in (201, 204):
                failed.append(f"{path} answered {answer.status}: {told[:300]!r}")
            ended = time.perf_counter()
            ends.append((ended, ended - started))
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed or len(ends) != len(bodies):
        raise RuntimeError(failed[0] if failed else f"{len(bodies) - len(ends)} requests had no answer")
    return ends


def direct(engine: Engine, world: World, count: int, first_day: int = 0) -> Load:
    """Parse and ingest batches of events, without a server between."""
    sent = texts(world, count, first_day)
    moments, started = [], time.perf_counter()
    for chunk in _chunks(sent):
        with Session(engine) as session:
            ingest(session, [event_of_text(one) for one in chunk])
        moments.append(time.perf_counter() - started)
    return Load(count, moments[-1], _by_tenths(moments, count))


def raw(engine: Engine, world: World, count: int) -> Load:
    """The limit: the same texts in the same batches into a table of a number and a text, each batch a transaction."""
    from psycopg2.extras import execute_values

    sent = [one.decode() for one in texts(world, count)]
    connection: Any = engine.raw_connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "DROP TABLE IF EXISTS bench_raw; CREATE TABLE bench_raw (id bigserial PRIMARY KEY, payload text)"
            )
        connection.commit()
        moments, started = [], time.perf_counter()
        for chunk in _chunks(sent):
            with connection.cursor() as cursor:
                execute_values(cursor, "INSERT INTO bench_raw (payload) VALUES %s", [(one,) for one in chunk])
            connection.commit()
            moments.append(time.perf_counter() - started)
    finally:
        connection.close()
    return Load(count, moments[-1], _by_tenths(moments, count))


def _chunks(items: Sequence[Any], size: int = BATCH) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
