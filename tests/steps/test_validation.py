"""Values against annotations."""

from __future__ import annotations

import datetime as dt
import enum
import gc
import math
import time
import tracemalloc
import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
)

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from pydantic import BaseModel, Field
from typing_extensions import NotRequired, Self, TypeAliasType, Unpack

from sematic_airflow_provider import Artifact, Batches
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.steps.validation import Validator

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]


@dataclass
class Point:
    x: int


class Config(BaseModel):
    rate: float


class Parts(TypedDict):
    low: int


class Row(TypedDict):
    name: str
    price: float
    tags: NotRequired[list[str]]


class Node(TypedDict):
    children: list[Node]


class Pair(NamedTuple):
    left: np.ndarray[Any, np.dtype[np.float64]]
    right: int


class Colour(enum.Enum):
    RED = 1


class Sized2(Protocol):
    def size(self) -> int: ...


@dataclass
class Split:
    """Its fields are of types that pydantic does not know."""

    train: pd.DataFrame
    size: int


T = TypeVar("T")
Limited = TypeVar("Limited", int, str)
Bounded = TypeVar("Bounded", bound=float)


@dataclass
class Box(Generic[T]):
    content: T


Cents = NewType("Cents", int)
Numbers = TypeAliasType("Numbers", list[float])
Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | float | None")
Square = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Share = Annotated[float, Field(ge=0, le=1)]


def _function(annotation: Any) -> Callable[..., Any]:
    def step(x: Any) -> Any: ...

    step.__annotations__.update(x=annotation, **{"return": annotation})
    return step


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 1), (float, 1), (float, np.float64(2)), (str, "a"), ("int", 1), (int | None, None), (list[int], [1]), (dict[str, float], {"a": 1.0}),
        (tuple[int, ...], (1,)),
        (Literal["a", "b"], "a"), (Any, object()), (pd.DataFrame, pd.DataFrame()), (np.ndarray, np.ones(1)), (npt.NDArray[np.float64], np.ones(1)),
        (Point, Point(1)),
        (Config, Config(rate=1)), (Parts, {"low": 1}), (Share, 0.5), (None, None), (Callable[[int], int], abs), ("Unknown", 5), (list["Unknown"], 5),
    ],
)  # fmt: skip
def test_values_that_fit_pass(annotation: Any, value: Any) -> None:
    validator = Validator(_function(annotation))
    validator.argument("x", value)
    validator.returned(value)


FITS = [
    (Optional[int], None),  # noqa: UP045
    (Union[int, str], "a"),  # noqa: UP007
    (list[int | str], [1, "a"]),
    (float, 1),
    (float, math.nan),
    (float, math.inf),
    (float, np.int64(1)),
    (dict[str, list[tuple[int, str]]], {"a": [(1, "b")]}),
    (Literal[1, "a", None], None),
    (Colour, Colour.RED),
    (Path, Path("x")),
    (dt.date, dt.date.min),
    (Row, {"name": "a", "price": 1}),
    (Row, {"name": "a", "price": 1.0, "tags": ["b"], "more": 1}),
    (list[Row], []),
    (Pair, Pair(np.ones(1), 1)),
    (Split, Split(pd.DataFrame(), 1)),
    (Box[int], Box(1)),
    (list[Split], [Split(pd.DataFrame(), 1)]),
    (dict[str, npt.NDArray[np.int64]], {"a": np.ones(1, np.int64)}),
    (Cents, 5),
    (Numbers, [1.0]),
    (Json, {"a": [1.0, None]}),
    (T, object()),
    (Limited, "a"),
    (Bounded, 2.0),
    (list[T], [object()]),
    (Self, 5),
    (Sequence[int], (1,)),
    (Sequence[str], ["a"]),
    (Sequence[int], range(3)),
    (Iterable[int], {1}),
    (Iterable[str], "abc"),
    (Mapping[str, int], {"a": 1}),
    (Iterator[int], iter([1])),
    (Generator[int, None, None], (i for i in ())),
    (type[int], bool),
    (Callable[..., int], len),
    (bytes, b""),
    (object, 1),
    (Square, np.ones((2, 2))),
    (np.ndarray[tuple[Any, ...], np.dtype[np.floating]], np.ones(3, np.float32)),
    (npt.NDArray[np.str_], np.array(["a"])),
    (np.ndarray[tuple[int, Literal[3]], np.dtype[Any]], np.ones((5, 3))),
    (pl.DataFrame, pl.DataFrame()),
    (pl.LazyFrame, pl.DataFrame().lazy()),
    (pd.Series, pd.Series([1])),
    (Batches[int], Batches([], int)),
    (Sequence[int], Batches([], int)),
    (Artifact[int], Artifact.of(1)),
    (list[Artifact[int]], [Artifact.of(1)]),
    (Sized2, object()),
    (set[int], {1}),
    (frozenset[int], frozenset({1})),
    (tuple[()], ()),
    (complex, 1j),
    (Node, {"children": [{"children": []}]}),
    pytest.param(int, 10**5000, id="huge"),
    (Annotated[list[int], Field(min_length=1)], [1]),
    (Literal[True], True),
    (pd.DataFrame | None, None),
    (dict[Any, Any], {1: object()}),
    (Annotated[Any, "note"], 5),
]

BREAKS = [
    (Optional[int], "a", "int | None, it is str 'a'"),  # noqa: UP045
    (int | None, 1.5, "it is float 1.5"),
    (list[int | str], [1, 2.5], "x.1: "),
    (Literal[1], True, "must be one of 1"),
    (Literal[1], 1.0, "it is float"),
    (Literal[True], 1, "it is int"),
    (int, np.int64(5), "it is int64 5"),
    (dict[str, list[int]], {"a": [1, "b"]}, r"x.a.1: .*it is str 'b'"),
    (Row, {"name": "a", "price": "1"}, r"x.price: .*valid number, it is str '1'"),
    (Row, {"name": "a"}, "x.price: Field required"),
    (Row, {"name": 1, "price": 1}, "x.name"),
    (
        list[Row],
        [{"name": "a", "price": 1}] * 3 + [{"name": "a", "price": True}],
        r"list\[Row\], it is list of 4 \(x.3.price: .*it is bool True",
    ),
    (Pair, (np.ones(1), 1), "must be a Pair"),
    (Pair, Pair(np.ones(1, int), 1), "x.left: its dtype is int64, not float64"),
    (Pair, Pair(np.ones(1), "a"), "x.right"),
    (Box[int], 5, "Box"),
    (list[Split], [5], r"x.0: .*instance of Split"),
    (Cents, "5", "Cents"),
    (Numbers, ["a"], "x.0"),
    (Json, {"a": [b"b"]}, "it is bytes"),
    (Limited, 1.5, "it is float"),
    (Bounded, "a", "valid number"),
    (Sequence[int], "abc", "must be a Sequence"),
    (Sequence[int], ["a"], "x.0"),
    (Iterable[int], 5, "must be a Iterable"),
    (Sequence[int], np.ones(1), "must be a Sequence"),
    (Mapping[str, int], {"a": "b"}, "x.a"),
    (tuple[int, str], (1,), "x"),
    (tuple[int, ...], [1], "it is list"),
    (set[int], {"a"}, "valid integer"),
    (type[int], str, "subclass"),
    (Square, np.ones(2), "it has 1 dimensions, not 2"),
    (Square, np.ones((2, 2), np.float32), "its dtype is float32, not float64"),
    (npt.NDArray[np.floating], np.ones(1, int), "not floating"),
    (np.ndarray[tuple[int, Literal[3]], np.dtype[Any]], np.ones((5, 2)), "axis 1 is 2 long, not 3"),
    (dict[str, npt.NDArray[np.int64]], {"a": np.ones(1)}, "x.a: its dtype is float64"),
    (pl.DataFrame, pd.DataFrame(), "instance of DataFrame"),
    (pd.DataFrame, pl.DataFrame(), "instance of DataFrame"),
    (Colour, 1, "Colour"),
    (Path, "a", "Path"),
    (dt.date, dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), "date"),
    (Annotated[list[int], Field(min_length=1)], [], "at least 1 item"),
    (Annotated[str, Field(pattern="^a")], "b", "should be str with"),
    (bytes, "a", "it is str"),
    (Artifact[int], 5, "Artifact"),
    (Iterator[int], [1], "Iterator"),
    (Node, {"children": [5]}, "x.children.0"),
    (int | str, None, "int | str, it is None"),
    (dict[int, str], {"a": "b"}, "x.a"),
]


@pytest.mark.parametrize(("annotation", "value"), FITS)
def test_every_annotation_of_python_takes_what_it_says(annotation: Any, value: Any) -> None:
    Validator(_function(annotation)).argument("x", value)


@pytest.mark.parametrize(("annotation", "value", "words"), BREAKS)
def test_every_annotation_of_python_refuses_what_it_does_not_say(annotation: Any, value: Any, words: str) -> None:
    with pytest.raises(StepError, match=words):
        Validator(_function(annotation)).argument("x", value)


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (int, "1", "should be int, it is str '1'"), (int, 1.9, "it is float 1.9"), (int, True, "it is bool"), (bool, "False", "it is str"),
        (float, "1", "it is str"),
        (list[int], [1, "2"], r"\(x\.1: "), (pd.DataFrame, [1], "DataFrame, it is list"), (Literal["a"], "b", "it is str 'b'"),
        (Share, 1.5, "less than or equal to 1"),
        (npt.NDArray[np.float64], [1.0], "it is list"), (None, 1, "it is int"), (Point, {"x": 1}, "it is dict"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_named_with_expected_and_actual(annotation: Any, value: Any, words: str) -> None:
    validator = Validator(_function(annotation))
    with pytest.raises(StepError, match=f"step .*: argument x should be .*{words}|{words}") as caught:
        validator.argument("x", value)
    assert "argument x" in str(caught.value)
    with pytest.raises(StepError, match="return value"):
        validator.returned(value)


def test_no_annotation_is_no_check() -> None:
    def step(x, *args, **kwargs): ...  # type: ignore[no-untyped-def]

    Validator(step).argument("x", object())
    Validator(step).argument("args", object())
    Validator(step).returned(object())


def test_a_large_value_is_not_printed() -> None:
    with pytest.raises(StepError) as caught:
        Validator(_function(int)).argument("x", "s" * 10_000)
    assert len(str(caught.value)) < 400


def test_a_value_arrives_as_the_object_that_was_sent() -> None:
    sent = [{"name": "a", "price": 1}]
    assert Validator(_function(list[Row])).returned(sent) is sent
    assert type(sent[0]["price"]) is int, "an int that stands for a float stays an int"


def test_members_of_args_and_kwargs_are_checked_one_by_one() -> None:
    def step(*args: int, **kwargs: str) -> None: ...

    validator = Validator(step)
    validator.argument("args", (1, 2))
    validator.argument("kwargs", {"a": "b"})
    with pytest.raises(StepError, match="argument 1 of args should be int, it is str 'b'"):
        validator.argument("args", (1, "b"))
    with pytest.raises(StepError, match="argument a of kwargs should be str"):
        validator.argument("kwargs", {"a": 1})


def test_unpacked_kwargs_are_left_to_the_signature() -> None:
    def step(**kwargs: Unpack[Row]) -> None: ...

    Validator(step).argument("kwargs", {"name": "a", "price": 1})


def test_several_findings_are_told_and_the_rest_counted() -> None:
    with pytest.raises(StepError) as caught:
        Validator(_function(list[int])).argument("x", ["a"] * 8)
    assert "x.0: " in str(caught.value)
    assert "x.4: " in str(caught.value)
    assert "and 3 more" in str(caught.value)


@pytest.mark.parametrize("value", ["s" * 10**8, [b"b" * 10**8], {"k" * 10**7: 1}, [[["x"] * 1000] * 100] * 100])
def test_huge_values_make_short_messages_at_once(value: Any) -> None:
    started = time.perf_counter()
    with pytest.raises(StepError) as caught:
        Validator(_function(int)).argument("x", value)
    assert len(str(caught.value)) < 700
    assert time.perf_counter() - started < 2


def test_a_million_numbers_are_checked_in_little_time_and_memory() -> None:
    """What pydantic alone does would copy the list: eight megabytes."""
    values = [float(number) for number in range(1_000_000)]
    validator = Validator(_function(list[float]))
    validator.argument("x", values[:1])
    gc.collect()
    tracemalloc.start()
    validator.argument("x", values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    started = time.perf_counter()
    validator.argument("x", values)
    assert time.perf_counter() - started < 2
    values[777_777] = "a"  # type: ignore[call-overload]
    with pytest.raises(StepError, match=r"x\.777777: "):
        validator.argument("x", values)


@pytest.mark.parametrize(
    ("annotation", "make"),
    [(dict[int, int], lambda bad: {**dict.fromkeys(range(20_000), 1), 20_001: bad}), (tuple[int, ...], lambda bad: (*range(20_000), bad)),
     (set[int], lambda bad: {*range(20_000), bad}), (Sequence[int], lambda bad: [*range(20_000), bad]), (list[Any], lambda bad: [0] * 20_000 + [bad])],
)  # fmt: skip
def test_large_collections_are_checked_to_their_end(annotation: Any, make: Callable[[Any], Any]) -> None:
    validator = Validator(_function(annotation))
    validator.argument("x", make(5))
    if annotation != list[Any]:
        with pytest.raises(StepError, match=r"it is str 'a'|valid integer"):
            validator.argument("x", make("a"))


def test_values_that_hold_themselves_are_named_and_do_not_end_the_process() -> None:
    loop: list[Any] = []
    loop.append(loop)
    Validator(_function(list[Any])).argument("x", loop)
    with pytest.raises(StepError, match=r"recursi|list|holds itself"):
        Validator(_function(Json)).argument("x", loop)


def test_an_annotation_under_type_checking_leaves_the_others_checked() -> None:
    def step(x: Unknown, y: int) -> Unknown: ...

    validator = Validator(step)
    validator.argument("x", object())
    validator.returned(object())
    with pytest.raises(StepError, match="argument y"):
        validator.argument("y", "a")


def test_a_generator_that_only_told_metadata_is_checked_by_what_it_returned() -> None:
    def step() -> Generator[Any, None, int]:
        yield

    assert Validator(step).returned(5) == 5
    with pytest.raises(StepError, match="return value should be int"):
        Validator(step).returned("a")

    def other() -> Iterator[Any]:
        yield

    assert Validator(other).returned(None) is None


@pytest.mark.parametrize(
    ("annotation", "value", "other"),
    [
        (typing.List, [1], (1,)),  # noqa: UP006
        (typing.Tuple, (1, 2), [1]),  # noqa: UP006
        (typing.Dict, {"a": 1}, [1]),  # noqa: UP006
        (typing.Sequence, [1], 1),
        (typing.Iterable, [1], 1),
        (typing.Collection, {1}, 1),
        (typing.MutableSequence, [1], (1,)),
        (typing.AbstractSet, {1}, [1]),
        (tuple[()], (), (1,)),
        (dict[str, typing.Iterable], {"a": [1]}, {"a": 1}),
    ],
)
def test_generics_of_typing_without_members(annotation: Any, value: Any, other: Any) -> None:
    validator = Validator(_function(annotation))
    validator.argument("x", value)
    with pytest.raises(StepError, match="argument x"):
        validator.argument("x", other)


def test_an_abstract_set_is_any_set_and_its_members_are_checked() -> None:
    for annotation in (AbstractSet, AbstractSet[int], dict[str, AbstractSet[int]]):
        validator = Validator(_function(annotation))
        for value in ({1}, frozenset([1]), {1: "a"}.keys()):
            validator.argument("x", {"a": value} if annotation == dict[str, AbstractSet[int]] else value)
    with pytest.raises(StepError, match=r"should be Set.int., it is set {'a'}"):
        Validator(_function(AbstractSet[int])).argument("x", {"a"})


OldJson = Union[dict[str, "OldJson"], list["OldJson"], str, int, None]  # noqa: UP007


def test_an_alias_that_holds_itself_by_name_is_checked_as_far_as_it_is_written_out() -> None:
    def step(x: OldJson) -> None: ...

    validator = Validator(step)
    validator.argument("x", {"a": [1, {"b": None}]})
    with pytest.raises(StepError, match="argument x"):
        validator.argument("x", {1, 2})


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Page(BaseModel, Generic[T]):
    items: list[T]


@pytest.mark.parametrize(
    ("annotation", "value", "fields"),
    [
        (Cat, Cat(), {"kind": "cat"}),
        (Cat | None, Cat(), {"kind": "cat"}),
        (dict[str, Cat], {"a": Cat()}, {"a": {"kind": "cat"}}),
        (Annotated[Cat | Dog, Field(discriminator="kind")], Dog(), {"kind": "dog"}),
        (Page[int], Page(items=[1]), {"items": [1]}),
    ],
)
def test_the_fields_of_a_model_in_a_dict_are_no_model(annotation: Any, value: Any, fields: Any) -> None:
    validator = Validator(_function(annotation))
    validator.argument("x", value)
    with pytest.raises(StepError, match=r"must be a (Cat|Dog|Page\[int\])"):
        validator.argument("x", fields)


def test_numpys_bool_is_told_from_pythons() -> None:
    with pytest.raises(StepError, match=r"should be bool, it is numpy\.bool True"):
        Validator(_function(bool)).argument("x", np.bool_(True))
