"""A company whose Dags run once a day, as the OpenLineage events that this makes: pure, from a seed, one event at a time.

Three kinds of Dags: machine learning by steps of ours (mapped tasks, retries, plain tasks among them), Spark, and dbt. They share tables, reference data and
models, and small values are equal everywhere. A day has about 31 runs a Dag, five edges and two to three events a run, all within three hours of the night,
so what starts and ends a run lies far apart in the stream.

Dags hang together: in each group of five, one of Spark makes tables that three of machine learning read, whose scores one of dbt reads.

All days have one shape. What is of one day alone (ids of runs, digests, versions, dates in names) is derived from that of day 1 by `own_id` and `own_digest`,
which the database can compute too: `fill.py` multiplies days there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from benchmarks.lineage import producers
from benchmarks.lineage.producers import DagRun, Data, Task

FIRST_DAY = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
GROUP = 5  # Dags that hang together
MAPPED, WIDE = 12, 200  # instances of a mapped task; in one of so many Dags there are many more
_WIDE_ONES = 20
_RETRIED = 5  # of so many Dags, one has a task that fails at first
_STARTS = {3: 0, 4: 5000}  # Spark begins the night, dbt ends it
_SHARED_TABLES, _REFERENCES, _MODELS = 60, 20, 10

Make = Callable[[dt.datetime], dict[str, Any]]


class Told(NamedTuple):
    """When an event is told, and what makes it."""

    at: dt.datetime
    make: Make


@dataclass(frozen=True)
class World:
    """So many Dags."""

    dags: int
    seed: int = 5

    def events(self, day: int) -> Iterator[dict[str, Any]]:
        """The events of a day in the order of their times."""
        for told in sorted(self.plan(day), key=lambda told: told.at):
            yield told.make(told.at)

    @property
    def runs(self) -> int:
        """Of each day."""
        return len({event["run"]["runId"] for event in self.events(1)})

    def plan(self, day: int) -> Iterator[Told]:
        """What is told on a day, Dag by Dag."""
        for number in range(self.dags):
            yield from self.plan_of_dag(number, day)

    def plan_of_dag(self, number: int, day: int) -> Iterator[Told]:
        """What one Dag tells on a day."""
        kind = {3: _spark, 4: _dbt}.get(number % GROUP, _learning)
        yield from kind(_Day(f"{kind.__name__[1:]}_{number:03d}", number, day, random.Random(f"{self.seed}/{number}")))


def date_of(day: int) -> str:
    """As it stands in names and ids of Dag runs."""
    return f"{FIRST_DAY + dt.timedelta(days=day):%Y-%m-%d}"


def own_id(path: str, day: int, moment: dt.datetime) -> str:
    """The id of a run of this day: as version 7 of UUIDs, which the producers use, by time first."""
    own = hashlib.md5(path.encode()).hexdigest()[:18]
    own = own if day == 1 else hashlib.md5(f"{own}/{day}".encode()).hexdigest()[:18]
    text = f"{int(moment.timestamp() * 1000):012x}7{own[:3]}8{own[3:]}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def own_digest(path: str, day: int) -> str:
    """The digest of an artifact of this day."""
    own = hashlib.sha256(path.encode()).hexdigest()
    return own if day == 1 else hashlib.sha256(f"{own}/{day}".encode()).hexdigest()


def version_of(namespace: str, name: str, day: int) -> str:
    """The number of a snapshot of a table in the lake."""
    return str(int(own_digest(f"{namespace}/{name}", day)[:15], 16))


class _Day:
    """One Dag on one day: makes its tasks, its data and their names, and tells of them in turn."""

    def __init__(self, dag_id: str, number: int, day: int, rng: random.Random) -> None:
        self.dag_id, self.number, self.day, self.rng = dag_id, number, day, rng
        midnight = FIRST_DAY + dt.timedelta(days=day)
        self.now = midnight + dt.timedelta(seconds=_STARTS.get(number % GROUP, 2000) + rng.uniform(0, 1500))
        self.midnight = midnight
        self.run = DagRun(dag_id, f"scheduled__{midnight.isoformat()}", self.id("dag run"), midnight, self.now)
        self.states: dict[str, str] = {}

    def id(self, path: str) -> str:
        """A run of this Dag and day; all of a Dag run have the time of that in their ids, as Airflow's have."""
        return own_id(f"{self.dag_id}/{path}", self.day, self.midnight)

    def task(self, task_id: str, index: int = -1, attempt: int = 1, **more: Any) -> Task:
        """A try of a task."""
        return Task(self.run, task_id, index, attempt, self.id(f"{task_id}/{index}/{attempt}"), **more)

    def artifact(self, task_id: str, key: str = "return_value", *, size: int | None = None, **more: Any) -> Data:
        """What a task of this day made."""
        path = f"{self.dag_id}.{task_id}.{key}"
        size = size or self.rng.randrange(10_000, 50_000_000)
        return Data(path, own_digest(f"{path}/{more.get('codec')}", self.day), size=size, **more)

    def table(self, number: int) -> Data:
        """A table that many Dags read, of which no version is told."""
        return Data(f"analytics.public.table_{number % _SHARED_TABLES:03d}", namespace="postgres://warehouse:5432")

    def version(self, name: str, namespace: str = "s3://lake") -> Data:
        """What was written to a table of the lake on this day."""
        return Data(name, namespace=namespace, version=version_of(namespace, name, self.day))

    def takes(self, low: float, high: float) -> dt.timedelta:
        """How long something lasts."""
        return dt.timedelta(seconds=self.rng.uniform(low, high))

    def told(self, task: Task, start: dt.datetime, end: dt.datetime, **what: Any) -> Iterator[Told]:
        """Start and end of a step of ours."""
        yield Told(start, partial(producers.step_started, task))
        yield Told(end, partial(producers.step_ended, task, lasted=end - start, **what))
        self.states[task.task_id] = "success"

    def dag_run(self) -> Iterator[Told]:
        """Start and end of the Dag run, when all else is told."""
        yield Told(self.run.started_at, partial(producers.dag_run_event, self.run, {}))
        yield Told(self.now + dt.timedelta(seconds=1), partial(producers.dag_run_event, self.run, dict(self.states)))


def _constant(name: str, value: Any, type_name: str) -> Data:
    """A small value: equal values are one artifact, whoever made them and when."""
    text = producers.text_of(value)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Data(name, digest, codec="json/1", type=type_name, size=len(text), value=(value,))


def _learning(of: _Day) -> Iterator[Told]:
    """Raw files into a table, and by steps of ours through training into scores."""
    name = of.dag_id
    raw = Data(f"events/{name}/dt={date_of(of.day)}/part-0.parquet", namespace="s3://landing")
    lake = of.version(f"silver/{name}")
    config = _constant(
        f"{name}.settings.return_value", {"dag": name, "limit": of.number, "sample": 0.1}, "builtins.dict"
    )
    reference = f"reference_{of.number % _REFERENCES:02d}"
    shared = Data(f"{reference}.publish.return_value", hashlib.sha256(reference.encode()).hexdigest(), size=8_000_000)
    best = f"model_{of.number % _MODELS:02d}"
    champion = Data(
        f"models/{best}", hashlib.sha256(best.encode()).hexdigest(), codec="sklearn/1", size=90_000, model=True
    )

    start, of.now = of.now, of.now + of.takes(20, 120)
    task = of.task("land", classic=True)
    yield Told(start, partial(producers.classic_event, task, "START", [], []))
    gold = of.version(f"gold/spark_{of.number // GROUP * GROUP + 3:03d}_{of.number % GROUP}_3")
    tables = [gold, *(of.table(of.number + step) for step in (0, 7))]
    yield Told(of.now, partial(producers.classic_event, task, "COMPLETE", [raw, *tables], [lake], columns=True))
    of.states["land"] = "success"

    table = of.artifact("load")
    clean, rich = of.artifact("clean"), of.artifact("enrich")
    parts = {key: of.artifact("split", key) for key in ("train", "test", "holdout", "calibration")}
    model = of.artifact(
        "fit", codec="sklearn/1", type="sklearn.ensemble.RandomForestClassifier", size=120_000, model=True
    )
    metric = of.artifact("fit", "metrics", codec="json/1", type="builtins.dict", size=80, value=({"auc": 0.93},))
    steps: list[tuple[str, dict[str, Data], dict[str, Data]]] = [
        ("load", {"table": lake, "settings": config}, {"return_value": table}),
        ("clean", {"table": table, "settings": config}, {"return_value": clean}),
        ("enrich", {"table": clean, "reference": shared, "settings": config}, {"return_value": rich}),
        ("split", {"table": rich}, parts),
        (
            "fit",
            {"train": parts["train"], "calibration": parts["calibration"], "champion": champion, "settings": config},
            {"return_value": model, "metrics": metric},
        ),
    ]
    for task_id, reads, writes in steps:
        if task_id == "load" and of.number % _RETRIED == 0:
            start, of.now = of.now, of.now + of.takes(5, 30)
            yield from of.told(of.task(task_id), start, of.now, reads=reads, writes={}, failed=True)
            of.now += dt.timedelta(seconds=60)
            attempt = of.task(task_id, attempt=2)
        else:
            attempt = of.task(task_id)
        start, of.now = of.now + of.takes(1, 5), of.now + of.takes(10, 200)
        yield from of.told(attempt, start, of.now, reads=reads, writes=writes)

    start = of.now + of.takes(1, 5)
    threshold = _constant(f"{name}.settings.threshold", 0.5, "builtins.float")
    scores: list[Data] = []
    wide = of.number % _WIDE_ONES == 0
    reads = {"model": model, "champion": champion, "part": parts["test"], "settings": config}
    reads |= {} if wide else {"threshold": threshold}
    for index in range(WIDE if wide else MAPPED):
        end = start + of.takes(5, 120)
        of.now = max(of.now, end)
        score = of.artifact("score", f"return_value/{index}")
        score = score._replace(name=f"{name}.score.return_value")
        yield from of.told(of.task("score", index), start, end, reads=reads, writes={"return_value": score})
        scores.append(score)

    start, of.now = of.now + of.takes(1, 5), of.now + of.takes(6, 60)
    report = of.artifact("evaluate", codec="json/1", type="builtins.dict", size=400)
    passed = _constant(f"{name}.evaluate.passed", True, "builtins.bool")
    reads = {"model": model, "holdout": parts["holdout"], "metrics": metric}
    yield from of.told(
        of.task("evaluate"), start, of.now, reads=reads, writes={"return_value": report, "passed": passed}
    )

    start, of.now = of.now + of.takes(1, 5), of.now + of.takes(6, 20)
    task, nothing = of.task("notify", plain=True), _constant(f"{name}.notify.return_value", None, "builtins.NoneType")
    yield Told(start, partial(producers.plain_event, task, "START", [], []))
    yield Told(
        of.now - dt.timedelta(milliseconds=9),
        partial(producers.plain_event, task, "RUNNING", [report, passed], [nothing]),
    )
    yield Told(of.now, partial(producers.plain_event, task, "COMPLETE", [], []))
    of.states["notify"] = "success"

    start, of.now = of.now + of.takes(1, 5), of.now + of.takes(6, 60)
    task = of.task("publish", classic=True)
    yield Told(start, partial(producers.classic_event, task, "START", [], []))
    what = ([report, model, *scores[:3]], [of.version(f"scores/{name}")])
    yield Told(of.now, partial(producers.classic_event, task, "COMPLETE", *what))
    of.states["publish"] = "success"
    yield from of.dag_run()


def _spark(of: _Day) -> Iterator[Told]:
    """Tasks that submit Spark applications, each of which tells of four jobs."""
    for step in range(3):
        start = of.now + of.takes(1, 5)
        task = of.task(f"submit_{step}", classic=True)
        yield Told(start, partial(producers.classic_event, task, "START", [], []))
        application = producers.Foreign(f"app_{of.dag_id}_{step}", of.id(f"app/{step}"), task.parent, of.run)
        at = start + of.takes(5, 10)
        yield Told(at, partial(producers.spark_event, application, "START", [], []))
        for job in range(4):
            one = producers.Foreign(
                f"{application.name}.execute_insert_into_{step}_{job}",
                of.id(f"app/{step}/{job}"),
                application.parent,
                of.run,
            )
            reads = [of.table(of.number + 3 * job + k) for k in range(5)]
            if job:
                reads.append(of.version(f"gold/{of.dag_id}_{step}_{job - 1}"))
            write = of.version(f"gold/{of.dag_id}_{step}_{job}")
            yield Told(at + of.takes(1, 2), partial(producers.spark_event, one, "START", reads, []))
            yield Told(at + of.takes(3, 4), partial(producers.spark_event, one, "RUNNING", reads, [write]))
            at += of.takes(20, 200)
            yield Told(at, partial(producers.spark_event, one, "COMPLETE", reads, [write]))
        yield Told(at + of.takes(1, 2), partial(producers.spark_event, application, "COMPLETE", [], []))
        of.now = at + of.takes(3, 5)
        yield Told(of.now, partial(producers.classic_event, task, "COMPLETE", [], []))
        of.states[task.task_id] = "success"
    yield from of.dag_run()


def _dbt(of: _Day) -> Iterator[Told]:
    """A task that runs a dbt project of twenty models."""
    start = of.now + of.takes(1, 5)
    task = of.task("dbt_build", classic=True)
    yield Told(start, partial(producers.classic_event, task, "START", [], []))
    project = producers.Foreign(f"dbt-run-{of.dag_id}", of.id("dbt"), task.parent, of.run)
    at = start + of.takes(5, 10)
    yield Told(at, partial(producers.dbt_event, project, "START", [], []))
    for number in range(20):
        one = producers.Foreign(
            f"warehouse.{of.dag_id}.model_{number:02d}", of.id(f"dbt/{number}"), project.parent, of.run
        )
        made = [
            Data(f"warehouse.{of.dag_id}.model_{k:02d}", namespace="postgres://warehouse:5432")
            for k in range(number + 1)
        ]
        reads = [of.table(of.number + number + k) for k in range(5 - min(number, 2))] + made[-3:-1]
        if number < 3:
            reads[0] = of.version(f"scores/learning_{of.number // GROUP * GROUP + number:03d}")
        yield Told(at + of.takes(0.1, 1), partial(producers.dbt_event, one, "START", [], []))
        at += of.takes(2, 60)
        yield Told(at, partial(producers.dbt_event, one, "COMPLETE", reads, made[-1:]))
    yield Told(at + of.takes(1, 2), partial(producers.dbt_event, project, "COMPLETE", [], []))
    of.now = at + of.takes(3, 5)
    yield Told(of.now, partial(producers.classic_event, task, "COMPLETE", [], []))
    of.states["dbt_build"] = "success"
    yield from of.dag_run()
