"""``run_dag``: what can be asked of a run, and what is told of it. That it runs Dags as Airflow does is in test_parity.py."""

from __future__ import annotations

import datetime as dt
import enum
import os
import signal
import threading
from collections import Counter, defaultdict
from typing import Any

import pandas as pd
import pytest
from airflow.sdk import DAG, Asset, BaseOperator, Param, Variable, dag, get_current_context, task, task_group

from sematic_airflow_provider import GateFailedError, log_metric, sematic_task
from sematic_airflow_provider.errors import ConfigurationError, DagRunFailedError, StepError
from sematic_airflow_provider.testing import MemoryStore, run_dag

MODEL = Asset("run_dag_model")


@sematic_task
def load(rows: int = 3) -> pd.DataFrame:
    return pd.DataFrame({"x": range(rows)})


@sematic_task
def count(table: pd.DataFrame) -> int:
    log_metric("rows", len(table))
    return len(table)


@sematic_task
def wrong(x: int) -> int:
    return str(x)  # type: ignore[return-value]


@sematic_task(retries=2)
def judge(x: int) -> int:
    raise GateFailedError("the gate is closed")


def flow() -> DAG:
    with DAG("flow") as made:
        count(load())
    return made


def test_values_refs_inputs_and_metrics_of_each_step_are_at_hand() -> None:
    result = run_dag(flow())
    assert result.state == "success"
    assert result["count"].value == 3
    assert result["load"].value["x"].tolist() == [0, 1, 2]
    assert result["count"].ref.codec == "json/1"
    assert result["count"].inputs["table"].digest == result["load"].ref.digest
    assert result["count"].input("table").equals(result["load"].value)
    assert result["count"].metrics == {"rows": 3}
    assert result["count"].tries == 1
    assert 0 < result["count"].duration < 60
    assert "metric rows = 3" in result["count"].log
    assert list(result) == ["load", "count"]


def test_nothing_is_left_of_a_run() -> None:
    from airflow.sdk.execution_time import task_runner, xcom

    before = dict(os.environ), signal.getsignal(signal.SIGTERM), xcom.XCom, task_runner.get_listener_manager
    had_comms = hasattr(task_runner, "SUPERVISOR_COMMS")
    run_dag(flow())
    after = dict(os.environ), signal.getsignal(signal.SIGTERM), xcom.XCom, task_runner.get_listener_manager
    assert after == before
    assert hasattr(task_runner, "SUPERVISOR_COMMS") == had_comms


def test_two_runs_share_nothing_unless_they_are_given_one_store() -> None:
    first, second = run_dag(flow()), run_dag(flow())
    assert first.store is not second.store
    store = MemoryStore()
    run_dag(flow(), store=store)
    before = dict(store.blobs())
    run_dag(flow(), store=store)
    assert dict(store.blobs()).keys() == before.keys(), "equal values are stored once"


def test_a_wrong_type_fails_the_step_as_it_would_in_production() -> None:
    with DAG("flow") as made:
        wrong(1) >> count.override(task_id="after")(load())  # type: ignore[operator]
    with pytest.raises(DagRunFailedError) as caught:
        run_dag(made)
    result = caught.value.result
    assert "flow failed: wrong raised StepError: step wrong: return value should be int" in str(caught.value)
    assert "Not run because of that: after" in str(caught.value)
    assert isinstance(caught.value.__cause__, StepError)
    assert result.states == {"wrong": "failed", "load": "success", "after": "upstream_failed"}  # type: ignore[attr-defined]


def test_a_closed_gate_is_not_tried_again_and_its_own_error_is_told() -> None:
    with DAG("flow") as made:
        judge(1)
    result = run_dag(made, raise_on_failure=False)
    assert [step.name for step in result.failed] == ["judge"]
    assert result["judge"].tries == 1
    assert isinstance(result["judge"].error, GateFailedError)


def test_other_branches_go_on_when_one_fails_and_retries_do_not_wait() -> None:
    tries = []

    @sematic_task(retries=3, retry_delay=dt.timedelta(hours=1))
    def unstable() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("once more")
        return len(tries)

    with DAG("flow") as made:
        wrong(1)
        unstable()
    result = run_dag(made, raise_on_failure=False)
    assert result.states == {"wrong": "failed", "unstable": "success"}
    assert result["unstable"].value == 3
    assert result["unstable"].tries == 3
    assert result["unstable"].log.count("once more") >= 2


def test_a_retry_sees_none_of_what_an_earlier_try_pushed() -> None:
    @task(retries=1)
    def pushing(ti: Any = None) -> Any:
        before = ti.xcom_pull(task_ids="pushing", key="left")
        ti.xcom_push("left", ti.try_number)
        if ti.try_number == 1:
            raise RuntimeError("again")
        return before

    with DAG("flow") as made:
        pushing()
    result = run_dag(made)
    assert result["pushing"].value is None
    assert result["pushing"].pushed("left") == 2


def test_params_are_checked_and_reach_templates() -> None:
    from airflow.sdk.exceptions import ParamValidationError

    @dag(schedule=None, params={"rows": Param(3, type="integer", minimum=1)}, render_template_as_native_obj=True)
    def native() -> None:
        count(load("{{ params.rows }}"))  # type: ignore[arg-type]

    assert run_dag(native)["count"].value == 3
    assert run_dag(native, params={"rows": 5})["count"].value == 5
    with pytest.raises(ParamValidationError):
        run_dag(native, params={"rows": 0})
    with pytest.raises(StepError, match="no param cols; it has rows"):
        run_dag(native, params={"cols": 1})


def test_date_conf_and_context_are_those_of_a_run() -> None:
    @task
    def look(ds: Any = None, dag_run: Any = None, data_interval_end: Any = None, run_id: Any = None) -> Any:
        return [ds, dag_run.conf, str(data_interval_end.date()), run_id]

    with DAG("flow", schedule="@monthly") as made:
        look()
    result = run_dag(made, conf={"a": 1}, logical_date=dt.datetime(2024, 3, 1, tzinfo=dt.timezone.utc))
    assert result["look"].value == ["2024-03-01", {"a": 1}, "2024-03-01", "manual__2024-03-01T00:00:00+00:00"]
    assert run_dag(made)["look"].value[0] == "2025-01-01", "the same every day"
    assert run_dag(made, run_id="mine")["look"].value[3] == "mine"


def test_variables_and_connections_are_those_that_the_test_gives() -> None:
    @task
    def look(conn: Any = None) -> Any:
        from airflow.sdk import BaseHook

        found = BaseHook.get_connection("warehouse")
        return [Variable.get("region"), found.host, found.login, conn.get("warehouse").port]

    with DAG("flow") as made:
        look()
    given = {"variables": {"region": "north"}, "connections": {"warehouse": "postgres://me@db.local:5432/x"}}
    assert run_dag(made, **given)["look"].value == ["north", "db.local", "me", 5432]  # type: ignore[arg-type]
    result = run_dag(made, raise_on_failure=False)
    assert "warehouse" in str(result["look"].error) or "region" in str(result["look"].error)


def test_a_variable_that_a_task_sets_is_read_by_a_later_one_and_gone_after_the_run() -> None:
    @task
    def write() -> None:
        Variable.set("kit_made", "1")

    @task
    def read() -> Any:
        return Variable.get("kit_made")

    with DAG("flow") as made:
        write() >> read()
    assert run_dag(made)["read"].value == "1"
    assert "AIRFLOW_VAR_KIT_MADE" not in os.environ


def test_an_asset_carries_an_artifact_from_one_run_to_the_next() -> None:
    @sematic_task(outlets=[MODEL])
    def train() -> dict[str, float]:
        return {"weight": 0.5}

    @sematic_task
    def use(model: dict[str, float]) -> float:
        return model["weight"]

    with DAG("training") as training:
        train.override(multiple_outputs=False)()
    with DAG("inference", schedule=[MODEL]) as inference:
        use(MODEL)  # type: ignore[arg-type]
    made = run_dag(training)
    assert made.assets.keys() == {MODEL.name}
    assert run_dag(inference, assets=made.assets, store=made.store)["use"].value == 0.5
    assert run_dag(inference, assets={MODEL: {"weight": 0.25}})["use"].value == 0.25
    without = run_dag(inference, raise_on_failure=False)
    assert "the asset run_dag_model has no event yet" in str(without["use"].error)


def test_upto_runs_a_task_and_what_it_depends_on() -> None:
    with DAG("flow") as made:
        table = load()
        number = count(table)
        judge(number)
        count.override(task_id="aside")(table)
    result = run_dag(made, upto="count")
    assert result.states == {"load": "success", "count": "success"}
    assert result.state == "success"


def test_only_runs_a_task_and_takes_its_inputs_from_fakes() -> None:
    made = flow()
    result = run_dag(made, only="count", fakes={"load": pd.DataFrame({"x": [1]})})
    assert result.states == {"load": "success", "count": "success"}
    assert result["count"].value == 1
    with pytest.raises(StepError, match=r"count takes the output of load, which this run leaves out: .*fakes=\{'load'"):
        run_dag(made, only="count")


def test_a_fake_spares_what_only_it_depended_on() -> None:
    with DAG("flow") as made:
        count(load(judge(1)))  # type: ignore[arg-type]
    assert run_dag(made, upto="count", fakes={"load": pd.DataFrame({"x": [1]})}).states == {
        "load": "success",
        "count": "success",
    }


def test_tasks_are_named_with_or_without_their_groups() -> None:
    with DAG("flow") as made:

        @task_group
        def left() -> Any:
            count(load())

        @task_group
        def right() -> Any:
            load()

        left()
        right()
    result = run_dag(made, fakes={"left.load": pd.DataFrame({"x": [1, 2]})})
    assert result["count"].value == result["left.count"].value == 2
    with pytest.raises(KeyError, match=r"'load' is ambiguous: left\.load, right\.load"):
        result["load"]
    with pytest.raises(StepError, match=r"'load' may be any of left\.load, right\.load"):
        run_dag(made, fakes={"load": 1})
    with pytest.raises(StepError, match=r"has no task 'left\.cuont'; it has left\.count"):
        run_dag(made, upto="left.cuont")


def test_mapped_tasks_are_lists_of_results() -> None:
    @sematic_task
    def rows() -> list[int]:
        return [1, 2, 3]

    with DAG("flow") as made:
        count.expand(table=load.expand(rows=rows()))
    result = run_dag(made)
    assert result["load"].states == ["success"] * 3
    assert result["count"].values == [1, 2, 3]
    assert result["count"][1].name == "count[1]"
    assert result["count"][2].inputs["table"].digest == result["load"][2].ref.digest
    assert len(result["count"][0].reads) == 1, "one instance reads its own element only"


def test_operators_of_the_users_own_run_and_callbacks_are_called() -> None:
    called: list[str] = []

    class Own(BaseOperator):
        template_fields = ("text",)

        def __init__(self, text: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.text = text

        def execute(self, context: Any) -> Any:
            return f"{self.text} of {get_current_context()['dag'].dag_id}"

    with DAG("flow") as made:
        Own(
            task_id="own",
            text="{{ ds }}",
            on_success_callback=lambda context: called.append("success"),
            on_execute_callback=lambda context: called.append("execute"),
        )
    assert run_dag(made)["own"].value == "2025-01-01 of flow"
    assert called == ["execute", "success"]


def test_a_task_that_reaches_outside_is_named_before_anything_runs() -> None:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.sensors.filesystem import FileSensor

    with DAG("flow") as made:
        BashOperator(task_id="copy", bash_command="echo hello") >> FileSensor(task_id="wait", filepath="/no/such")
        count(load())
    with pytest.raises(
        StepError, match=r"copy \(BashOperator\); wait \(FileSensor\).*fakes=\{'copy': …\}.*allow=\['copy'\]"
    ):
        run_dag(made)
    result = run_dag(made, allow=["copy"], fakes={"wait": None})
    assert result["copy"].value == "hello"
    assert result["wait"].state == "success"


def test_shells_and_sensors_are_outside_when_they_are_decorated_too() -> None:
    @task.bash
    def shell() -> str:
        return "echo hello"

    @task.sensor
    def ready() -> bool:
        return True

    with DAG("flow") as made:
        shell()
        ready()
    with pytest.raises(StepError, match=r"shell \(_BashDecoratedOperator\); ready \(DecoratedSensorOperator\)"):
        run_dag(made)
    assert run_dag(made, allow=["shell", "ready"])["shell"].value == "hello"


def test_a_task_that_waits_for_the_triggerer_is_named() -> None:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

    class Waiting(BaseOperator):
        def execute(self, context: Any) -> None:
            self.defer(trigger=TimeDeltaTrigger(dt.timedelta(hours=1)), method_name="done")

    with DAG("flow") as made:
        Waiting(task_id="waiting")
    with pytest.raises(StepError, match=r"task waiting went to deferred.*give it a fake"):
        run_dag(made)


def test_a_task_that_takes_too_long_is_stopped() -> None:
    import time

    @sematic_task(execution_timeout=dt.timedelta(seconds=2))
    def slow() -> None:
        time.sleep(60)

    with DAG("flow") as made:
        slow()
    result = run_dag(made, raise_on_failure=False)
    assert "Timeout" in type(result["slow"].error).__name__
    assert result["slow"].duration < 30


@pytest.mark.parametrize("ending", [KeyboardInterrupt, pytest.skip.Exception, pytest.fail.Exception])
def test_who_ends_the_test_inside_a_step_ends_the_run(ending: type[BaseException]) -> None:
    def stop() -> None:
        raise ending("enough")

    before = dict(os.environ)
    with pytest.raises(ending, match="enough"):
        run_dag(flow(), fakes={"load": stop})
    assert dict(os.environ) == before


def test_a_task_that_asks_airflow_for_what_a_test_has_not_is_named() -> None:
    @task
    def asking(ti: Any = None) -> Any:
        return list(ti.get_task_breadcrumbs(dag_id="flow", run_id="x"))

    with DAG("flow") as made:
        asking()
    result = run_dag(made, raise_on_failure=False)
    assert "task asking asks Airflow for GetTaskBreadcrumbs" in str(result["asking"].error)


def test_fail_fast_skips_what_has_not_run() -> None:
    with DAG("flow", fail_fast=True) as made:
        wrong(1)
        load()
    assert run_dag(made, raise_on_failure=False).states == {"wrong": "failed", "load": "skipped"}


def test_steps_that_would_go_to_a_pod_run_here() -> None:
    @sematic_task(compute="kubernetes")
    def big(x: int) -> int:
        return x + 1

    with DAG("flow") as made:
        big(1)
        big.override(task_id="mapped").expand(x=[1, 2])
    result = run_dag(made)
    assert result["big"].value == 2
    assert result["mapped"].values == [2, 3]


def test_a_thousand_steps_in_a_row_run() -> None:
    @sematic_task
    def add(x: int) -> int:
        return x + 1

    with DAG("flow") as made:
        x = add(0)
        for _ in range(999):
            x = add(x)
    result = run_dag(made)
    assert len(result) == 1000
    assert result["add__999"].value == 1000


def test_another_thread_is_told_that_airflow_runs_in_the_main_one() -> None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            run_dag(flow())
        except ConfigurationError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_what_is_no_dag_is_refused() -> None:
    with pytest.raises(StepError, match="not int"):
        run_dag(5)


class Side(str, enum.Enum):
    LEFT = "left"


def test_members_of_text_enums_and_none_for_a_default_of_none_arrive_as_they_are() -> None:
    @sematic_task
    def take(side: Side, rows: list[int] = None, *more: Side) -> list[str]:  # type: ignore[assignment]  # noqa: RUF013
        return [type(side).__name__, str(rows), type(more[0]).__name__]

    with DAG("flow") as made:
        take(Side.LEFT, None, Side.LEFT)
    assert run_dag(made)["take"].value == ["Side", "None", "Side"]


def test_literals_that_are_no_templates_arrive_as_they_were_written() -> None:
    @sematic_task
    def take(x: Any) -> list[str]:
        return [type(x).__name__, str(x)]

    given = ["a\n", "a\r\nb", "3.10", "{{ ds }}\n", Counter("aab"), defaultdict(list, day=["{{ ds }}"])]
    with DAG("flow", render_template_as_native_obj=True) as made:
        for x in given:
            take(x)
        take.override(task_id="mapped").expand(x=["3.10"])
    assert [one.value for one in run_dag(made).instances] == [
        ["str", "a\n"],
        ["str", "a\r\nb"],
        ["str", "3.10"],
        ["str", "2025-01-01"],
        ["Counter", "Counter({'a': 2, 'b': 1})"],
        ["defaultdict", "defaultdict(<class 'list'>, {'day': ['2025-01-01']})"],
        ["str", "3.10"],
    ]


def test_an_iterator_as_an_argument_is_left_to_the_function() -> None:
    @sematic_task
    def total(rows: Any) -> int:
        return sum(rows)

    with DAG("flow") as made:
        total(iter([1, 2, 3]))
        total(n for n in (4, 5))
    assert [one.value for one in run_dag(made).instances] == [6, 9]


def test_templates_of_map_indexes_and_callbacks_find_arguments_by_name() -> None:
    told: list[Any] = []

    @sematic_task(
        map_index_template="{{ task.op_kwargs['x'] }} {{ x }}",
        on_success_callback=lambda context: told.append(
            (context["ti"].rendered_map_index, context["ti"].task.op_kwargs["x"])
        ),
    )
    def take(x: str, *more: int, scale: int = 1, **named: int) -> list[Any]:
        return [x, list(more), scale, named["y"]]

    with DAG("flow") as made:
        take.partial(y=2).expand(x=["a", "b"])
        take.override(task_id="alone", map_index_template=None, on_success_callback=None)("c", 1, 2, y=3, scale=4)
    result = run_dag(made)
    assert result["take"].values == [["a", [], 1, 2], ["b", [], 1, 2]]
    assert result["alone"].value == ["c", [1, 2], 4, 3]
    assert told == [("a a", "a"), ("b b", "b")]


def test_an_argument_that_a_mapped_group_is_not_given_is_named() -> None:
    @sematic_task
    def take(x: int, scale: int) -> int:
        return x * scale

    @task_group
    def group(x: int, scale: int = 1) -> Any:
        return take(x, scale)

    with DAG("flow") as made:
        group.expand_kwargs([{"x": 1, "scale": 2}, {"x": 2}])
    result = run_dag(made, raise_on_failure=False)
    assert [one.state for one in result["group.take"]] == ["success", "failed"]
    assert "the dict at 1 that the mapped task group is expanded over has no 'scale'" in str(result.failed[0].error)
