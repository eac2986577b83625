"""What deferred steps wait for, on a store on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.steps import flight, records
from sematic_airflow_provider.worker import stores
from sematic_airflow_provider.worker.triggers import StepComputedTrigger

KEY = digest_bytes(b"a step that another run computes")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    opened = LocalStore(str(tmp_path))
    with stores.given(Repository(opened)):
        yield opened


def entry() -> records.Entry:
    return records.Entry(key=KEY, parts={}, outputs={}, by=records.By("dag", "run", "task", -1, 0.0))


async def fired(trigger: StepComputedTrigger) -> dict[str, object]:
    return dict((await anext(aiter(trigger.run()))).payload)


async def fired_while(trigger: StepComputedTrigger, happens: object) -> tuple[bool, bool]:
    """Whether it had fired before something happened, and whether it has afterwards."""
    waiting = asyncio.create_task(fired(trigger))
    await asyncio.sleep(0.5)
    before = waiting.done()
    happens()  # type: ignore[operator]
    await asyncio.wait_for(waiting, 10)
    return before, waiting.done()


def test_where_nobody_computes_it_it_fires_at_once(store: LocalStore) -> None:
    assert asyncio.run(fired(StepComputedTrigger(KEY, limit=0.0))) == {"key": KEY, "overdue": False}


def test_it_fires_when_the_entry_is_there(store: LocalStore) -> None:
    lease = flight.try_lead(store, KEY, "another run")
    assert lease is not None
    try:
        found = asyncio.run(fired_while(StepComputedTrigger(KEY), lambda: records.write_entry(store, entry())))
    finally:
        lease.end()
    assert found == (False, True)


def test_it_fires_when_who_computed_it_has_failed(store: LocalStore) -> None:
    lease = flight.try_lead(store, KEY, "another run")
    assert lease is not None
    assert asyncio.run(fired_while(StepComputedTrigger(KEY), lease.end)) == (False, True)


def test_it_fires_after_its_limit_in_any_case(store: LocalStore) -> None:
    lease = flight.try_lead(store, KEY, "another run")
    assert lease is not None
    try:
        assert asyncio.run(fired(StepComputedTrigger(KEY, limit=0.3))) == {"key": KEY, "overdue": True}
    finally:
        lease.end()


def test_it_is_made_anew_from_what_the_database_keeps(store: LocalStore) -> None:
    path, arguments = StepComputedTrigger(KEY, limit=5.0).serialize()
    assert path.rpartition(".")[2] == "StepComputedTrigger"
    again = StepComputedTrigger(**arguments)
    assert (again.key, again.limit) == (KEY, 5.0)


def test_who_is_impatient_is_told_who_computes_it(store: LocalStore) -> None:
    lease = flight.try_lead(store, KEY, "dag/run/task")
    assert lease is not None
    try:
        with pytest.raises(flight.ComputedElsewhereError, match="dag/run/task"):
            flight.lead_or_find(store, KEY, "me", lambda: None, patience=0.1)
    finally:
        lease.end()
