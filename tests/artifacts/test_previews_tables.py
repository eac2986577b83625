"""Previews of tables."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.previews.form import QUANTILES, Column, TablePreview
from sematic_airflow_provider.artifacts.previews.tables import COLUMNS, HEAD, SAMPLE, preview_of
from tests.artifacts.preview_checks import shown


def _column(value: object, number: int = 0) -> Column:
    made = preview_of(value)
    assert made is not None
    return made.columns[number]


@pytest.fixture(params=["pandas", "pyarrow", "polars"])
def table(request: pytest.FixtureRequest) -> Any:
    """The same table of each library."""
    frame = pd.DataFrame(
        {
            "n": [1, 2, 3, 4],
            "x": [0.1, math.inf, -2.5, 1 / 3],
            "s": ["a", "b", "a", None],
            "t": pd.to_datetime(["2024-01-01", "2024-01-02", None, "2024-01-03"]),
            "ok": [True, False, True, True],
        }
    )
    if request.param == "pandas":
        return frame
    return pa.Table.from_pandas(frame) if request.param == "pyarrow" else pl.from_pandas(frame)


def test_a_table_of_any_library_shows_the_same(table: Any) -> None:
    made = shown(table)
    assert isinstance(made, TablePreview)
    assert (made.rows, made.column_count, made.sample_rows) == (4, 5, 4)
    assert [column.name for column in made.columns] == ["n", "x", "s", "t", "ok"]
    assert [column.nulls for column in made.columns] == [0, 0, 1, 1, 0]
    assert made.head[0][:3] == [1, 0.1, "a"]
    assert made.head[3][1:3] == [1 / 3, None]
    number, real, text, time, flag = made.columns
    assert (number.min, number.max, number.exact) == (1, 4, True)
    assert (real.min, real.max) == (-2.5, "Infinity")
    assert number.statistics is not None
    assert (number.statistics.mean, number.statistics.quantiles) == (2.5, np.quantile([1, 2, 3, 4], QUANTILES).tolist())
    assert number.statistics.histogram is not None
    assert sum(number.statistics.histogram.counts) == 4
    assert real.statistics is not None
    assert real.statistics.mean == pytest.approx((0.1 - 2.5 + 1 / 3) / 3), "of the finite ones"
    assert text.top is not None
    assert [(count.value, count.count) for count in text.top] == [("a", 2), ("b", 1)]
    assert (text.distinct, str(time.min)[:10], str(time.max)[:10]) == (2, "2024-01-01", "2024-01-03")
    assert flag.top is not None
    assert [(count.value, count.count) for count in flag.top] == [(True, 3), (False, 1)]


FRAMES: dict[str, Any] = {
    "no rows": pd.DataFrame({"a": pd.Series(dtype="f8"), "s": pd.Series(dtype=object), "t": pd.Series(dtype="M8[ns]")}),
    "no columns": pd.DataFrame(index=range(3)),
    "nothing": pd.DataFrame(),
    "twice the same name": pd.DataFrame([[1, 2.5, "x"]], columns=["a", "a", "a"]),
    "names that are no text": pd.DataFrame([[1, 2, 3]], columns=[0, ("x", 1), None]),
    "all missing": pd.DataFrame({"a": [None] * 3, "b": np.nan, "c": pd.Categorical([None] * 3), "i": pd.array([None] * 3, "Int64")}),
    "a series": pd.Series([1.5, 2.5], name=7),
    "a series without a name": pd.Series(["a"]),
    "levels": pd.DataFrame(np.ones((2, 2)), pd.MultiIndex.from_tuples([(1, "x"), (2, "y")]), pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
    "complex, interval, sparse": pd.DataFrame({"c": [1 + 2j, 0], "i": pd.interval_range(0, 2), "s": pd.arrays.SparseArray([0.0, 1.0])}),
    "dates of long ago": pd.DataFrame({"t": np.array(["0001-01-01", "9999-12-31"], "M8[s]")}),
    "half a character": pd.DataFrame({"a": pd.Series(["\ud800", "b"], dtype=object)}),
    "arrow, no rows": pa.table({"a": pa.array([], pa.int64()), "v": pa.array([], pa.string_view())}),
    "arrow, nothing": pa.table({}),
    "polars, nothing": pl.DataFrame(),
    "polars, 128 bits": pl.DataFrame({"a": pl.Series([2**100, None], dtype=pl.Int128)}),
    "polars, objects": pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object), "b": [1]}),
    "polars, nested": pl.DataFrame({"a": [[1], None], "b": [{"x": 1}, {"x": 2}], "d": [dt.timedelta(1), None]}),
    "a series of polars": pl.Series("p", [dt.date(2024, 1, 1)]),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_odd_tables_are_shown_too(name: str) -> None:
    made = shown(FRAMES[name])
    assert isinstance(made, TablePreview)
    assert len(made.columns) == made.column_count
    assert len(made.head) == min(made.rows, HEAD)
    assert all(len(row) == len(made.columns) for row in made.head)


def test_numbers_keep_every_digit() -> None:
    values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0]
    made = preview_of(pd.DataFrame({"x": values}))
    assert made is not None
    assert [row[0] for row in made.head] == values
    assert (made.columns[0].min, made.columns[0].max) == (-0.0, values[2])


def test_whole_numbers_that_no_double_holds_are_their_digits() -> None:
    column = _column(pd.DataFrame({"n": np.array([2**64 - 1, 2**53], "u8")}))
    assert (column.min, column.max) == (2**53, str(2**64 - 1))
    objects = preview_of(pd.DataFrame({"n": [10**30, -(10**5000)]}))
    assert objects is not None
    assert objects.head == [[str(10**30)], ["a whole number of 16,610 bits"]]


def test_32_bit_floats_are_shown_with_their_own_digits() -> None:
    for value in (
        pd.DataFrame({"x": np.array([0.1], "f4")}),
        pa.table({"x": pa.array(np.array([0.1], "f4"))}),
        pl.DataFrame({"x": np.array([0.1], "f4")}),
    ):
        made = preview_of(value)
        assert made is not None
        assert (made.head[0][0], made.columns[0].min) == (0.1, 0.1)


def test_decimals_are_exact_and_have_statistics() -> None:
    cents = [decimal.Decimal("1.10"), None, decimal.Decimal("12345678901234567890.12")]
    for value in (pa.table({"d": pa.array(cents, pa.decimal128(30, 2))}), pl.DataFrame({"d": cents})):
        column = _column(value)
        assert (column.min, column.max, column.nulls) == ("1.10", "12345678901234567890.12", 1)
        assert column.statistics is not None


def test_nothing_but_nan_has_no_least() -> None:
    for value in (pd.Series([np.nan]), pa.table({"a": [math.nan]}), pl.Series([math.nan])):
        assert (_column(value).min, _column(value).statistics) == (None, None)


def test_nanoseconds_and_zones_are_kept() -> None:
    times = pd.to_datetime(["2024-01-01T00:00:00.000000001Z"]).tz_convert("Europe/Berlin")
    for value in (pd.DataFrame({"t": times}), pa.table({"t": pa.array(times)})):
        assert _column(value).min == "2024-01-01T01:00:00.000000001+01:00"


def test_categories_are_counted() -> None:
    for value in (
        pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], categories=["a", "b", "never"])}),
        pa.table({"c": pa.array(["a", "b", "a"]).dictionary_encode()}),
        pl.DataFrame({"c": pl.Series(["a", "b", "a"], dtype=pl.Categorical)}),
    ):
        column = _column(value)
        assert column.top is not None
        assert [(count.value, count.count) for count in column.top] == [("a", 2), ("b", 1)]


class Unspeakable:
    """Cannot be written as text."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_one_bad_column_leaves_the_others() -> None:
    made = preview_of(
        pd.DataFrame({"bad": [Unspeakable()] * 6000, "mixed": ["a"] * 5000 + [["list"]] * 1000, "n": range(6000)})
    )
    assert made is not None
    assert "cannot be shown" in str(made.head[0][0])
    assert made.columns[1].top is None
    assert (made.columns[2].max, made.head[1][2]) == (5999, 1)


def test_a_type_that_the_library_cannot_sample_keeps_name_and_head() -> None:
    made = preview_of(pa.table({"v": pa.array(["x", "y"], pa.string_view()), "n": [1, 2]}))
    assert made is not None
    assert (made.columns[0].name, made.head[0], made.columns[1].max) == ("v", ["x", 1], 2)


def test_ten_thousand_columns_are_told_and_a_hundred_at_most_shown() -> None:
    made = shown(pd.DataFrame(np.random.default_rng(0).normal(size=(30, 10_000))))
    assert isinstance(made, TablePreview)
    assert made.column_count == 10_000
    assert 50 < len(made.columns) <= COLUMNS


def test_very_long_texts_and_names_are_cut_and_their_length_told() -> None:
    made = shown(pd.DataFrame({"n" * 100_000: ["y" * 1_000_000] * 30}))
    assert isinstance(made, TablePreview)
    assert made.columns[0].name.endswith("(100,000 characters)")
    assert str(made.head[0][0]).endswith("(1,000,000 characters)")


def test_the_head_is_of_the_first_rows_and_labels_are_shown_where_there_are_any() -> None:
    made = preview_of(pd.DataFrame({"a": range(100)}, index=[f"row {n}" for n in range(100)]))
    assert made is not None
    assert (made.head[19], made.index and made.index[19]) == ([19], "row 19")
    plain = preview_of(pd.DataFrame({"a": range(3)}))
    assert plain is not None
    assert plain.index is None


def test_a_large_table_is_sampled_and_its_extremes_are_exact() -> None:
    values = np.zeros(1_000_000)
    values[777_777] = 5.0
    made = preview_of(pd.DataFrame({"x": values, "y": np.arange(1_000_000.0)}))
    assert made is not None
    assert 0.99 * SAMPLE < made.sample_rows <= SAMPLE
    assert (made.columns[0].max, made.columns[0].exact) == (5.0, True)
    statistics = made.columns[1].statistics
    assert statistics is not None
    assert statistics.quantiles is not None
    for quantile, true in zip(statistics.quantiles, (50_000, 250_000, 500_000, 750_000, 950_000), strict=True):
        assert isinstance(quantile, float)
        assert abs(quantile - true) < 2_000, "the sample is even"


def test_of_a_very_large_table_extremes_are_of_the_sample_and_that_is_told() -> None:
    made = preview_of(pa.table({"x": pa.chunked_array([np.ones(1_000_000, "i1")] * 51)}))
    assert made is not None
    assert (made.rows, made.columns[0].exact, made.columns[0].min) == (51_000_000, False, 1)


_CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=300),
    st.binary(max_size=20),
    st.datetimes(),
    st.dates(),
    st.decimals(),
    st.lists(st.integers(), max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_CELLS, _CELLS), max_size=60), st.lists(st.text(max_size=5), min_size=2, max_size=2))
def test_any_frame_of_objects_is_shown_as_json(rows: list[tuple[Any, Any]], names: list[str]) -> None:
    made = shown(pd.DataFrame(rows, columns=names, dtype=object))
    assert (made.rows, made.column_count) == (len(rows), 2)
    assert [row[0] for row in made.head if isinstance(row[0], bool)] == [
        first for first, _ in rows[: len(made.head)] if isinstance(first, bool)
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=200))
def test_any_floats_have_exact_ends_and_a_histogram_of_all_finite_ones(values: list[float]) -> None:
    for value in (pd.Series(values), pa.table({"x": values}), pl.Series("x", values)):
        column = _column(value)
        there = [v for v in values if not math.isnan(v)]
        assert column.min == (_as_cell(min(there)) if there else None)
        assert column.max == (_as_cell(max(there)) if there else None)
        finite = [v for v in values if math.isfinite(v)]
        assert (column.statistics is None) == (not finite)
        if column.statistics is not None and column.statistics.histogram is not None:
            assert sum(column.statistics.histogram.counts) == len(finite)


def _as_cell(value: float) -> float | str:
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
