"""``expand`` and its relatives over artifacts: what a mapped instance reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from airflow.sdk import DAG, task, task_group

from sematic_airflow_provider import Artifact, sematic_task
from tests.worker.dag_runs import run

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("migrated_home")]


def lose(*values: Any) -> None:
    """Delete artifacts: what reads them from here on fails."""
    from sematic_airflow_provider.worker.stores import repository

    for value in values:
        store = repository()
        store.store.delete(store.describe(value).digest)


@sematic_task
def arrays() -> list[np.ndarray]:
    return [np.arange(3) + 10 * number for number in range(3)]


@sematic_task
def total(values: np.ndarray, extra: int = 0) -> int:
    return int(values.sum()) + extra


def test_a_mapped_instance_reads_its_own_member_and_no_other() -> None:
    @task
    def lose_others() -> None:
        lose(np.arange(3), np.arange(3) + 20)

    with DAG("own_member") as dag:
        made = arrays()
        made >> lose_others() >> total.partial(extra=1).expand(values=made)
    ran = run(dag)
    assert [ran.states[f"total[{index}]"] for index in range(3)] == ["failed", "success", "failed"]
    assert ran.output("total[1]") == 34
    assert "gone" in ran.error("total[0]")
    assert ran.read("total[1]") == {("values", "arrays.return_value")}


@sematic_task
def names() -> list[str]:
    return ["a", "b"]


@sematic_task
def shout(name: str, mark: str = "!") -> str:
    return name.upper() + mark


@sematic_task
def joined(parts: list[str]) -> str:
    return " ".join(parts)


def test_members_of_a_list_that_is_one_artifact_are_told_by_argument_too() -> None:
    with DAG("whole_list") as dag:
        joined(shout.expand(name=names()))
    ran = run(dag)
    assert ran.output("joined") == "A! B!"
    assert ran.read("shout[0]") == ran.read("shout[1]") == {("name", "names.return_value")}
    assert ran.argument("shout[1]", "name")["value"] == "b"
    assert {name for _, name in ran.read("joined")} == {"shout.return_value"}


def test_a_mapped_instance_has_the_same_argument_whatever_the_other_members_are() -> None:
    digests = []
    for others in ([7, 8], [9]):

        @sematic_task
        def made(others: list[int] = others) -> list[np.ndarray]:
            return [np.arange(3), *(np.full(2, other) for other in others)]

        with DAG("siblings") as dag:
            total.expand(values=made())
        digests.append(run(dag).argument("total[0]", "values")["digest"])
    assert digests[0] == digests[1]


def test_map_zip_and_concat_over_artifacts() -> None:
    @sematic_task
    def scaled(pair: tuple[np.ndarray, str]) -> str:
        return f"{pair[1]}{int(pair[0].sum())}"

    @task
    def lose_first() -> None:
        lose(np.arange(3))

    with DAG("expressions") as dag:
        made, named = arrays(), names()
        lost = made >> lose_first()
        mapped = total.override(task_id="mapped").expand(values=made.map(lambda values: values * 2))
        zipped = scaled.expand(pair=made.zip(named, fillvalue="z"))
        both = total.override(task_id="both").expand(values=made.concat(arrays.override(task_id="more")()))
        lost >> [mapped, zipped, both]
        reduced = joined.override(task_id="reduced")(named.map(str.upper))
        lost >> reduced
    ran = run(dag)
    assert ran.states["mapped[0]"] == ran.states["scaled[0]"] == "failed"
    assert [ran.output(f"mapped[{index}]") for index in (1, 2)] == [66, 126]
    assert [ran.output(f"scaled[{index}]") for index in (1, 2)] == ["b33", "z63"]
    assert [ran.output(f"both[{index}]") for index in (1, 2, 4, 5)] == [33, 63, 33, 63]
    assert ran.output("reduced") == "A B"
    assert ran.read("scaled[1]") == {("", "arrays.return_value"), ("", "names.return_value")}
    assert ran.read("both[4]") == {("values", "more.return_value")}


def test_expand_kwargs_takes_dicts_that_are_pushed_and_reads_the_own_one() -> None:
    @sematic_task
    def settings() -> list[dict[str, Any]]:
        return [{"values": np.arange(3) + number, "extra": number} for number in range(2)]

    @task
    def lose_first() -> None:
        lose(np.arange(3))

    with DAG("kwargs") as dag:
        pushed = settings()
        pushed >> lose_first() >> total.expand_kwargs(pushed)
        shout.partial(mark="?").expand_kwargs([{"name": "x"}, {"name": "{{ dag.dag_id }}"}])
        shout.override(task_id="mixed").expand_kwargs(names().map(lambda name: {"name": name, "mark": "."}))
    ran = run(dag)
    assert ran.states["total[0]"] == "failed"
    assert ran.output("total[1]") == 7
    assert ran.output("shout[1]") == "KWARGS?"
    assert [ran.output("mixed[0]"), ran.output("mixed[1]")] == ["A.", "B."]


def test_expand_over_a_dict_gives_pairs() -> None:
    @sematic_task(multiple_outputs=False)
    def tables() -> dict[str, np.ndarray]:
        return {"low": np.arange(3), "high": np.arange(3) + 5}

    @sematic_task
    def of_pair(pair: tuple[str, np.ndarray]) -> str:
        return f"{pair[0]} {int(pair[1].sum())}"

    with DAG("pairs") as dag:
        of_pair.expand(pair=tables())
    ran = run(dag)
    assert {ran.output("of_pair[0]"), ran.output("of_pair[1]")} == {"low 3", "high 18"}


def test_several_mapped_arguments_make_every_combination() -> None:
    with DAG("product") as dag:
        joined(shout.expand(name=names().concat(names.override(task_id="again")()), mark=["?", "!"]))
        joined.override(task_id="other")(
            shout.override(task_id="reverse").expand(mark=["?"], name=names.override(task_id="third")())
        )
    ran = run(dag)
    assert ran.output("joined") == "A? A! B? B! A? A! B? B!"
    assert ran.output("other") == "A? B?"


def test_a_step_is_expanded_over_what_a_generator_yields_and_over_mapped_outputs() -> None:
    @sematic_task
    def batches() -> Any:
        for number in range(3):
            yield np.full(2, number)

    with DAG("yielded") as dag:
        first = total.expand(values=batches())
        plus = shout.override(task_id="plus").expand(name=first.map(lambda number: str(number)))
        joined(plus)
    ran = run(dag)
    assert ran.output("joined") == "0! 2! 4!"
    assert ran.read("plus[2]") == {("", "total.return_value")}


def test_a_mapped_step_may_take_an_artifact_and_load_it_itself() -> None:
    @sematic_task
    def lazy(values: Artifact[np.ndarray], load: bool) -> str:
        return str(values.load().sum()) if load else values.digest[:4]

    with DAG("lazily") as dag:
        lazy.expand(values=arrays(), load=[True, False])
    ran = run(dag)
    assert ran.output("lazy[2]") == "33"
    assert ran.read("lazy[2]") == {("values", "arrays.return_value")}
    assert ran.read("lazy[3]") == set()


def test_a_mapped_task_group_hands_its_own_member_to_the_steps_in_it() -> None:
    @task
    def lose_first() -> int:
        lose(np.arange(3))
        return 1

    @task_group
    def both(values: Any, extra: Any) -> Any:
        return shout(names_of(total(values, extra)))

    @sematic_task
    def names_of(number: int) -> str:
        return f"n{number}"

    with DAG("grouped") as dag:
        made, lost = arrays(), lose_first()
        made >> lost
        grouped = both.partial(extra=lost).expand(values=made)
        joined.override(trigger_rule="all_done")(grouped)
    ran = run(dag)
    assert [ran.states[f"both.total[{index}]"] for index in range(3)] == ["failed", "success", "success"]
    assert ran.output("joined") == "N34! N64!"
    assert ("values", "arrays.return_value") in ran.read("both.total[1]")


def test_what_is_no_collection_is_refused_by_the_step_that_returned_it() -> None:
    @sematic_task
    def number() -> Any:  # with an int here, the wiring would be refused when the file is read
        return 5

    with DAG("no_list") as dag:
        total.expand(values=number())
    ran = run(dag)
    assert ran.states["number"] == "failed"
    assert "return a list or a dict" in ran.error("number")


def test_a_plain_task_is_expanded_over_what_a_step_returned() -> None:
    @task
    def plain(values: Any) -> int:
        return int(values.sum())

    with DAG("plainly") as dag:
        plain.expand(values=arrays())
    ran = run(dag)
    assert [ran.output(f"plain[{index}]") for index in range(3)] == [3, 33, 63]


def test_a_step_is_expanded_over_what_a_plain_task_returned() -> None:
    @task
    def plain() -> list[str]:
        return ["x", "y"]

    with DAG("from_plain") as dag:
        joined(shout.expand(name=plain()))
    ran = run(dag)
    assert ran.output("joined") == "X! Y!"
    assert ran.read("shout[0]") == {("name", "plain.return_value")}


def test_a_mapped_instance_that_hits_the_cache_is_told_to_have_read_the_collection_of_this_run() -> None:
    """Its own element is what it was; another one has changed, so the collection is another artifact."""
    read = []
    for other in (7, 8):

        @sematic_task
        def made(other: int) -> list[np.ndarray]:
            return [np.arange(4), np.full(2, other)]

        with DAG("hits") as dag:
            total.override(cache=True).expand(values=made(other))
        ran = run(dag)
        whole = ran.rows["made", "return_value"]["digest"]
        reads = [data for data in ran.records["total[0]"].data if data.direction == "read"]
        assert [(data.label, data.ref.digest) for data in reads if data.ref] == [("values", whole)]
        read.append(whole)
    assert read[0] != read[1]
    assert ran.records["total[0]"].facets["sematic_cache"]["status"] == "hit"
    assert ran.records["total[1]"].facets["sematic_cache"]["status"] == "miss"
