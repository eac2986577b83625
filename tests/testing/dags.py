"""Dags that use what Airflow has: each is run by ``dag.test`` and by the kit, and both must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from airflow.sdk import DAG, Asset, chain, setup, task, task_group, teardown
from airflow.sdk.exceptions import AirflowSkipException

from sematic_airflow_provider import sematic_task

TABLE = Asset("kit_table")


@sematic_task
def number(x: int = 1) -> int:
    return x


@sematic_task
def numbers(n: int) -> list[int]:
    return list(range(n))


@sematic_task
def double(x: int) -> int:
    return 2 * x


@sematic_task
def total(xs: list[int]) -> int:
    return sum(xs)


@sematic_task
def broken(x: int = 0) -> int:
    raise ValueError(f"cannot do {x}")


@sematic_task
def skipping(x: int = 0) -> int:
    raise AirflowSkipException("not today")


@sematic_task(multiple_outputs=True)
def halves(x: int) -> dict[str, int]:
    return {"low": x // 2, "high": x - x // 2}


def failures_and_rules() -> None:
    """One branch fails, the other goes on; each rule sees the same three tasks."""
    upstream = [number(), broken(), skipping()]
    for rule in ("all_success", "all_failed", "all_done", "one_success", "one_failed", "one_done", "none_failed"):
        after = number.override(task_id=rule, trigger_rule=rule)()
        upstream >> after  # type: ignore[operator]
    for rule in ("none_failed_min_one_success", "none_skipped", "all_skipped", "always", "all_done_min_one_success"):
        after = number.override(task_id=rule, trigger_rule=rule)()
        upstream >> after  # type: ignore[operator]
    double.override(task_id="goes_on")(upstream[0])
    double.override(task_id="after_failure")(upstream[1])


def branches() -> None:
    """The branch that is not taken is skipped, what joins both runs."""

    @task.branch
    def choose() -> str:
        return "left"

    left, right = number.override(task_id="left")(), number.override(task_id="right")()
    choose() >> [left, right]  # type: ignore[operator]
    join = number.override(task_id="join", trigger_rule="none_failed_min_one_success")()
    [left, right] >> join  # type: ignore[operator]


def short_circuit() -> None:
    @task.short_circuit
    def go_on() -> bool:
        return False

    chain(
        go_on(),
        number(),
        number.override(task_id="later")(),
        number.override(task_id="always", trigger_rule="always")(),
    )


def mapping() -> None:
    """expand over literals and outputs, a cross product, map, zip, expand_kwargs, and reductions."""
    few = numbers(3)
    total(double.expand(x=few))
    double.override(task_id="literal").expand(x=[5, 6])

    @sematic_task
    def add(x: int, y: int) -> int:
        return x + y

    add.expand(x=few, y=[10, 20])
    add.override(task_id="partial").partial(y=1).expand(x=few.map(lambda x: x + 1))  # type: ignore[attr-defined]

    @task
    def pair(both: Any) -> Any:
        return list(both)

    pair.expand(both=few.zip(numbers.override(task_id="more")(2), fillvalue=0))  # type: ignore[attr-defined]

    @task
    def options() -> list[dict[str, int]]:
        return [{"x": 1, "y": 2}, {"x": 3, "y": 4}]

    add.override(task_id="by_kwargs").expand_kwargs(options())


def mapping_over_nothing_and_failures() -> None:
    total.override(task_id="sum_of_none")(
        double.override(task_id="of_none").expand(x=numbers.override(task_id="none")(0))
    )

    @sematic_task
    def picky(x: int) -> int:
        if x == 1:
            raise ValueError("one")
        return x

    some = picky.expand(x=numbers(3))
    total(some)
    total.override(task_id="of_those_that_worked", trigger_rule="all_done")(some)

    @sematic_task
    def no_list() -> list[int]:
        raise ValueError("no list")

    double.override(task_id="over_broken").expand(x=no_list())


def mapped_group() -> None:
    """Inside a mapped group, what comes after one instance follows that one only."""

    @sematic_task
    def picky(x: int) -> int:
        if x == 1:
            raise ValueError("one")
        return x

    @task_group
    def passes(x: int) -> Any:
        first = picky(x)
        second = double(first)
        broken_or_not = number.override(task_id="even_so", trigger_rule="all_done")()
        second >> broken_or_not  # type: ignore[operator]
        return second

    total.override(trigger_rule="all_done")(passes.expand(x=numbers(3)))


def setups_and_teardowns() -> None:
    @setup
    def open_up() -> str:
        return "door"

    @teardown
    def close(door: str) -> None: ...

    opened = open_up()
    work = broken()
    later = number()
    chain(opened, work, later, close(opened))

    @setup
    def cannot_open() -> str:
        raise ValueError("locked")

    @teardown
    def close_again(door: str) -> None: ...

    other = cannot_open.override(task_id="cannot_open")()
    chain(other, number.override(task_id="inside")(), double.override(task_id="deeper")(3), close_again(other))


def outputs_and_xcoms() -> None:
    both = halves(5)
    double(both["low"])
    double.override(task_id="of_high")(both["high"])

    @task
    def pushing(ti: Any = None) -> None:
        ti.xcom_push("extra", {"a": 1})

    @task
    def pulling(ti: Any = None) -> Any:
        return ti.xcom_pull(task_ids="pushing", key="extra")

    pushing() >> pulling()

    @task
    async def later() -> int:
        return 7

    @sematic_task
    def batches(n: int) -> Iterator[int]:
        yield from range(n)

    later()
    batches(3)


def assets() -> None:
    @sematic_task(outlets=[TABLE])
    def make() -> list[int]:
        return [1, 2, 3]

    @sematic_task
    def use(table: list[int]) -> int:
        return len(table)

    make() >> use(TABLE)  # type: ignore[operator, arg-type]


def retries() -> None:
    @sematic_task(retries=2)
    def unstable(ti: Any = None) -> int:
        if ti.try_number < 3:
            raise RuntimeError("try again")
        return int(ti.try_number)

    double(unstable())
    broken.override(retries=1, retry_delay=0)()


def teardown_failure() -> None:
    @setup
    def open_up() -> str:
        return "door"

    @teardown
    def close(door: str) -> None:
        raise ValueError("stuck")

    opened = open_up()
    chain(opened, number(), close(opened))


PARITY: dict[str, Callable[[], None]] = {
    made.__name__: made
    for made in (
        failures_and_rules,
        branches,
        short_circuit,
        mapping,
        mapping_over_nothing_and_failures,
        mapped_group,
        setups_and_teardowns,
        outputs_and_xcoms,
        assets,
        retries,
        teardown_failure,
    )
}


def built(name: str) -> DAG:
    """One of them."""
    with DAG(f"kit_{name}", default_args={"retry_delay": 0.0}) as dag:
        PARITY[name]()
    return dag
