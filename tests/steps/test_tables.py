"""Tables against pandera models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import polars as pl
import pytest
from pandera.typing import DataFrame, Series
from pandera.typing.polars import DataFrame as PolarsFrame
from pandera.typing.polars import LazyFrame as PolarsLazy

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.steps.validation import Validator


class Flights(pa.DataFrameModel):
    carrier: Series[str] = pa.Field(isin=["AA", "DL"])
    delay: Series[float] = pa.Field(ge=0, le=100)

    @pa.dataframe_check
    @classmethod
    def is_sorted(cls, table: pd.DataFrame) -> bool:
        return bool(table["carrier"].is_monotonic_increasing)


class Coercing(pa.DataFrameModel):
    delay: float

    class Config:
        coerce = True


class Prices(pp.DataFrameModel):
    price: float = pp.Field(gt=0)


def _check(annotation: Any, value: Any) -> None:
    def step(table: Any) -> Any: ...

    step.__annotations__["table"] = annotation
    made: Callable[..., Any] = step
    Validator(made).argument("table", value)


GOOD = pd.DataFrame({"carrier": ["AA", "DL"], "delay": [1.0, 2.0]})


def test_a_table_that_follows_its_model_passes_unchanged() -> None:
    before = GOOD.copy()
    _check(DataFrame[Flights], GOOD)
    _check(list[DataFrame[Flights]], [GOOD, GOOD])
    _check(DataFrame[Flights] | None, None)
    pd.testing.assert_frame_equal(GOOD, before)
    _check(PolarsFrame[Prices], pl.DataFrame({"price": [1.0]}))
    _check(PolarsLazy[Prices], pl.LazyFrame({"price": [1.0]}))


def test_every_column_and_check_that_failed_is_told_at_once() -> None:
    bad = pd.DataFrame({"carrier": ["DL", "XX", "AA"], "delay": [1.0, 500.0, -1.0]})
    with pytest.raises(StepError) as caught:
        _check(DataFrame[Flights], bad)
    message = str(caught.value)
    assert "argument table should be DataFrame[Flights], it is DataFrame" in message
    assert "does not follow Flights" in message
    assert "column carrier: isin(['AA', 'DL']): XX" in message
    assert "column delay: less_than_or_equal_to(100" in message
    assert "column delay: greater_than_or_equal_to(0" in message
    assert "500.0" in message
    assert "is_sorted" in message


def test_a_missing_column_and_a_wrong_type_are_told() -> None:
    with pytest.raises(StepError, match=r"(?s)delay.*carrier|carrier.*delay"):
        _check(DataFrame[Flights], pd.DataFrame({"delay": ["a"]}))


def test_a_model_that_would_change_the_table_refuses_what_it_would_change() -> None:
    with pytest.raises(StepError, match=r"column delay: dtype\('float64'\)"):
        _check(DataFrame[Coercing], pd.DataFrame({"delay": ["1.5"]}))
    assert Coercing.to_schema().coerce, "the model itself stays as it was"


def test_many_failing_rows_make_a_short_message() -> None:
    with pytest.raises(StepError) as caught:
        _check(DataFrame[Flights], pd.DataFrame({"carrier": ["AA"] * 50_000, "delay": [-1.0] * 50_000}))
    assert len(str(caught.value)) < 600
    assert "and 49997 more" in str(caught.value)


def test_polars_models_are_followed_too() -> None:
    with pytest.raises(StepError, match=r"column price: greater_than\(0\): -1.0"):
        _check(PolarsFrame[Prices], pl.DataFrame({"price": [1.0, -1.0]}))
    with pytest.raises(StepError, match="does not follow Prices"):
        _check(PolarsLazy[Prices], pl.LazyFrame({"price": ["a"]}))


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (DataFrame[Flights], pl.DataFrame(), "must be a pandas.DataFrame"),
        (PolarsFrame[Prices], pd.DataFrame(), "must be a polars.DataFrame"),
        (PolarsFrame[Prices], pl.LazyFrame(), "must be a polars.DataFrame"),
    ],
)
def test_a_table_of_another_library_is_refused(annotation: Any, value: Any, words: str) -> None:
    with pytest.raises(StepError, match=words):
        _check(annotation, value)
