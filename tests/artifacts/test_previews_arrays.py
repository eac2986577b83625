"""Previews of arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.previews.arrays import SAMPLE, preview_of
from tests.artifacts.preview_checks import shown


def test_an_array_shows_shape_type_and_statistics() -> None:
    made = shown(np.array([[1.5, 2.5], [np.nan, -np.inf]]))
    assert (made.shape, made.dtype, made.nbytes, made.exact) == ([2, 2], "float64", 32, True)
    assert (made.nan, made.inf, made.min, made.max) == (1, 1, "-Infinity", 2.5)
    assert made.first == [1.5, 2.5, "NaN", "-Infinity"]
    assert (made.statistics.mean, made.statistics.std) == (2.0, 0.5)
    assert sum(made.statistics.histogram.counts) == 2


@pytest.mark.parametrize(
    ("array", "first"),
    [
        (np.array(5.5), [5.5]),
        (np.float32(0.1), [0.1]),
        (np.array([0.1], "f2"), [0.1]),
        (np.array([1.1], np.longdouble), [str(np.longdouble(1.1))]),
        (np.array([True, False]), [True, False]),
        (np.array([1 + 2j]), ["(1+2j)"]),
        (np.array(["2024-01-01", "NaT"], "M8[ns]"), ["2024-01-01T00:00:00.000000000", None]),
        (np.array(5, "m8[s]"), ["5 seconds"]),
        (np.array(["a", "bb"]), ["a", "bb"]),
        (np.array([b"ab"]), ["6162"]),
        (np.zeros((0, 3)), []),
        (np.array([], "U5"), []),
        (np.array(["NaT"], "M8[D]"), [None]),
        (np.array([2**64 - 1], "u8"), [str(2**64 - 1)]),
        (np.arange(3).astype(">i8"), [0, 1, 2]),
        (np.zeros(2, [("a", "i4"), ("b", "U3")]), ["(0, '')", "(0, '')"]),
        (np.array([None, 1, "x"], object), [None, 1, "x"]),
        (np.zeros((1,) * 32), [0.0]),
        (np.array([5e-324, 0.0]), [5e-324, 0.0]),
    ],
)
def test_arrays_of_every_type_are_shown(array: Any, first: list[Any]) -> None:
    made = shown(array)
    assert made.first == first
    assert made.shape == list(np.shape(array))


def test_texts_are_counted_and_times_have_ends() -> None:
    texts = shown(np.array(["b", "a", "b"]))
    assert [(count.value, count.count) for count in texts.top] == [("b", 2), ("a", 1)]
    times = shown(np.array(["2024-01-02", "NaT", "2024-01-01"], "M8[D]"))
    assert (times.min, times.max) == ("2024-01-01", "2024-01-02")
    flags = shown(np.array([True, True, False]))
    assert [(count.value, count.count) for count in flags.top] == [(True, 2), (False, 1)]


def test_types_of_very_many_fields_are_cut() -> None:
    made = shown(np.zeros(3, [(f"field{n}", "i4") for n in range(5000)]))
    assert made.dtype.endswith("characters)")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(10_000.0).reshape(100, 100)[::2, ::3],
        np.asfortranarray(np.arange(10_000.0).reshape(100, 100)),
        np.arange(10_000.0)[::3],
        np.arange(10_000.0).reshape(10, 10, 100).transpose(1, 2, 0)[:, ::7],
    ],
    ids=["strided", "columns first", "every third", "transposed"],
)
def test_it_does_not_matter_how_an_array_lies_in_memory(array: Any) -> None:
    made = shown(array)
    assert (made.min, made.max, made.exact) == (array.min(), array.max(), True)
    assert made.first == array.reshape(-1)[:24].tolist()
    assert made.statistics.mean == pytest.approx(array.mean())


def test_of_a_large_array_extremes_are_exact_and_the_rest_is_of_an_even_sample() -> None:
    array = np.arange(3_000_000.0)
    made = shown(array)
    assert (made.min, made.max, made.exact) == (0.0, 2_999_999.0, True)
    assert 0.9 * SAMPLE <= made.sample_size <= SAMPLE
    assert made.statistics.mean == pytest.approx(array.mean(), rel=0.02)


def test_a_huge_array_is_looked_at_in_a_sample_only() -> None:
    array = np.broadcast_to(np.array(1.0), (1 << 18, 1 << 18))  # half a terabyte, if it were there
    made = shown(array)
    assert (made.shape, made.exact, made.min) == ([1 << 18, 1 << 18], False, 1.0)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
def test_sparse_matrices_tell_how_much_they_hold(layout: str) -> None:
    matrix = scipy.sparse.coo_array(([1.5, -2.5], ([0, 3], [1, 2])), shape=(100, 50)).asformat(layout)
    made = shown(matrix)
    assert (made.shape, made.stored) == ([100, 50], matrix.nnz)
    if layout in ("csr", "csc", "coo", "dok"):
        assert (made.min, made.max) == (-2.5, 1.5)


def test_what_is_no_array_is_left_to_others() -> None:
    assert preview_of([1, 2]) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=64), min_size=1, max_size=50))
def test_any_floats_come_back_to_the_last_bit(values: list[float]) -> None:
    made = shown(np.array(values))
    back = [float({"Infinity": "inf", "-Infinity": "-inf"}.get(str(v), v)) for v in made.first]
    for value, found in zip(values, back, strict=False):
        assert found == value or (math.isnan(value) and math.isnan(found))
    assert made.nan == sum(math.isnan(value) for value in values)
    assert made.inf == sum(math.isinf(value) for value in values)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=24))
def test_any_whole_numbers_come_back_exactly(values: list[int]) -> None:
    made = shown(np.array(values, "i8"))
    assert [int(found) for found in made.first] == values
    assert (int(made.min), int(made.max)) == (min(values), max(values))
