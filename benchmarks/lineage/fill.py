"""A store of up to a million runs: two days by the real ingest, the days after them multiplied, with a check of what comes out."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.orm import Session

from benchmarks.lineage import multiply
from benchmarks.lineage.load import BATCH
from benchmarks.lineage.server import Servers
from benchmarks.lineage.world import GROUP, World
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import Base, DataRow, DatasetRow, IoRow, JobRow, RunRow
from sematic_airflow_provider.db.seals import seal
from sematic_airflow_provider.lineage.events import parse_event

_STEP: Final = 5  # days in one transaction
_WORKERS: Final = 2
_UNUSED: Final = 4000  # days from here on are never filled
_PACKED: Final = {"facets", "payload", "content"}
_NUMBERS: Final = {"id", "rank"}  # rank is for what is told again


class WrongRowsError(Exception):
    """What was multiplied is not what the real ingest makes of the same events."""


class Store:
    """A database that is filled day by day."""

    def __init__(self, servers: Servers, world: World, days: int, smaller: Store | None = None) -> None:
        """Of so many days; a smaller one is what it starts from, where it is new. That must not be in use."""
        self.servers, self.world, self.days = servers, world, days
        self.name = f"filled_{world.dags}_{days}"
        self.url = servers.kept(self.name, smaller.name if smaller else None)
        self.engine = create_engine(self.url)

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()

    def count(self, model: type[Base]) -> int:
        """So many rows there are."""
        with self.engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(model)) or 0)

    def unused_day(self) -> int:
        """A day that nothing is known of yet; it is taken."""
        with self.engine.begin() as connection:
            query = text("INSERT INTO bench_days SELECT greatest(max(day) + 1, :first) FROM bench_days RETURNING day")
            return int(connection.execute(query, {"first": _UNUSED}).scalar_one())

    def fill(self) -> float:
        """Make sure that all days are there; the seconds that it took."""
        started = time.perf_counter()
        with self.engine.begin() as connection:
            multiply.prepare(connection)
            done = set(connection.scalars(text("SELECT day FROM bench_days")))
        for day in range(2):
            if day not in done:
                self._real(day)
        missing = sorted(set(range(2, self.days)) - done)
        chunks = [missing[start : start + _STEP] for start in range(0, len(missing), _STEP)]
        # Indexes stay, so that in the end they are as filled as indexes are that grew.
        with ThreadPoolExecutor(_WORKERS) as pool:
            for number, _ in enumerate(pool.map(self._multiplied, chunks), 1):
                say(f"filling: {number} of {len(chunks)} parts, {time.perf_counter() - started:.0f} s")
        if missing:
            say("filling: seals")
            with Session(self.engine) as session:
                seal(session)
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
        return time.perf_counter() - started

    def _real(self, day: int) -> None:
        say(f"filling: day {day} by the real ingest")
        events = [parse_event(event) for event in self.world.events(day)]
        for start in range(0, len(events), BATCH):
            with Session(self.engine) as session:
                ingest(session, events[start : start + BATCH])
        with self.engine.begin() as connection:
            if day == 0:
                multiply.remember_parts(connection)
            else:
                multiply.take_day_1(connection)
            connection.execute(text("INSERT INTO bench_days VALUES (:day)"), {"day": day})

    def _multiplied(self, days: Sequence[int]) -> None:
        with self.engine.begin() as connection:
            multiply.days(connection, days[0], days[-1])

    def check(self, samples: int = 3) -> int:
        """Compare rows of some groups of Dags and days with what the real ingest makes of the same events in an empty database; gives how many.

        Raises:
            WrongRowsError: a column differs.
        """
        rng, compared = random.Random(self.days), 0
        other = create_engine(self.servers.fresh("check"))
        for _ in range(samples):
            first, day = rng.randrange(0, self.world.dags, GROUP), rng.randrange(2, self.days)
            told = [one for number in range(first, first + GROUP) for one in self.world.plan_of_dag(number, day)]
            told.sort(key=lambda one: one.at)
            with Session(other) as session:
                ingest(session, [parse_event(json.loads(json.dumps(one.make(one.at)))) for one in told])
        with Session(other) as real, Session(self.engine) as filled:
            runs = list(real.scalars(select(RunRow.run_id)))
            shared = select(DataRow.node_id).where(text("node_id IN (SELECT node_id FROM bench_shared)"))
            nodes = set(real.scalars(select(DataRow.node_id))) - set(filled.scalars(shared))
            for model, column, keys in (
                (RunRow, RunRow.run_id, runs),
                (IoRow, IoRow.run_id, runs),
                (DataRow, DataRow.node_id, sorted(nodes)),
                (JobRow, JobRow.job_key, list(real.scalars(select(JobRow.job_key)))),
                (DatasetRow, DatasetRow.dataset_key, list(real.scalars(select(DatasetRow.dataset_key)))),
            ):
                compared += _compare(model, _rows(real, model, column, keys), _rows(filled, model, column, keys))
        other.dispose()
        return compared


def _rows(session: Session, model: Any, column: Any, keys: Sequence[str]) -> list[Mapping[str, Any]]:
    names = [one.name for one in model.__table__.columns if one.name not in _PACKED | _NUMBERS]
    query = select(*(getattr(model, name) for name in names)).where(column.in_(keys))
    rows = [dict(zip(names, row, strict=True)) for row in session.execute(query)]
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def _compare(model: Any, real: list[Mapping[str, Any]], filled: list[Mapping[str, Any]]) -> int:
    if len(real) != len(filled):
        raise WrongRowsError(f"{model.__tablename__}: {len(filled)} rows where the ingest makes {len(real)}")
    for one, other in zip(real, filled, strict=True):
        different = {name: (other[name], one[name]) for name in one if one[name] != other[name]}
        if different:
            raise WrongRowsError(f"{model.__tablename__}, {one}: filled and real differ: {different}")
    return len(real)


def size_of(engine: Engine) -> dict[str, int]:
    """Bytes of each of our tables, with indexes."""
    with engine.connect() as connection:
        query = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        return {
            table.name: int(connection.scalar(query, {"name": table.name}) or 0)
            for table in Base.metadata.sorted_tables
        }


def say(what: str) -> None:
    """Progress."""
    print(what, file=sys.stderr, flush=True)
