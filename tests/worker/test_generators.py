"""Steps that yield."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

import pytest
from airflow.sdk import Asset, Metadata

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.steps.validation import Validator
from sematic_airflow_provider.worker.generators import result_of


def test_what_is_yielded_is_the_result_and_is_made_when_it_is_asked_for() -> None:
    made: list[int] = []

    def step() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    result = result_of(step(), pytest.fail)
    assert made == [0]
    assert next(result) == 0
    assert made == [0]
    assert list(result) == [1, 2]


def test_metadata_goes_to_the_asset_and_is_no_batch() -> None:
    told: list[Any] = []
    asset = Asset("table")

    def step() -> Iterator[Any]:
        yield Metadata(asset, {"part": 1})
        yield "a"
        yield Metadata(asset, {"part": 2})
        yield "b"

    assert list(result_of(step(), told.append)) == ["a", "b"]
    assert [metadata.extra["part"] for metadata in told] == [1, 2]


def test_a_function_that_yields_only_metadata_results_in_what_it_returns() -> None:
    told: list[Any] = []

    def step(value: Any) -> Generator[Any, None, Any]:
        yield Metadata(Asset("table"), {"rows": 1})
        return value

    assert result_of(step(5), told.append) == 5
    assert result_of(step(None), told.append) is None
    assert len(told) == 2


def test_nothing_yielded_is_no_batches() -> None:
    def step() -> Iterator[int]:
        yield from ()

    assert list(result_of(step(), pytest.fail)) == []


@pytest.mark.parametrize("annotation", [Iterator[int], Iterable[int], Generator[int, None, None]])
def test_batches_are_checked_one_by_one(annotation: Any) -> None:
    def step() -> Any:
        yield 1
        yield "two"

    step.__annotations__["return"] = annotation
    checked = Validator(step).returned(result_of(step(), pytest.fail))
    assert next(checked) == 1
    with pytest.raises(StepError, match="batch 1 should be int, it is str 'two'"):
        next(checked)
