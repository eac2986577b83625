"""Values against annotations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pydantic import BaseModel, Field

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.worker.validation import Validator

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]


@dataclass
class Point:
    x: int


class Config(BaseModel):
    rate: float


class Parts(TypedDict):
    low: int


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


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (int, "1", "should be int, it is str '1'"), (int, 1.9, "it is float 1.9"), (int, True, "it is bool"), (bool, "False", "it is str"),
        (float, "1", "it is str"),
        (list[int], [1, "2"], r"\(1: "), (pd.DataFrame, [1], "DataFrame, it is list"), (Literal["a"], "b", "it is str 'b'"),
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
