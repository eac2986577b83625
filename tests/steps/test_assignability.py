"""Which annotations exclude each other."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from pydantic import AwareDatetime, BaseModel, Field, HttpUrl
from pydantic import Json as PydanticJson
from sklearn.base import BaseEstimator, ClassifierMixin

from sematic_airflow_provider import Artifact, Batches
from sematic_airflow_provider.steps.assignability import field_of, member_of, never_fits


class Base: ...


class Derived(Base): ...


class Other: ...


class Parts(TypedDict):
    low: int


class Pair(NamedTuple):
    left: int
    right: str


@dataclass
class Split:
    train: pd.DataFrame


class Config(BaseModel):
    rate: float


class Colour(enum.Enum):
    RED = 1


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


class Box(BaseModel, Generic[T]):
    content: T


class Left: ...


class Right: ...


class Both(Left, Right): ...


Cents = NewType("Cents", int)
Flat = np.ndarray[tuple[int], np.dtype[np.float64]]
Square = np.ndarray[tuple[int, int], np.dtype[np.float64]]

NEVER: list[tuple[Any, Any]] = [
    (str, int),
    (int, str),
    (bool, int),
    (bool, float),
    (float, int),
    (None, int),
    (int, None),
    (str, pd.DataFrame),
    (pd.DataFrame, pl.DataFrame),
    (list[str], list[int]),
    (list[int], dict[str, int]),
    (dict[str, int], dict[str, str]),
    (dict[str, int], dict[int, int]),
    (set[int], list[int]),
    (tuple[int, str], tuple[int]),
    (tuple[int, str], tuple[str, int]),
    (tuple[int, ...], list[int]),
    (tuple[str, ...], tuple[int, ...]),
    (int, str | None),
    (int | None, str),
    (Literal["a"], int),
    (Literal["a"], Literal["b"]),
    (int, Literal["a"]),
    (Literal[True], int),
    (Annotated[int, Field(ge=0)], str),
    (Cents, str),
    (str, Cents),
    (Base, Other),
    (Config, Split),
    (Split, dict[str, Any]),
    (Parts, list[Any]),
    (Parts, int),
    (int, Parts),
    (int, Artifact[str]),
    (Artifact[int], str),
    (pd.DataFrame, Artifact[pl.DataFrame]),
    (Iterator[int], list[int]),
    (Iterator[int], Batches[str]),
    (Generator[int, None, None], Sequence[str]),
    (int, Sequence[int]),
    (int, Iterable[int]),
    (int, Callable[[], int]),
    (int, Mapping[str, int]),
    (npt.NDArray[np.float64], npt.NDArray[np.int64]),
    (npt.NDArray[np.float64], list[float]),
    (Flat, Square),
    (Colour, str),
    (list[list[str]], list[list[int]]),
    (np.int64, str),
    (Pair, list[int]),
    (list[bool], list[int]),
    (Page[int], Box[int]),
    (str, Page[int]),
    (Batches[int], Iterator[int]),
]

PERHAPS: list[tuple[Any, Any]] = [
    (dt.datetime, AwareDatetime),
    (AwareDatetime, dt.datetime),
    (str, HttpUrl),
    (str, PydanticJson),
    (Page[Any], Page[int]),
    (Page, Page[int]),
    (Page[bool], Page[int]),
    (BaseEstimator, ClassifierMixin),
    (Left, Right),
    (float, np.floating),
    (int, int),
    (int, float),
    (float, complex),
    (int, object),
    (Any, int),
    (int, Any),
    (Derived, Base),
    (Base, Derived),
    (int | None, int),
    (int, int | None),
    (int, str | float),
    (list[int], list[float]),
    (list, list[int]),
    (list[int], list),
    (list[int], Sequence[int]),
    (list[Any], list[int]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, str], tuple[Any, ...]),
    (dict[str, int], Mapping[str, float]),
    (Parts, dict[str, Any]),
    (dict[str, int], Parts),
    (Pair, tuple[int, str]),
    (Literal["a"], str),
    (str, Literal["a"]),
    (Literal["a", "b"], Literal["b"]),
    (T, int),
    (int, T),
    (list[T], list[int]),
    (Cents, int),
    (int, Cents),
    (pd.DataFrame, Artifact[pd.DataFrame]),
    (pd.DataFrame, Artifact),
    (list[int], list[Artifact[int]]),
    (Iterator[int], Batches[int]),
    (Iterator[int], Sequence[int]),
    (Iterator[int], Iterable[float]),
    (Iterator[int], Iterator[int]),
    (list[int], Batches[int]),
    (Iterable[int], list[int]),
    (npt.NDArray[np.float64], npt.NDArray[np.floating]),
    (npt.NDArray[np.float64], np.ndarray),
    (npt.NDArray[np.float64], Square),
    (np.float64, float),
    (np.float32, float),
    (Split, Split),
    (Config, BaseModel),
    (Annotated[float, Field(ge=0)], float),
    (int, Annotated[float, Field(ge=0)]),
    (str, Sequence[str]),
    (type[int], type),
    (None, int | None),
    ("Unknown", int),
    (Base, Sequence[int]),
    (Callable[[], int], Callable[..., Any]),
]


@pytest.mark.parametrize(("given", "wanted"), NEVER)
def test_annotations_that_exclude_each_other(given: Any, wanted: Any) -> None:
    assert never_fits(given, wanted)


@pytest.mark.parametrize(("given", "wanted"), PERHAPS)
def test_where_a_value_might_fit_nothing_is_said(given: Any, wanted: Any) -> None:
    assert not never_fits(given, wanted)


@pytest.mark.parametrize(
    ("collection", "member"),
    [
        (list[int], int),
        (Iterator[str], str),
        (dict[str, int], tuple[str, int]),
        (tuple[int, ...], int),
        (list, Any),
        (Any, Any),
        (pd.Series, Any),
        (Artifact[list[int]], int),
        (Batches[int], int),
    ],
)
def test_what_a_mapped_step_gets_of_a_collection(collection: Any, member: Any) -> None:
    if collection is pd.Series:
        with pytest.raises(TypeError):
            member_of(collection)
    else:
        assert member_of(collection) == member


@pytest.mark.parametrize("annotation", [int, str, bytes, pd.DataFrame, None, Split])
def test_what_nothing_can_be_expanded_over(annotation: Any) -> None:
    with pytest.raises(TypeError):
        member_of(annotation)


@pytest.mark.parametrize(
    ("annotation", "name", "field"),
    [
        (Parts, "low", int),
        (Split, "train", pd.DataFrame),
        (Pair, "right", str),
        (Config, "rate", float),
        (dict[str, int], "any", int),
        (int, "real", Any),
        (Any, "x", Any),
    ],
)
def test_what_a_field_of_an_output_is(annotation: Any, name: str, field: Any) -> None:
    assert field_of(annotation, name) is field


@pytest.mark.parametrize("annotation", [Parts, Split, Pair, Config])
def test_a_field_that_is_not_there(annotation: Any) -> None:
    with pytest.raises(KeyError):
        field_of(annotation, "nope")
