"""The step cache through ``dag.test()``: real runs on a store of their own. What was executed writes its name into a file."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from airflow.sdk import DAG, Asset, Metadata, Param

from sematic_airflow_provider import CachePolicy, log_metric, sematic_task
from sematic_airflow_provider.artifacts.chunks import load_list
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import blob_path
from sematic_airflow_provider.steps import flight, keeping, records
from sematic_airflow_provider.worker import cache
from sematic_airflow_provider.worker.triggers import StepComputedTrigger
from tests.worker.dag_runs import Ran, run

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("migrated_home")]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    made = LocalStore(tmp_path / "store", create=True)
    monkeypatch.setenv("AIRFLOW__SEMATIC__STORE", made.url)
    monkeypatch.setenv("EXECUTED", str(tmp_path / "executed"))
    return made


def note(name: str) -> None:
    with open(os.environ["EXECUTED"], "a") as file:
        file.write(f"{name}\n")


def executed() -> list[str]:
    """What was executed since this was asked last."""
    path = Path(os.environ["EXECUTED"])
    found = path.read_text().split() if path.exists() else []
    path.write_text("")
    return found


def told(ran: Ran, instance: str) -> dict[str, Any]:
    """The facet, which follows its schema."""
    facet: dict[str, Any] = dict(ran.records[instance].facets["sematic_cache"])
    schema = files("sematic_airflow_provider").joinpath("lineage/schemas/sematic_cache.json").read_text()
    jsonschema.validate(facet, json.loads(schema))
    return facet


def statuses(ran: Ran) -> dict[str, str]:
    return {name: told(ran, name)["status"] for name in ran.states}


def changed(ran: Ran, instance: str) -> list[str]:
    return [change["part"] for change in told(ran, instance)["changed"]]


@sematic_task(cache=True)
def numbers(count: int) -> np.ndarray:
    note("numbers")
    return np.arange(count)


@sematic_task(cache=True)
def total(values: np.ndarray) -> int:
    note("total")
    return int(values.sum())


def pipeline(count: int = 5, dag_id: str = "cached") -> DAG:
    with DAG(dag_id) as dag:
        total(numbers(count))
    return dag


def test_a_second_run_executes_nothing_and_pushes_the_same(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(pipeline())
    assert statuses(first) == {"numbers": "miss", "total": "miss"}
    assert executed() == ["numbers", "total"]
    assert told(first, "total")["reason"] == "this task has not run with the cache before"
    read: list[Digest] = []
    get = LocalStore.get
    monkeypatch.setattr(LocalStore, "get", lambda self, digest: (read.append(digest), get(self, digest))[1])
    second = run(pipeline())
    assert statuses(second) == {"numbers": "hit", "total": "hit"}
    assert executed() == []
    assert second.rows == first.rows
    assert read == []
    hit = told(second, "total")
    assert hit["key"] == told(first, "total")["key"]
    assert (hit["computedBy"]["dagId"], hit["computedBy"]["taskId"], hit["computedBy"]["mapIndex"]) == (
        "cached",
        "total",
        -1,
    )
    assert second.read("total") == first.read("total") == {("values", "numbers.return_value")}


def test_a_step_that_another_computes_for_too_long_is_computed_here_after_one_deferral(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache, "_PATIENCE", 0.1)
    monkeypatch.setattr(StepComputedTrigger.__init__, "__defaults__", (0.3,))
    with DAG("patient") as dag:
        numbers.override(deferrable=True)(7)
    key = told(run(dag), "numbers")["key"]
    records.delete_entry(store, key)
    lease = flight.try_lead(store, key, "another run")
    assert lease is not None
    try:
        assert statuses(run(dag)) == {"numbers": "miss"}
    finally:
        lease.end()
    assert executed() == ["numbers", "numbers"]
    assert caplog.text.count("deferred until it is there") == 1


def test_another_dag_hits_and_its_outputs_bear_its_own_names() -> None:
    run(pipeline())
    other = run(pipeline(dag_id="another"))
    assert statuses(other) == {"numbers": "hit", "total": "hit"}
    assert other.rows["numbers", "return_value"]["name"] == "another.numbers.return_value"
    assert other.read("total") == {("values", "numbers.return_value")}
    assert [data.name for data in other.records["total"].data if data.direction == "read"] == [
        "another.numbers.return_value"
    ]
    assert told(other, "total")["computedBy"]["dagId"] == "cached"


def test_a_miss_says_which_input_changed_and_what_ran_last(caplog: pytest.LogCaptureFixture) -> None:
    run(pipeline(5))
    ran = run(pipeline(6))
    assert statuses(ran) == {"numbers": "miss", "total": "miss"}
    assert (changed(ran, "numbers"), changed(ran, "total")) == (["input count"], ["input values"])
    assert told(ran, "total")["reason"].startswith("input `values` changed; last run: cached/manual__")
    assert "cache miss: input `values` changed; last run: cached/manual__" in caplog.text
    assert statuses(run(pipeline(5))) == {"numbers": "hit", "total": "hit"}


HELPER = """
def weight(value):
    return {result}  # {comment}
"""
FLOW = """
from airflow.sdk import DAG
from sematic_airflow_provider import sematic_task
from cached_helper import weight

@sematic_task(cache=True)
def weigh(value: int) -> int:
    return weight(value)

@sematic_task(cache=True)
def double(value: int) -> int:
    return 2 * value

@sematic_task(cache=True)
def alone(value: int) -> int:
    return value

with DAG("edited") as dag:
    double(weigh(4))
    alone(7)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("cached_helper", "cached_flow"):
        sys.modules.pop(name, None)


def loaded(project: Path, result: str, comment: str = "as it is", *, helper: str = "", flow: str = "") -> DAG:
    """The Dag, as another process would load it after an edit."""
    (project / "cached_helper.py").write_text(helper or HELPER.format(result=result, comment=comment))
    (project / "cached_flow.py").write_text(flow or FLOW)
    for name in ("cached_helper", "cached_flow"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    sys.dont_write_bytecode = True
    try:
        return importlib.import_module("cached_flow").dag  # type: ignore[no-any-return]
    finally:
        sys.dont_write_bytecode = False


def test_an_edited_helper_module_is_a_miss_for_what_reaches_it_and_an_equal_output_lets_what_follows_hit(
    project: Path,
) -> None:
    run(loaded(project, "value + 3"))
    assert set(statuses(run(loaded(project, "value + 3", "another comment"))).values()) == {"hit"}
    ran = run(loaded(project, "3 + value"))
    assert statuses(ran) == {"weigh": "miss", "double": "hit", "alone": "hit"}
    assert changed(ran, "weigh") == ["code cached_helper:weight"]
    other = run(loaded(project, "value + 4"))
    assert statuses(other) == {"weigh": "miss", "double": "miss", "alone": "hit"}
    assert other.output("double") == 16


ROWS = """
from dataclasses import dataclass

@dataclass
class Row:
    price: int

    def total(self):
        return self.price {change}
"""

FLOW_OF_ROWS = """
from airflow.sdk import DAG
from sematic_airflow_provider import sematic_task
from cached_helper import Row

@sematic_task(cache=True)
def rows(count: int) -> list:
    return [Row(number) for number in range(count)]

@sematic_task(cache=True)
def whole(rows):
    return sum(row.total() for row in rows)

@sematic_task(cache=True)
def parts(rows):
    return sum(row.total() for group in rows for row in group)

@sematic_task(cache=True)
def literal(rows):
    return rows["all"][0].total()

with DAG("edited") as dag:
    made = rows(3)
    whole(made)
    parts([made, made])
    literal({"all": (Row(5),)})
"""


def test_a_method_of_objects_inside_of_an_argument_is_code_of_the_step(project: Path) -> None:
    run(loaded(project, "", helper=ROWS.format(change=""), flow=FLOW_OF_ROWS))
    assert set(statuses(run(loaded(project, "", helper=ROWS.format(change=""), flow=FLOW_OF_ROWS))).values()) == {"hit"}
    ran = run(loaded(project, "", helper=ROWS.format(change="+ 1"), flow=FLOW_OF_ROWS))
    assert statuses(ran) == dict.fromkeys(("rows", "whole", "parts", "literal"), "miss")
    assert (ran.output("whole"), ran.output("parts"), ran.output("literal")) == (6, 12, 6)


@sematic_task(cache=True)
def names_of(columns: dict[str, int]) -> list[str]:
    return list(columns)


def test_the_order_of_a_literal_dict_counts() -> None:
    def wired(columns: dict[str, int]) -> DAG:
        with DAG("ordered") as dag:
            names_of(columns)
        return dag

    assert run(wired({"a": 1, "b": 2})).output("names_of") == ["a", "b"]
    ran = run(wired({"b": 2, "a": 1}))
    assert (told(ran, "names_of")["status"], ran.output("names_of")) == ("miss", ["b", "a"])
    assert statuses(run(wired({"b": 2, "a": 1}))) == {"names_of": "hit"}


def latest_run(dag_id: str) -> Any:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(DagRun).filter_by(dag_id=dag_id).order_by(DagRun.id.desc()).first()
        return found.run_id


def clear_and_run_again(dag: DAG, task_id: str) -> None:
    """What a person does in the UI, and then the scheduler."""
    from airflow.models.taskinstance import TaskInstance, clear_task_instances
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session

    with create_session() as session:
        ti = (
            session.query(TaskInstance)
            .filter_by(dag_id=dag.dag_id, run_id=latest_run(dag.dag_id), task_id=task_id)
            .one()
        )
        clear_task_instances([ti], session)
    with create_session() as session:
        ti = (
            session.query(TaskInstance)
            .filter_by(dag_id=dag.dag_id, run_id=latest_run(dag.dag_id), task_id=task_id)
            .one()
        )
        ti.try_number += 1
        session.commit()
        _run_task(ti=ti, task=dag.get_task(task_id))


def test_a_task_instance_that_a_person_cleared_executes_and_refreshes_the_entry(store: LocalStore) -> None:
    dag = pipeline()
    run(dag)
    run(dag)
    assert executed() == ["numbers", "total"]
    before = {entry.by.task_id: entry for entry in keeping.entries(store)}
    clear_and_run_again(dag, "total")
    assert executed() == ["total"]
    after = {entry.by.task_id: entry for entry in keeping.entries(store)}
    assert after["numbers"] == before["numbers"]
    assert after["total"].by.run_id == latest_run("cached") != before["total"].by.run_id
    assert after["total"].outputs == before["total"].outputs
    assert statuses(run(dag)) == {"numbers": "hit", "total": "hit"}


def test_the_configuration_of_a_run_switches_the_cache_off(store: LocalStore) -> None:
    run(pipeline())
    executed()
    before = list(keeping.entries(store))
    ran = run(pipeline(), conf={"sematic": {"cache": False}})
    assert statuses(ran) == {"numbers": "off", "total": "off"}
    assert "configuration of this run" in told(ran, "total")["reason"]
    assert executed() == ["numbers", "total"]
    assert list(keeping.entries(store)) == before
    assert statuses(run(pipeline(), conf={"sematic": {"cache": True}})) == {"numbers": "hit", "total": "hit"}


@sematic_task
def undecided(x: int) -> int:
    note("undecided")
    return x


@sematic_task
def says_nothing(x: int) -> None:
    note("says_nothing")


@sematic_task
def asks_airflow(x: int, ti: Any = None) -> int:
    note("asks_airflow")
    return x


@sematic_task(cache=False)
def decided(x: int) -> int:
    note("decided")
    return x


def test_the_option_is_for_tasks_that_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with DAG("by_default") as dag:
        for step in (undecided, says_nothing, asks_airflow, decided):
            step(1)
    ran = run(dag)
    assert not [name for name in ran.states if "sematic_cache" in ran.records[name].facets]
    monkeypatch.setenv("AIRFLOW__SEMATIC__CACHE", "True")
    run(dag)
    executed()
    ran = run(dag)
    assert sorted(executed()) == ["asks_airflow", "decided", "says_nothing"]
    assert told(ran, "undecided")["status"] == "hit"
    assert told(ran, "asks_airflow")["status"] == "off"
    assert "takes ti from Airflow's context" in told(ran, "asks_airflow")["reason"]
    assert told(ran, "says_nothing")["status"] == "off"
    assert "sematic_cache" not in ran.records["decided"].facets


def test_a_step_that_returns_none_is_cached_where_it_says_so() -> None:
    with DAG("nothing") as dag:
        says_nothing.override(cache=True)(1)
    assert statuses(run(dag)) == {"says_nothing": "miss"}
    ran = run(dag)
    assert statuses(ran) == {"says_nothing": "hit"}
    assert executed() == ["says_nothing"]
    assert ran.rows == {}


@sematic_task(cache=CachePolicy(ignore=["level"]), multiple_outputs=True)
def several(x: int, level: str) -> dict[str, Any]:
    note("several")
    log_metric("loss", 0.25)
    return {"low": x, "high": np.arange(x)}


def test_several_outputs_metrics_and_ignored_arguments(store: LocalStore) -> None:
    def made(level: str) -> DAG:
        with DAG("several") as dag:
            total(several(4, level)["high"])
        return dag

    first, second = run(made("info")), run(made("debug"))
    assert statuses(second) == {"several": "hit", "total": "hit"}
    assert executed() == ["several", "total"]
    assert second.rows == first.rows
    assert second.records["several"].facets["sematic_metrics"]["metrics"] == {"loss": 0.25}


@sematic_task(cache=True)
def lists(count: int) -> list[Any]:
    note("lists")
    return [np.arange(number + 1) for number in range(count)]


@sematic_task(cache=True)
def plain_list(count: int) -> list[int]:
    return list(range(count))


@sematic_task(cache=True)
def shout(number: int) -> str:
    return str(number) + "!"


def test_mapped_steps_hit_one_by_one_and_what_they_are_expanded_over_is_not_loaded(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(count: int) -> DAG:
        with DAG("mapped") as dag:
            total.expand(values=lists(count))
            shout.expand(number=plain_list(2))
        return dag

    run(made(2))
    assert sorted(executed()) == ["lists", "total", "total"]
    read: list[Digest] = []
    get = LocalStore.get
    monkeypatch.setattr(LocalStore, "get", lambda self, digest: (read.append(digest), get(self, digest))[1])
    ran = run(made(2))
    assert set(statuses(ran).values()) == {"hit"}
    assert (ran.output("total[0]"), ran.output("total[1]"), ran.output("shout[1]")) == (0, 1, "1!")
    members = {ref.digest for array in (np.arange(1), np.arange(2)) if (ref := saved(array))}
    assert not members & set(read)
    ran = run(made(3))
    assert [told(ran, f"total[{index}]")["status"] for index in range(3)] == ["hit", "hit", "miss"]


def saved(value: Any) -> ArtifactRef:
    from sematic_airflow_provider.worker.stores import repository

    return repository().save(value)


@sematic_task(cache=True)
def fails_once(x: int) -> int:
    note("fails_once")
    if not Path(os.environ["EXECUTED"] + ".failed").exists():
        Path(os.environ["EXECUTED"] + ".failed").write_text("")
        raise RuntimeError("the first time")
    return x


def test_a_failure_is_not_cached_and_the_next_run_says_so(store: LocalStore) -> None:
    with DAG("failing") as dag:
        fails_once(1)
    assert run(dag).states == {"fails_once": "failed"}
    assert list(keeping.entries(store)) == []
    assert store.list_documents("steps/leases") == []
    ran = run(dag)
    assert ran.states == {"fails_once": "success"}
    assert told(ran, "fails_once")["reason"].startswith("nothing has changed since failing/manual__")
    assert statuses(run(dag)) == {"fails_once": "hit"}


@sematic_task(cache=True)
def batches(count: int) -> Iterator[int]:
    note("batches")
    yield from range(count)


@sematic_task(cache=True)
async def waits(x: int) -> int:
    note("waits")
    await asyncio.sleep(0)
    return x + 1


def test_generators_and_async_functions_hit() -> None:
    with DAG("kinds") as dag:
        batches(3)
        waits(1)
    run(dag)
    ran = run(dag)
    assert statuses(ran) == {"batches": "hit", "waits": "hit"}
    assert sorted(executed()) == ["batches", "waits"]
    assert list(ran.output("batches")) == [0, 1, 2]
    assert ran.output("waits") == 2


TABLE = Asset("cache_test_table", uri="x-test://table")


@sematic_task(cache=True, outlets=[TABLE])
def tells_asset(x: int) -> Any:
    yield Metadata(TABLE, {"rows": x})
    return x


def test_assets_are_told_of_on_hits_as_they_were() -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with DAG("assets") as dag:
        tells_asset(3)
    run(dag)
    ran = run(dag)
    assert statuses(ran) == {"tells_asset": "hit"}
    with create_session() as session:
        extras = [
            event.extra for event in session.query(AssetEvent).filter_by(source_dag_id="assets").order_by(AssetEvent.id)
        ]
    assert len(extras) == 2
    assert extras[0] == extras[1]
    assert extras[1]["rows"] == 3
    assert extras[1]["sematic"]["digest"] == ran.rows["tells_asset", "return_value"]["digest"]


@sematic_task(cache=True, outlets=[TABLE])
def tells_strange_things(x: int) -> Any:
    yield Metadata(TABLE, {"share": {1, 2}})
    return x


def test_what_cannot_be_kept_does_not_fail_the_step(caplog: pytest.LogCaptureFixture) -> None:
    with DAG("strange") as dag:
        tells_strange_things(3)
    ran = run(dag)
    assert (ran.states, statuses(ran)) == ({"tells_strange_things": "success"}, {"tells_strange_things": "miss"})
    assert "the result is not kept in the cache: TypeError" in caplog.text


def test_an_entry_that_cannot_be_used_does_not_fail_the_step(store: LocalStore) -> None:
    run(pipeline())
    for path in [path for first in range(256) for path in store.list_documents(f"steps/entries/{first:02x}")]:
        record = json.loads(store.read_document(path) or b"")
        store.write_document(path, json.dumps(record | {"extras": [{"name": "a"}], "reads": [{}]}).encode())
    assert executed()
    ran = run(pipeline())
    assert (ran.output("total"), executed()) == (10, ["numbers", "total"])


@sematic_task(cache=True)
def dated(x: int, ds: Any = None, params: Any = None) -> str:
    return f"{x} {ds} {params['month']}"


def test_plain_values_of_the_context_are_parts_of_the_key(store: LocalStore) -> None:
    with DAG("dated", params={"month": Param("1994-01", type="string")}) as dag:
        dated(1)
    run(dag)
    assert statuses(run(dag)) == {"dated": "hit"}
    ran = run(dag, conf={"month": "1994-02"})
    assert statuses(ran) == {"dated": "miss"}
    assert changed(ran, "dated") == ["context params"]
    (first, *_) = keeping.entries(store)
    assert first.parts["context ds"] == f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}"
    assert len(first.parts["context params"]) == 64


def test_a_result_expires() -> None:
    with DAG("expiring") as dag:
        undecided.override(cache=CachePolicy(ttl=dt.timedelta(hours=1)))(1)
    with DAG("expiring") as hasty:
        undecided.override(cache=CachePolicy(ttl=dt.timedelta(seconds=0.2)))(1)
    run(dag)
    assert statuses(run(dag)) == {"undecided": "hit"}
    time.sleep(0.3)
    ran = run(hasty)
    assert statuses(ran) == {"undecided": "miss"}
    assert "has expired" in told(ran, "undecided")["reason"]


def blob(store: LocalStore, digest: str) -> Path:
    return Path(store.url) / blob_path(Digest(digest))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damages() -> Any:
    return pytest.mark.parametrize("damage", ["gone", "short", "flipped"])


def damage_it(path: Path, damage: str) -> None:
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        flip(path)


@damages()
def test_outputs_that_are_gone_or_damaged_are_computed_again_and_healed(store: LocalStore, damage: str) -> None:
    def made() -> DAG:
        with DAG("damaged") as dag:
            numbers.override(cache=CachePolicy(verify=damage == "flipped"))(5)
        return dag

    ref = run(made()).rows["numbers", "return_value"]
    damage_it(blob(store, ref["digest"]), damage)
    ran = run(made())
    assert statuses(ran) == {"numbers": "miss"}
    assert "cannot be used" in told(ran, "numbers")["reason"]
    assert ran.output("numbers").tolist() == [0, 1, 2, 3, 4]
    assert statuses(run(made())) == {"numbers": "hit"}


@sematic_task(cache=CachePolicy(verify=True))
def large(seed: int) -> Path:
    note("large")
    path = Path(os.environ["EXECUTED"] + ".bin")
    path.write_bytes(np.random.default_rng(seed).bytes(6_000_000))
    return path


@damages()
def test_a_damaged_chunk_of_a_large_output_is_healed(store: LocalStore, damage: str) -> None:
    from sematic_airflow_provider.artifacts.files import load_listing

    with DAG("chunked") as dag:
        large(1)
    ref = run(dag).rows["large", "return_value"]
    (chunk, _) = load_listing(store, ref["digest"]).chunks.chunks[1]
    damage_it(blob(store, chunk), damage)
    ran = run(dag)
    assert statuses(ran) == {"large": "miss"}
    assert ran.output("large").read_bytes() == np.random.default_rng(1).bytes(6_000_000)
    assert statuses(run(dag)) == {"large": "hit"}


@sematic_task(cache=True)
def frame(rows: int) -> Any:
    import pandas as pd

    note("frame")
    return pd.DataFrame({"x": np.random.default_rng(0).random(rows)})


@sematic_task
def rows_of(table: Any) -> int:
    return len(table)


def test_a_damaged_input_is_set_aside_said_and_healed_by_the_next_run(store: LocalStore) -> None:
    with DAG("input") as dag:
        rows_of(frame(700_000))
    ref = run(dag).rows["frame", "return_value"]
    assert ref["codec"].startswith("chunks/1:")
    (chunk, _) = load_list(store, ref["digest"]).chunks[1]
    flip(blob(store, chunk))
    ran = run(dag)
    assert (ran.states["frame"], ran.states["rows_of"]) == ("success", "failed")
    assert told(ran, "frame")["status"] == "hit", "existence and sizes are right"
    assert "set aside" in ran.error("rows_of")
    ran = run(dag)
    assert told(ran, "frame")["status"] == "miss"
    assert ran.output("rows_of") == 700_000


def test_what_cannot_be_known_is_not_cached(store: LocalStore) -> None:
    lock = threading.Lock()

    @sematic_task(cache=True)
    def guarded(x: int) -> int:
        with lock:
            note("guarded")
            return x

    with DAG("unknown") as dag:
        guarded(1)
    for _ in range(2):
        ran = run(dag)
        assert told(ran, "guarded")["status"] == "off"
        assert "lock" in told(ran, "guarded")["reason"]
    assert executed() == ["guarded"] * 2
    assert list(keeping.entries(store)) == []


def test_a_hit_starts_no_pod(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SEMATIC__POD_IMAGE", "registry.invalid/steps:1")
    with DAG("pods") as dag:
        undecided.override(cache=True, compute="kubernetes", retries=0)(1)
    ran = run(dag)
    assert ran.states == {"undecided": "failed"}, "there is no cluster"
    assert told(ran, "undecided")["status"] == "miss"
    last = records.read_last(store, "pods", "undecided", -1)
    assert last is not None
    assert last.parts["context pod image"] == "registry.invalid/steps:1"
    records.write_entry(store, records.Entry(last.key, last.parts, {"return_value": saved(1)}, last.by))
    ran = run(dag)
    assert ran.states == {"undecided": "success"}
    assert told(ran, "undecided")["status"] == "hit"
    assert executed() == []


def takes_ti(x: int, ti: Any = None) -> None: ...
def takes_two(x: int, dag_run: Any = None, var: Any = None) -> None: ...
def takes_all(x: int, **kwargs: Any) -> None: ...
def takes_plain(x: int, ds: Any = None, logical_date: Any = None, params: Any = None) -> None: ...


def reaches_in(x: int) -> Any:
    from airflow.sdk import get_current_context

    return get_current_context()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (takes_ti, r"takes_ti cannot be cached: it takes ti from Airflow's context.*ignore=\['ti'\]"),
        (takes_two, "it takes dag_run, var from"),
        (takes_all, r"by \*\*kwargs.*ignore=\['kwargs'\]"),
        (reaches_in, r"it calls get_current_context\(\)"),
    ],
)
def test_what_cannot_be_cached_is_refused_when_the_file_is_read(function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sematic_task(cache=True)(function)
    step = sematic_task(function)
    with DAG("refused"), pytest.raises(ValueError, match=message):
        step.override(cache=True)(1)
    sematic_task(cache=False)(function)


def test_what_is_ignored_or_plain_is_not_refused() -> None:
    sematic_task(cache=CachePolicy(ignore=["ti"]))(takes_ti)
    sematic_task(cache=CachePolicy(ignore=["kwargs"]))(takes_all)
    sematic_task(cache=True)(takes_plain)
    with pytest.raises(TypeError, match="cache must be True, False or a CachePolicy, it is str 'yes'"):
        sematic_task(cache="yes")(takes_plain)
    with pytest.raises(ValueError, match="takes_plain: CachePolicy ignores y"):
        sematic_task(cache=CachePolicy(ignore=["y"]))(takes_plain)
