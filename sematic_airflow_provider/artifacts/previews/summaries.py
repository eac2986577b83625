"""Statistics of numbers in NumPy arrays, and counts of values. All samples are fixed by the number of elements alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import nsmallest
from typing import Any

from sematic_airflow_provider.artifacts.previews.cells import cell
from sematic_airflow_provider.artifacts.previews.form import QUANTILES, Count, Histogram, Statistics

BINS = 20
TOP = 10
_PIECE = 1 << 16  # elements that stay in the processor's cache while they are looked at
_GOLDEN = 0.6180339887498949


def spread(count: int, wanted: int) -> Any:
    """Positions among so many, sorted: all of them, or as many as are wanted (a few fewer, where two fall together).

    Multiples of the golden ratio: even, and in step with no period that the data may have.
    """
    import numpy as np

    if count <= wanted:
        return np.arange(count)
    return np.unique((np.arange(wanted) * _GOLDEN % 1 * count).astype(np.int64))


def extremes(flat: Any) -> tuple[Any, Any, int, int]:
    """Least and greatest number, how many are NaN, and how many infinite; piece by piece. None where there is no number."""
    import numpy as np

    low = high = None
    nan = inf = 0
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        least, most = piece.min(), piece.max()
        if piece.dtype.kind == "f":
            if np.isnan(least):  # one NaN makes it so; only then the slower functions that pass it over
                nan += int(np.count_nonzero(np.isnan(piece)))
                least, most = np.fmin.reduce(piece), np.fmax.reduce(piece)
                if np.isnan(least):
                    continue
            if np.isinf(least) or np.isinf(most):
                inf += int(np.count_nonzero(np.isinf(piece)))
        low = least if low is None else min(low, least)
        high = most if high is None else max(high, most)
    return low, high, nan, inf


def statistics(sample: Any) -> Statistics | None:
    """Of the finite numbers of a sample; None where there is none."""
    import numpy as np

    values = np.asarray(sample).astype(np.float64, copy=False)
    finite = np.isfinite(values)
    if not finite.all():
        values = values[finite]
    if not values.size:
        return None
    with np.errstate(all="ignore"):
        return Statistics(
            mean=cell(float(values.mean())),
            std=cell(float(values.std())),
            quantiles=[cell(float(q)) for q in np.quantile(values, QUANTILES)],
            histogram=_histogram(values),
        )


def _histogram(values: Any) -> Histogram | None:
    import numpy as np

    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        return None  # the width of the bins would not be a number
    if low == high:
        return Histogram(low=low, high=high, counts=[int(values.size)])
    try:
        counts, _ = np.histogram(values, bins=BINS, range=(low, high))
    except ValueError:  # too close together for twenty borders between them
        return None
    return Histogram(low=low, high=high, counts=[int(count) for count in counts])


def most_common(values: Iterable[Any]) -> tuple[list[Count] | None, int | None]:
    """The values that are there most often, and how many different ones there are; None where they cannot be counted."""
    try:
        counts = Counter(values)
    except TypeError:  # a list or the like among them
        return None, None
    ranked = nsmallest(TOP, counts.items(), key=lambda pair: (-pair[1], str(cell(pair[0]))))
    return [Count(value=cell(value), count=count) for value, count in ranked], len(counts)
