"""Wrong wiring is found when the Dag file is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from airflow.sdk import DAG, Asset, task, task_group

from sematic_airflow_provider import Artifact, Batches, sematic_task
from sematic_airflow_provider.errors import WiringError


class Parts(TypedDict):
    low: int
    name: str


class Pair(NamedTuple):
    left: int
    right: str


@dataclass
class Split:
    train: pd.DataFrame
    size: int


@sematic_task
def text() -> str:
    return "a"


@sematic_task
def number() -> int:
    return 1


@sematic_task
def nothing() -> None: ...


@sematic_task
def frame() -> pd.DataFrame:
    return pd.DataFrame()


@sematic_task
def texts() -> list[str]:
    return ["a"]


@sematic_task
def numbers() -> list[int]:
    return [1]


@sematic_task
def dict_list() -> list[dict[str, float]]:
    return [{"x": 1.0}]


@sematic_task
def from_context(x: int, ds: Any = None, ti: Any = None) -> None: ...


@sematic_task
def batches() -> Iterator[int]:
    yield 1


@sematic_task
def parts() -> Parts:
    return {"low": 1, "name": "a"}


@sematic_task
def pair() -> Pair:
    return Pair(1, "a")


@sematic_task
def split() -> Split:
    return Split(pd.DataFrame(), 1)


@sematic_task
def pushes(ti: Any = None) -> Split:
    ti.xcom_push("more", 1)
    return Split(pd.DataFrame(), 1)


@sematic_task
def unknown():  # type: ignore[no-untyped-def]
    ...


@task
def plain() -> str:
    return "a"


@sematic_task
def take_int(x: int) -> int:
    return x


@sematic_task
def take_str(x: str) -> str:
    return x


@sematic_task
def take_float(x: float, scale: float = 1.0) -> float:
    return x * scale


@sematic_task
def take_list(x: list[int]) -> int:
    return sum(x)


@sematic_task
def take_batches(x: Batches[int]) -> int:
    return sum(x)


@sematic_task
def take_dict(x: dict[str, int]) -> int:
    return len(x)


@sematic_task
def take_handles(x: list[Artifact[pd.DataFrame]] | None) -> None: ...


@sematic_task
def take_iterator(x: Iterator[int]) -> int:
    return sum(x)


@sematic_task
def take_perhaps(x: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013
    ...


@sematic_task
def take_artifact(x: Artifact[pd.DataFrame]) -> int:
    return len(x)


@sematic_task
def take_all(*xs: int, **named: str) -> None: ...


@sematic_task
def take_pair(x: tuple[int, str]) -> None: ...


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: take_int(text()), r"step take_int: argument x should be int, text\(\) gives str"),
    (lambda: take_int(x=text()), "argument x should be int"),
    (lambda: take_int(nothing()), r"nothing\(\) gives None"),
    (lambda: take_int(plain()), r"plain\(\) gives str"),
    (lambda: take_artifact(numbers()), r"should be Artifact\[DataFrame\], numbers\(\) gives list\[int\]"),
    (lambda: take_list(batches()), r"should be list\[int\], batches\(\) gives Batches\[int\]"),
    (lambda: take_list(texts()), r"texts\(\) gives list\[str\]"),
    (lambda: take_iterator(batches()), r"should be Iterator\[int\], batches\(\) gives Batches\[int\]"),
    (lambda: take_list("text"), "should be list"),
    (lambda: take_list([number(), text()]), r"argument x should be list\[int\], text\(\) in it gives str"),
    (lambda: take_dict({"a": text()}), r"argument x should be dict\[str, int\], text\(\) in it gives str"),
    (lambda: literal("c"), r"should be Literal\['a', 'b'\], it is str 'c'"),
    (
        lambda: take_int("{{ params.n }}"),
        "should be int, the template '{{ params.n }}' gives text.*render_template_as_native",
    ),
    (lambda: take_int("{% if params.big %}5{% endif %}"), "gives text"),
    (lambda: take_float.expand(x=[1, "a"]), "argument x should be float, it is str 'a'"),
    (lambda: take_float.expand(x=[1, text()]), r"argument x should be float, text\(\) gives str"),
    (lambda: take_float.expand_kwargs([{"x": 1}, {"x": "a"}]), "argument x should be float, it is str 'a'"),
    (lambda: take_float.expand_kwargs([{"x": 1}, {"scale": 1.0}]), "step take_float.*missing a required argument: 'x'"),
    (lambda: take_float.expand_kwargs([{"x": 1, "z": 1}]), "step take_float.*unexpected keyword argument 'z'"),
    (lambda: take_int(*numbers()), r"what numbers returns is not known.*expand\(x=output\)"),
    (lambda: take_str(parts()["low"]), r"parts\(\)\['low'\] gives int"),
    (lambda: take_str(pair()["left"]), r"pair\(\)\['left'\] gives int"),
    (lambda: take_str(split()["size"]), r"split\(\)\['size'\] gives int"),
    (
        lambda: take_int(split()["siez"]),
        r"takes 'siez' of what step split returns, which is Split and has no such field. Its fields: train, size",
    ),
    (lambda: take_int(parts()["high"]), "Its fields: low, name"),
    (lambda: take_all(1, text()), "argument xs should be int"),
    (lambda: take_all(1, more=number()), "argument more should be str"),
    (lambda: take_int(5.5), "argument x should be int, it is float 5.5"),
    (lambda: take_int(True), "it is bool True"),
    (lambda: take_int(None), "it is None"),
    (lambda: take_int("5"), "it is str '5'"),
    (lambda: take_list({}), r"should be list\[int\], it is dict"),
    (lambda: take_int.expand(x=texts()), r"argument x should be int, each instance gets str"),
    (
        lambda: take_int.expand(x=number()),
        r"expanded over what number\(\) gives, which is int: only a list or dict can be expanded over",
    ),
    (lambda: take_int.expand(x=text()), "which is str"),
    (lambda: take_int.expand(x=numbers().zip(texts())), r"each instance gets tuple\[int, str\]"),
    (lambda: take_pair.expand(x=texts().zip(numbers())), r"each instance gets tuple\[str, int\]"),
    (lambda: take_int.expand(x=texts().concat(numbers())), "each instance gets str"),
    (lambda: take_int.expand(x=numbers().map(shown)), "each instance gets str"),
    (lambda: take_int(take_int.expand(x=numbers())), r"take_int\(\) \(one of each instance\) gives list\[int\]"),
    (
        lambda: take_float.partial(scale=text()).expand(x=numbers()),
        r"argument scale should be float, text\(\) gives str",
    ),
    (lambda: take_float.partial(scale=2.0).expand(scale=[1.0]), "gets scale from partial and from expand"),
    (lambda: take_float.expand(scale=[1.0]), "step take_float is expanded without x: give it to partial or expand"),
    (lambda: take_int(), r"step take_int\(x\): missing a required argument: 'x'"),
    (lambda: take_int(1, 2), r"step take_int\(x\): too many positional arguments"),
    (lambda: take_int(1, y=2), r"step take_int\(x\): got an unexpected keyword argument 'y'"),
    (lambda: take_int(x=1, task_id="a"), "unexpected keyword argument 'task_id'"),
    (lambda: day(ds="2020-01-01"), "argument ds, which Airflow fills itself"),
    (lambda: day("2020-01-01"), "argument ds, which Airflow fills itself"),
    (lambda: day.expand(ds=["2020-01-01"]), "task context variable 'ds'"),
]


def shown(number: int) -> str:
    return str(number)


@sematic_task
def day(ds: str = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
    return ds


FINE: list[Callable[[], Any]] = [
    lambda: take_perhaps(None),
    lambda: take_str("{% if params.big %}5{% else %}1{% endif %}"),
    lambda: take_float.expand_kwargs([{"x": 1}, {"x": number(), "scale": 2.0}]),
    lambda: take_float.partial(scale=1.0).expand_kwargs(dict_list()),
    lambda: from_context.expand_kwargs([{"x": 1}]),
    lambda: take_float.expand(x=[1, 2.0, number()]),
    lambda: take_list([number(), 2, unknown()]),
    lambda: take_dict({"a": number(), "b": 2}),
    lambda: take_handles([split().train, split()["train"]]),
    lambda: literal("b"),
    lambda: take_float(number()),
    lambda: take_int(unknown()),
    lambda: unknown_taker(text()),
    lambda: take_artifact(frame()),
    lambda: take_batches(batches()),
    lambda: take_int(parts()["low"]),
    lambda: take_str(pair()["right"]),
    lambda: take_int(split()["size"]),
    lambda: take_int(pushes()["more"]),
    lambda: take_int(Asset("a")),
    lambda: take_str("{{ ds }}"),
    lambda: take_int.expand(x=numbers()),
    lambda: take_int.expand(x=batches()),
    lambda: take_int.expand(x=[1, 2]),
    lambda: take_list(take_int.expand(x=numbers())),
    lambda: take_str.expand(x=numbers().map(lambda x: x)),
    lambda: take_str.expand(x=numbers().map(shown)),
    lambda: take_pair.expand(x=numbers().zip(texts())),
    lambda: take_float.partial(scale=2).expand(x=numbers()),
    lambda: take_float.expand_kwargs([{"x": 1}]),
    lambda: take_all(1, number(), more=text()),
    lambda: day(),
    lambda: literal("a"),
    lambda: take_int(XComOf()),
]


@sematic_task
def unknown_taker(x):  # type: ignore[no-untyped-def]
    ...


@sematic_task
def literal(x: Literal["a", "b"]) -> None: ...


def XComOf() -> Any:
    from airflow.providers.standard.operators.bash import BashOperator

    return BashOperator(task_id="bash", bash_command="echo 1").output


@pytest.mark.parametrize(("wire", "words"), WRONG)
def test_wrong_wiring_is_refused(wire: Callable[[], Any], words: str) -> None:
    with DAG("flow"), pytest.raises((TypeError, ValueError), match=words):
        wire()


@pytest.mark.parametrize("wire", FINE)
def test_right_wiring_and_what_cannot_be_known_are_taken(wire: Callable[[], Any]) -> None:
    with DAG("flow"):
        wire()


def test_the_error_names_where_it_was_wired_and_where_both_functions_stand() -> None:
    with DAG("flow"):
        made = text()
        with pytest.raises(WiringError) as caught:
            take_int(made)
    lines = str(caught.value).splitlines()
    here = __file__
    assert lines[1].startswith(f"  wired at {here}:")
    assert "take_int(made)" in _line(lines[1])
    assert lines[2].startswith(f"  take_int stands at {here}:")
    assert lines[3].startswith(f"  text stands at {here}:")


def _line(told: str) -> str:
    file, _, number = told.removeprefix("  wired at ").rpartition(":")
    with open(file) as source:
        return source.read().splitlines()[int(number) - 1]


def test_in_a_mapped_task_group_a_step_gets_one_member_and_after_it_a_list() -> None:
    @task_group
    def group(x: Any) -> Any:
        return take_int(x)

    @task_group
    def wrong(x: Any) -> Any:
        return take_str(x)

    with DAG("flow"):
        take_list(group.expand(x=numbers()))
        with pytest.raises(WiringError, match="argument x should be str"):
            wrong.expand(x=numbers())
    with DAG("flow"), pytest.raises(WiringError, match=r"gives list\[int\]"):
        take_int(group.expand(x=numbers()))


def test_arrays_of_another_type_are_found() -> None:
    @sematic_task
    def floats() -> npt.NDArray[np.float64]:
        return np.ones(1)

    @sematic_task
    def ints(x: npt.NDArray[np.int64]) -> None: ...

    ints.function.__annotations__["x"] = npt.NDArray[np.int64]
    with DAG("flow"), pytest.raises(WiringError, match=r"ndarray\[.*int64.*floats\(\) gives ndarray\[.*float64"):
        ints(floats())


def test_templates_that_become_objects_may_be_of_any_type() -> None:
    with DAG("flow", render_template_as_native_obj=True):
        take_int("{{ params.n }}")
        take_int.expand(x=["{{ params.n }}"])
