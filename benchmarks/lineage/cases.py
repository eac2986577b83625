"""What each case does with the servers, and what it says."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from benchmarks.lineage import emission, load, questions, sqlite
from benchmarks.lineage.fill import Store, say, size_of
from benchmarks.lineage.load import BATCH, Load
from benchmarks.lineage.questions import Asked, Asker
from benchmarks.lineage.report import BATCHED, EMIT_S, EVENT_BYTES, FLAT, GRAPH_P95_S, GRAPH_S, LIST_S, SINGLE, Report
from benchmarks.lineage.server import Servers
from benchmarks.lineage.world import World
from sematic_airflow_provider.db.models import EventRow, IoRow, RunRow

_SIZES: Final = (0.01, 0.1, 1.0)
_CLIENTS: Final = {1: 8, BATCH: 3}  # threads, by events a request


@dataclass
class Point:
    """A store of one size: seconds an event and a question, bytes an event."""

    runs: int
    edges: int
    events: int
    ingest: Load
    asked: list[Asked]
    bytes: dict[str, int]

    @property
    def graphs(self) -> list[float]:
        """Seconds of each graph that had as many nodes as it may."""
        return graphs_of(self.asked)

    @property
    def bytes_an_event(self) -> float:
        """All our tables with their indexes."""
        return sum(self.bytes.values()) / self.events


def graphs_of(asked: list[Asked]) -> list[float]:
    """Seconds of each graph that had as many nodes as it may."""
    return [
        s
        for one in asked
        if one.what.startswith("graph")
        for s, n in zip(one.seconds, one.sizes, strict=True)
        if n >= questions.NODES
    ]


class Cases:
    """The cases at one scale; 1 is a million runs."""

    def __init__(self, servers: Servers, report: Report, scale: float, samples: int) -> None:
        self.servers, self.report, self.scale, self.samples = servers, report, scale, samples
        self.world = World(5 * max(1, round(40 * math.sqrt(scale))))
        self.days = max(3, round(scale * 1_000_000 / self.world.runs))
        self._points: dict[int, Point] = {}

    def _events(self, at_full_scale: int) -> int:
        return max(300, min(at_full_scale, round(at_full_scale * math.sqrt(self.scale))))

    @cached_property
    def _raw(self) -> Load:
        """The limit."""
        count = self._events(30_000)
        say(f"limit: {count} texts into one table")
        engine = create_engine(self.servers.fresh("work"))
        found = load.raw(engine, self.world, count)
        engine.dispose()
        self.report.figures["limit"] = asdict(found)
        return found

    def http(self, marquez: str | None = None) -> None:
        """(a) in batches, (b) one by one."""
        for name, count, batch, goal in (("batched", 45_000, BATCH, BATCHED), ("unbatched", 9_000, 1, SINGLE)):
            number = self._events(count)
            say(f"http: {number} events, {name}")
            found = load.over_http(self.servers, "work", self.world, number, batch=batch, clients=_CLIENTS[batch])
            self.report.figures[f"http {name}"] = asdict(found) | {"rate": found.rate}
            self.report.line("ingest", f"{name}, over HTTP, events/s", found.rate, limit=self._raw.rate, goal=f"{goal}")
            self.report.at_least(f"ingest over HTTP, {name}", found.rate, goal, "events/s")
        if marquez:
            self._marquez(marquez)
        else:
            self.report.notes.append(
                "Marquez is a Java service that no package registry here has: give --marquez URL of one that runs"
            )

    def _marquez(self, url: str) -> None:
        number = self._events(9_000)
        headers = {"Content-Type": "application/json"}
        found = load.posted(
            url.rstrip("/") + "/api/v1/lineage", headers, load.texts(self.world, number), _CLIENTS[1], number
        )
        self.report.figures["marquez"] = asdict(found) | {"rate": found.rate}
        self.report.line("ingest", "Marquez, one by one, events/s", None, peer=found.rate)

    def ingest(self) -> None:
        """(c) straight into the store."""
        count = self._events(20_000)
        say(f"ingest: {count} events without a server between")
        engine = create_engine(self.servers.fresh("work"))
        found = load.direct(engine, self.world, count)
        engine.dispose()
        self.report.figures["ingest"] = asdict(found) | {"rate": found.rate}
        self.report.line("ingest", "straight into the store, events/s", found.rate, limit=self._raw.rate)

    def _point(self, number: int) -> Point:
        """The store of one size, filled and measured."""
        if number not in self._points:
            self._points[number] = self._measured(self._store(number))
        return self._points[number]

    def _store(self, number: int) -> Store:
        days = max(2 + number, round(self.days * _SIZES[number]))
        smaller = (
            self._store(number - 1) if number and not self.servers.has(f"filled_{self.world.dags}_{days}") else None
        )
        if smaller:
            smaller.close()
        store = Store(self.servers, self.world, days, smaller)
        took = store.fill()
        if took > 1:
            self.report.figures.setdefault("filling", {})[store.name] = round(took, 1)
        return store

    def _measured(self, store: Store) -> Point:
        if store.days > 2:
            rows = store.check()
            say(f"check: {rows} rows are as the real ingest makes them")
            self.report.figures.setdefault("rows checked", {})[store.name] = rows
        runs, edges, events = (store.count(model) for model in (RunRow, IoRow, EventRow))
        sizes = size_of(store.engine)
        say(f"{runs:,} runs, {edges:,} edges: ingest")
        ingested = load.direct(store.engine, self.world, self._events(6_000), first_day=store.unused_day())
        with self.servers.api_server(store.url) as airflow:
            say(f"{runs:,} runs, {edges:,} edges: questions")
            asker = Asker(airflow)
            asker.warm()
            asked = questions.graphs(asker, store.engine, self.samples) + questions.lists(asker, self.samples)
        store.close()
        return Point(runs, edges, events, ingested, asked, sizes)

    def queries(self) -> None:
        """Of the largest store."""
        point = self._point(len(_SIZES) - 1)
        self.report.figures["queries"] = {
            "runs": point.runs,
            "edges": point.edges,
            "asked": [asdict(one) for one in point.asked],
        }
        self._tell(point.asked, f"{point.runs:,} runs", judged=True)

    def _tell(self, asked: list[Asked], of: str, *, judged: bool) -> None:
        graphs, lists = graphs_of(asked), [one for one in asked if not one.what.startswith("graph")]
        for one in asked:
            goal = (
                ""
                if not judged
                else f"{1000 * GRAPH_S:.0f}, p95 {1000 * GRAPH_P95_S:.0f}"
                if one not in lists
                else f"{1000 * LIST_S:.0f}"
            )
            what = f"{one.what}, {of}, ms" + (
                f" ({round(sum(one.sizes) / len(one.sizes))} nodes)" if one not in lists else ""
            )
            self.report.line("query", what, f"{1000 * one.median:.0f}, p95 {1000 * one.p95:.0f}", goal=goal)
        if not judged:
            return
        if graphs:
            what = f"{len(graphs)} graphs of {questions.NODES} nodes"
            self.report.under(f"{what}, median", 1000 * questions.quantile(graphs, 0.5), 1000 * GRAPH_S, "ms")
            self.report.under(f"{what}, p95", 1000 * questions.quantile(graphs, 0.95), 1000 * GRAPH_P95_S, "ms")
        if lists:
            slowest = max(lists, key=lambda one: one.p95)
            self.report.under(
                f"the slowest of {len(lists)} lists and searches ({slowest.what}), p95",
                1000 * slowest.p95,
                1000 * LIST_S,
                "ms",
            )

    def disk(self) -> None:
        """Bytes an event: of the smallest store, of two days, in which nearly all is new, and of the largest."""
        mean = sum(map(len, texts := load.texts(self.world, 2000, first_day=1))) / len(texts)
        told: list[dict[str, Any]] = []
        for number in (0, len(_SIZES) - 1):
            store = self._store(number)
            events, sizes = store.count(EventRow), size_of(store.engine)
            runs = store.count(RunRow)
            store.close()
            total = sum(sizes.values()) / events
            each = {name: round(size / events, 1) for name, size in sizes.items()}
            told.append({"runs": runs, "events": events, "total": total, "bytes an event": each})
            what = f"bytes an event, indexes included, {runs:,} runs"
            self.report.line("disk", what, total, limit=mean, goal=f"{EVENT_BYTES}" if told[1:] else "")
        self.report.figures["disk"] = {"stores": told, "bytes of an event's JSON": mean}
        self.report.under("disk, bytes an event", told[-1]["total"], EVENT_BYTES, "B")

    def curve(self) -> None:
        """Cost by size of the store."""
        points = [self._point(number) for number in range(len(_SIZES))]
        table = []
        for point in points:
            event, graph = 1000 / point.ingest.rate, point.graphs
            lists = [s for one in point.asked if not one.what.startswith("graph") for s in one.seconds]
            row: dict[str, Any] = {
                "runs": point.runs,
                "edges": point.edges,
                "event_ms": event,
                "bytes": point.bytes_an_event,
            }
            row["graph_ms"] = 1000 * questions.quantile(graph, 0.5) if graph else None
            row["list_ms"] = 1000 * questions.quantile(lists, 0.5) if lists else None
            table.append(row)
            self.report.line("curve", f"an event with {point.runs:,} runs stored, ms", event)
            for name, what in (
                ("graph_ms", f"a graph of {questions.NODES} nodes, ms"),
                ("list_ms", "a list, ms"),
                ("bytes", "disk, bytes an event"),
            ):
                if row[name] is not None:
                    self.report.line("curve", f"  {what}", row[name])
        self.report.figures["curve"] = table
        for name, what in (
            ("event_ms", "cost of an event"),
            ("graph_ms", "cost of a graph"),
            ("list_ms", "cost of a list"),
        ):
            known = [row[name] for row in table if row[name]]
            if len(known) > 1:
                self.report.under(f"{what}, the largest store to the smallest", known[-1] / known[0], FLAT, "times")

    def sqlite(self) -> None:
        """The store of the middle size, in SQLite."""
        store = self._store(1)
        file, made = self.servers.sqlite(store.name)
        if not made:
            sqlite.copy(store.engine, file)
        url = f"sqlite:///{file}"
        engine = create_engine(url)
        say("SQLite: ingest and questions")
        found = load.direct(engine, self.world, self._events(3_000), first_day=store.unused_day())
        with self.servers.api_server(url) as airflow:
            asker = Asker(airflow)
            asker.warm()
            asked = questions.graphs(asker, engine, self.samples) + questions.lists(asker, self.samples)
        with Session(engine) as session:
            runs = session.query(RunRow).count()
        engine.dispose()
        store.close()
        self.report.figures["sqlite"] = {
            "runs": runs,
            "ingest": asdict(found) | {"rate": found.rate},
            "asked": [asdict(one) for one in asked],
        }
        self.report.line("ingest", f"straight into SQLite, {runs:,} runs, events/s", found.rate)
        self._tell(asked, f"SQLite, {runs:,} runs", judged=False)

    def emit(self) -> None:
        """What a task waits for."""
        count = max(20, round(400 * min(1, self.scale)))
        say(f"emit: {count} events a way")
        events = list(itertools.islice(self.world.events(1), count))
        with self.servers.api_server(self.servers.fresh("work")) as airflow:
            found = emission.measure(airflow, events, self.servers.folder / "emit")
        self.report.figures["emit"] = [asdict(one) for one in found]
        limit = next(one for one in found if one.what == "OpenLineage file")
        for name in ("live server", "dead server"):
            peer = next(one for one in found if one.what == f"OpenLineage http, {name}")
            for one in (one for one in found if one.what.startswith("ours") and one.what.endswith(name)):
                goal = f"{1000 * EMIT_S:.0f}"
                self.report.line(
                    "emit",
                    f"{one.what}, ms",
                    1000 * one.median,
                    limit=1000 * limit.median,
                    peer=1000 * peer.median,
                    goal=goal,
                )
                self.report.line(
                    "emit", "  p95 of it", 1000 * one.p95, limit=1000 * limit.p95, peer=1000 * peer.p95, goal=goal
                )
                if one.failed:
                    self.report.notes.append(f"{one.what}: {one.failed} events were kept nowhere")
                self.report.under(f"emission, {one.what}, p95", 1000 * one.p95, 1000 * EMIT_S, "ms")


ALL: Final[dict[str, Any]] = {
    "ingest": Cases.ingest,
    "http": Cases.http,
    "emit": Cases.emit,
    "curve": Cases.curve,
    "queries": Cases.queries,
    "disk": Cases.disk,
    "sqlite": Cases.sqlite,
}
