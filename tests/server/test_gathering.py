"""Single events taken in together, by threads as the API server has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy.exc import DataError, OperationalError

from sematic_airflow_provider.lineage.events import Event, parse_event
from sematic_airflow_provider.server.gathering import Gatherer
from tests.events import task_event


def _event(number: int) -> Event:
    return parse_event(task_event("START", f"task_{number}"))


class _Database:
    """Takes events in one transaction after the other, and remembers which; the first transactions can be held."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.known: set[str] = set()
        self.goes_on = threading.Event()
        self.entered = threading.Event()
        self.inside = 0
        self.bad: set[str] = set()
        self.down = False

    def take(self, events: Sequence[Event]) -> set[str]:
        self.inside += 1
        assert self.inside == 1, "two transactions at once"
        self.entered.set()
        try:
            assert self.goes_on.wait(10)
            if self.down:
                raise OperationalError("INSERT", {}, Exception("the server closed the connection"))
            digests = {event.digest for event in events}
            if digests & self.bad:
                raise DataError("INSERT", {}, Exception("out of range"))
            self.batches.append([event.name.rsplit("_", 1)[-1] for event in events])
            new, self.known = digests - self.known, self.known | digests
            return new
        finally:
            self.inside -= 1


def _together(database: _Database, events: Sequence[Event], most: int = 100) -> list[Future[bool]]:
    """The first is in its transaction when the others arrive, in their order."""
    gatherer = Gatherer(database.take, most)
    with ThreadPoolExecutor(len(events)) as pool:
        found = []
        for number, event in enumerate(events):
            found.append(pool.submit(gatherer.take, event))
            if number == 0:
                assert database.entered.wait(10)
            else:
                _until(lambda number=number: len(gatherer._waiting) == number)  # type: ignore[misc]
        database.goes_on.set()
    assert not gatherer._busy
    return found


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_events_that_arrive_while_a_transaction_runs_share_the_next_one() -> None:
    database = _Database()
    found = _together(database, [_event(n) for n in range(6)])
    assert database.batches == [["0"], ["1", "2", "3", "4", "5"]]
    assert all(one.result() for one in found)


def test_a_transaction_has_so_many_events_at_most() -> None:
    database = _Database()
    _together(database, [_event(n) for n in range(6)], most=2)
    assert database.batches == [["0"], ["1", "2"], ["3", "4"], ["5"]]


def test_one_that_the_database_cannot_hold_is_refused_alone() -> None:
    database = _Database()
    events = [_event(n) for n in range(4)]
    database.bad = {events[2].digest}
    found = _together(database, events)
    assert [one.exception() is None for one in found] == [True, True, False, True]
    assert isinstance(found[2].exception(), DataError)
    assert all(found[n].result() for n in (0, 1, 3))
    assert database.batches == [["0"], ["1"], ["3"]]


def test_equal_events_in_one_transaction_are_new_once() -> None:
    found = _together(_Database(), [_event(0), _event(1), _event(1), _event(0)])
    assert sorted(one.result() for one in found) == [False, False, True, True]


def test_a_database_that_is_away_is_told_to_all_and_the_next_event_is_taken_again() -> None:
    database = _Database()
    database.down = True
    found = _together(database, [_event(n) for n in range(3)])
    assert [type(one.exception()) for one in found] == [OperationalError] * 3
    database.down = False
    assert Gatherer(database.take).take(_event(7))
    gatherer = Gatherer(database.take)
    database.down = True
    with pytest.raises(OperationalError):
        gatherer.take(_event(8))
    database.down = False
    assert gatherer.take(_event(8))


def test_many_threads_have_each_event_taken_once() -> None:
    database = _Database()
    database.goes_on.set()
    gatherer = Gatherer(database.take, most=7)
    events = [_event(n % 200) for n in range(400)]
    with ThreadPoolExecutor(16) as pool:
        new = list(pool.map(gatherer.take, events))
    assert sum(new) == 200
    assert sum(map(len, database.batches)) == 400
