"""Sets of whole numbers that mostly follow one another, such as the ids of events."""

from __future__ import annotations

import bisect
from collections.abc import Iterable


class Ranges:
    """Such a set: memory grows with the gaps, not with the numbers."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __contains__(self, number: int) -> bool:
        at = bisect.bisect_right(self._starts, number) - 1
        return at >= 0 and number <= self._ends[at]

    def add(self, first: int, last: int) -> None:
        """Add all numbers from the first to the last."""
        low = bisect.bisect_left(self._ends, first - 1)
        high = bisect.bisect_right(self._starts, last + 1)
        if low < high:
            first, last = min(first, self._starts[low]), max(last, self._ends[high - 1])
        self._starts[low:high], self._ends[low:high] = [first], [last]

    @property
    def last(self) -> int:
        """The greatest; 0 where there is none."""
        return self._ends[-1] if self._ends else 0


def ranges_of(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """First and last of each row of numbers without a gap, in order."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)
