"""Sets of numbers as ranges, against Python's own sets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sematic_airflow_provider.db.ranges import Ranges, ranges_of

_PAIRS = st.lists(st.tuples(st.integers(-20, 60), st.integers(0, 9)), max_size=30)


@given(_PAIRS)
def test_what_was_added_is_in_and_nothing_else(pairs: list[tuple[int, int]]) -> None:
    ranges, numbers = Ranges(), set[int]()
    for first, more in pairs:
        ranges.add(first, first + more)
        numbers |= set(range(first, first + more + 1))
    assert [number in ranges for number in range(-25, 75)] == [number in numbers for number in range(-25, 75)]
    assert ranges.last == (max(numbers) if numbers else 0)


@given(st.sets(st.integers(-30, 30)))
def test_rows_without_gaps_are_the_numbers_and_have_gaps_between_them(numbers: set[int]) -> None:
    rows = ranges_of(numbers)
    assert {number for first, last in rows for number in range(first, last + 1)} == numbers
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(rows))
