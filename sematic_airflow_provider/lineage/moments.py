"""Which write of a data set a read has seen, where no version says it: many runs write and read a table under one name.

A read sees what was written last before it. All is decided by the times that events tell, so the order in which they arrive does not matter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SLACK: Final = dt.timedelta(seconds=2)
"""How much later than a read a write of the same Dag run may be told to have ended: clocks differ, and Airflow tells the end late."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A read or write of a data set. ``at`` is when it was first told, ``began`` and ``ended`` are of the run; ``ended`` is None while it runs."""

    run_id: str
    at: dt.datetime
    began: dt.datetime
    ended: dt.datetime | None
    failed: bool
    dag_run: str

    @property
    def settled(self) -> dt.datetime:
        """When what was written is there: at the end of the run, where that is known."""
        return self.ended or self.at


def writes_seen(read: Moment, writes: Iterable[Moment]) -> list[Moment]:
    """The writes that a read may have seen: the last that was done before it, and those of runs that never end, as of streams.

    Where none was done, the last one that had begun. What a run wrote itself, it did not read.
    """
    others = [write for write in writes if write.run_id != read.run_id]
    streams = [write for write in others if write.ended is None and write.at <= read.at]
    done = [write for write in others if not write.failed and _is_done(write, read)]
    if done:
        return [max(done, key=lambda write: (write.settled, write.at, write.run_id)), *streams]
    if streams:
        return streams
    begun = [write for write in others if write.at <= read.at]
    return [max(begun, key=lambda write: (not write.failed, write.at, write.run_id))] if begun else []


def reads_that_saw(write: Moment, reads: Iterable[Moment], writes: Sequence[Moment]) -> list[Moment]:
    """Of these reads those that may have seen a write; ``writes`` are the other ones around it."""
    among = [write, *(other for other in writes if other.run_id != write.run_id)]
    return [read for read in reads if any(seen.run_id == write.run_id for seen in writes_seen(read, among))]


def seen_until(write: Moment, later: Iterable[Moment]) -> dt.datetime | None:
    """No read after this moment has seen a write; None: there is no such moment yet."""
    if write.ended is None:
        return None
    ends = [w.ended for w in later if w.ended is not None and not w.failed and w.ended > write.ended]
    return min(ends) + SLACK if ends else None


def _is_done(write: Moment, read: Moment) -> bool:
    if write.ended is None:
        return False
    if write.ended <= read.at:
        return True
    same = write.dag_run != "" and write.dag_run == read.dag_run
    return same and write.began <= read.at and write.ended <= read.at + SLACK
