"""Steps that yield. What they yield are batches, stored one at a time; asset metadata among it goes to the asset's event, as in any Airflow task."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import Any

Tell = Callable[[Any], None]


def result_of(generator: Generator[Any, None, Any], tell: Tell) -> Any:
    """What a generator function results in: its batches or, where it yields nothing but metadata, what it returns in the end.

    The function runs until its first batch now, and goes on as the batches are asked for.
    """
    from airflow.sdk.definitions.asset.metadata import Metadata

    told = False
    while True:
        try:
            item = next(generator)
        except StopIteration as end:
            return iter(()) if end.value is None and not told else end.value
        if not isinstance(item, Metadata):
            return chain((item,), _batches(generator, tell))
        tell(item)
        told = True


def _batches(generator: Iterator[Any], tell: Tell) -> Iterator[Any]:
    from airflow.sdk.definitions.asset.metadata import Metadata

    for item in generator:
        if isinstance(item, Metadata):
            tell(item)
        else:
            yield item


def teller(outlet_events: Any) -> Tell:
    """Adds metadata to the events of a task's outlets, as Airflow does."""

    def tell(metadata: Any) -> None:
        outlet_events[metadata.asset].extra.update(metadata.extra)
        if metadata.alias:
            outlet_events[metadata.alias].add(metadata.asset, extra=metadata.extra)

    return tell
