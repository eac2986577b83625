"""How long a run takes. Processor time counts, not the clock: other processes must not fail this."""

from __future__ import annotations

import time

from airflow.sdk import DAG

from sematic_airflow_provider import sematic_task
from sematic_airflow_provider.testing import run_dag


@sematic_task
def add(x: int, y: int = 1) -> int:
    return x + y


def test_three_hundred_steps_take_less_than_three_seconds() -> None:
    with DAG("long") as dag:
        total = add(0)
        for _ in range(299):
            total = add(total)
    run_dag(dag, upto="add")  # loads what is loaded once in a process
    before = time.process_time()
    result = run_dag(dag)
    taken = time.process_time() - before
    assert result["add__299"].value == 300
    assert taken < 3, f"{taken:.1f} s, {1000 * taken / 300:.1f} ms a step"
