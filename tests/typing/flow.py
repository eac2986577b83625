"""A Dag file as mypy and pyright see it. Lines that must be reported have ``# E: <code of mypy>``; no other may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from sematic_airflow_provider import Artifact, Batches, sematic_task


class Parts(TypedDict):
    low: int
    name: str


class Pair(NamedTuple):
    left: int
    right: str


@dataclass
class Split:
    train: list[float]
    size: int


@sematic_task
def number() -> int:
    return 1


@sematic_task(retries=3, cache=True, pool="large", seed=1)
def text(prefix: str = "a") -> str:
    return prefix


@sematic_task(multiple_outputs=True)
def parts() -> Parts:
    return {"low": 1, "name": "a"}


@sematic_task
def pair() -> Pair:
    return Pair(1, "a")


@sematic_task
def split(rows: list[float]) -> Split:
    return Split(rows, len(rows))


@sematic_task
def batches(days: int) -> Iterator[float]:
    yield float(days)


@sematic_task
async def waited(x: int) -> str:
    return str(x)


@sematic_task
def tell(message: str, times: int = 1) -> None: ...


@sematic_task
def mean(values: Batches[float]) -> float:
    return sum(values) / len(values)


@sematic_task
def total(values: list[int]) -> int:
    return sum(values)


@sematic_task
def lazy(values: Artifact[list[float]]) -> int:
    return len(values.load())


@sematic_task
def double(x: int, by: int = 2) -> int:
    return x * by


def wire(rows: list[float]) -> None:
    """Right."""
    double(number())
    double(x=number(), by=3)
    tell(text())
    tell(waited(number()))
    mean(batches(3))
    double(parts()["low"])
    double(pair().left)
    double(split(rows).size)
    split(split(rows).train)
    total(double.expand(x=[1, 2]))
    total(double.partial(by=3).expand(x=total.expand(values=[[1], [2]])))
    lazy(Artifact.of(split(rows).train))
    double.override(retries=5, task_id="again")(number())
    tell(text()) >> tell(text(), times=2)
    value: int = double(2)  # the plain function in a unit test
    tell(str(value))


def miswire(rows: list[float]) -> None:
    """Wrong."""
    double(text())  # E: arg-type
    tell(number())  # E: arg-type
    tell(text(), time=2)  # E: call-arg
    double()  # E: call-arg
    tell(waited(text()))  # E: arg-type
    total(batches(3))  # E: arg-type
    mean(split(rows).train)  # E: arg-type
    tell(parts()["low"])  # E: arg-type
    tell(parts()["high"])  # E: misc
    tell(pair().left)  # E: arg-type
    double(split(rows).sise)  # E: attr-defined
    total(text.expand(prefix=["a"]))  # E: arg-type
    double(double.expand(x=[1]))  # E: arg-type
    lazy(Artifact.of(text()))  # E: arg-type, of mypy only
    double.override(retries=5)(text())  # E: arg-type
    double.extend(x=[1])  # E: attr-defined
    sematic_task(compute="cloud")(rows.count)  # E: call-overload
    sematic_task(5)  # E: call-overload
