"""Which write a read has seen, where only time says it."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sematic_airflow_provider.lineage.moments import Moment, reads_that_saw, seen_until, writes_seen

START = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


def _at(second: float) -> dt.datetime:
    return START + dt.timedelta(seconds=second)


def _write(run: str, begin: float, end: float | None, *, failed: bool = False, dag_run: str = "") -> Moment:
    return Moment(run, _at(begin), _at(begin), None if end is None else _at(end), failed, dag_run)


def _read(second: float, run: str = "reader", dag_run: str = "") -> Moment:
    return Moment(run, _at(second), _at(second), _at(second + 5), False, dag_run)


NIGHTLY = [_write("monday", 0, 10), _write("tuesday", 100, 110), _write("wednesday", 200, 210)]


@pytest.mark.parametrize(
    ("second", "seen"),
    [(5, "monday"), (10, "monday"), (99, "monday"), (105, "monday"), (110, "tuesday"), (900, "wednesday")],
)
def test_a_read_sees_the_last_write_that_was_done(second: float, seen: str) -> None:
    assert [write.run_id for write in writes_seen(_read(second), NIGHTLY)] == [seen]


def test_before_the_first_write_nothing_was_seen() -> None:
    assert writes_seen(_read(-1), NIGHTLY) == []


def test_a_failed_write_is_seen_only_where_there_is_no_other() -> None:
    failed = _write("failed", 150, 160, failed=True)
    assert [w.run_id for w in writes_seen(_read(199), [*NIGHTLY, failed])] == ["tuesday"]
    assert [w.run_id for w in writes_seen(_read(199), [failed])] == ["failed"]


def test_what_never_ends_is_seen_beside_what_was_done() -> None:
    stream = _write("stream", 50, None)
    assert {w.run_id for w in writes_seen(_read(150), [*NIGHTLY, stream])} == {"tuesday", "stream"}
    assert {w.run_id for w in writes_seen(_read(40), [*NIGHTLY, stream])} == {"monday"}


def test_a_run_does_not_read_what_it_writes_itself() -> None:
    merge = _write("merge", 105, 150)
    assert [
        w.run_id for w in writes_seen(Moment("merge", _at(105), _at(105), _at(150), False, ""), [*NIGHTLY, merge])
    ] == ["monday"]


def test_within_a_dag_run_an_end_that_is_told_late_counts() -> None:
    late = _write("tuesday", 100, 111, dag_run="t")
    assert [w.run_id for w in writes_seen(_read(110, dag_run="t"), [NIGHTLY[0], late])] == ["tuesday"]
    assert [w.run_id for w in writes_seen(_read(110, dag_run="other"), [NIGHTLY[0], late])] == ["monday"]


def test_a_write_is_seen_until_a_later_one_is_done() -> None:
    reads = [_read(second, f"r{second}") for second in (5, 50, 105, 150)]
    assert [r.run_id for r in reads_that_saw(NIGHTLY[0], reads, NIGHTLY)] == ["r5", "r50", "r105"]
    until = seen_until(NIGHTLY[0], NIGHTLY[1:])
    assert until is not None
    assert _at(110) <= until < _at(150)
    assert seen_until(NIGHTLY[2], []) is None
    assert seen_until(_write("stream", 0, None), NIGHTLY) is None


writes = st.lists(
    st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 20)), st.booleans()), min_size=1, max_size=8
)


@given(writes, st.integers(0, 80), st.randoms())
def test_both_directions_agree_whatever_the_order(
    told: list[tuple[int, int | None, bool]], second: int, random_: random.Random
) -> None:
    some = [
        _write(f"w{n}", begin, None if length is None else begin + length, failed=failed)
        for n, (begin, length, failed) in enumerate(told)
    ]
    read = _read(second)
    seen = {write.run_id for write in writes_seen(read, some)}
    random_.shuffle(some)
    assert {write.run_id for write in writes_seen(read, some)} == seen
    assert {write.run_id for write in some if reads_that_saw(write, [read], some)} == seen
    for write in some:
        until = seen_until(write, some)
        if until is not None and read.at > until:
            assert write.run_id not in seen
