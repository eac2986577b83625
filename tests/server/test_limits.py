"""How much a poster may send."""

from __future__ import annotations

import pytest
from fastapi import HTTPException

from sematic_airflow_provider.server.limits import Buckets, check_rate


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_ten_seconds_and_fills_again() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert [buckets.take("a", 50, 10) for _ in range(2)] == [0, 0]
    assert buckets.take("a", 1, 10) == pytest.approx(0.1)
    clock.now += 0.1
    assert buckets.take("a", 1, 10) == 0
    clock.now += 1000
    assert buckets.take("a", 100, 10) == 0
    assert buckets.take("a", 100, 10) == pytest.approx(10)


def test_posters_have_buckets_of_their_own() -> None:
    buckets = Buckets(Clock())
    assert buckets.take("a", 100, 10) == 0
    assert buckets.take("b", 100, 10) == 0


def test_a_batch_larger_than_a_bucket_passes_a_full_one_and_is_paid_for_after() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert buckets.take("a", 1000, 10) == 0
    assert buckets.take("a", 1, 10) == pytest.approx(90.1)
    clock.now += 90.1
    assert buckets.take("a", 1, 10) == 0


def test_a_refused_request_takes_nothing() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    buckets.take("a", 95, 10)
    for _ in range(100):
        assert buckets.take("a", 10, 10) > 0
    clock.now += 0.5
    assert buckets.take("a", 10, 10) == 0


def test_no_rate_is_no_limit() -> None:
    buckets = Buckets(Clock())
    assert [buckets.take("a", 10**9, 0) for _ in range(3)] == [0, 0, 0]


def test_who_sends_too_much_is_told_when_to_come_again_in_a_way_that_clients_obey() -> None:
    buckets = Buckets(Clock())
    check_rate("a", 10, 1, buckets)
    with pytest.raises(HTTPException) as refused:
        check_rate("a", 5, 1, buckets)
    assert refused.value.status_code == 503
    assert refused.value.headers == {"Retry-After": "5"}
    assert "lineage_rate_limit" in str(refused.value.detail)


def test_the_posters_that_were_quiet_longest_are_forgotten() -> None:
    buckets = Buckets(Clock())
    for n in range(10_050):
        buckets.take(f"p{n}", 100, 10)
    assert buckets.take("p10049", 100, 10) > 0
    assert buckets.take("p0", 100, 10) == 0
