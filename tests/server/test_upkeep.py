"""What the API server does beside answering: it seals the log, leaves hashes in the store, looks at Airflow's record, and lets go of old events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.db.anchors import anchors
from sematic_airflow_provider.db.event_store import append_and_project
from sematic_airflow_provider.db.models import EventRow, UnsealedRow, metadata
from sematic_airflow_provider.db.reconciling import Reconciled, Reconciler
from sematic_airflow_provider.db.seals import head
from sematic_airflow_provider.db.sessions import lineage_engine, lineage_session
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.server import reconciling, retaining
from sematic_airflow_provider.server.reconciling import keep_reconciling
from sematic_airflow_provider.server.retaining import keep_retention, let_go
from sematic_airflow_provider.server.sealing import Sealer, keep_sealing
from sematic_airflow_provider.settings import given, load_settings
from tests.events import pipeline


@pytest.fixture
def store(tmp_path: Path, migrated_home: str) -> Iterator[LocalStore]:
    """A store and a database of their own, for this process."""
    made = LocalStore(tmp_path / "store", create=True)
    own = {"store": made.url, "store_conn_id": "", "database": f"sqlite:///{tmp_path}/lineage.db"}
    with given(load_settings()._replace(**own, lineage_keep_days=0)):
        metadata.create_all(lineage_engine())
        yield made


def _append(**names: str) -> None:
    with lineage_session() as session:
        append_and_project(session, [parse_event(event) for event in pipeline(**names)])


def _waiting() -> int:
    with lineage_session() as session:
        return session.scalar(select(func.count()).select_from(UnsealedRow)) or 0


def _payloads() -> int:
    """Events of runs that the log still has the text of."""
    with lineage_session() as session:
        left = select(func.count()).where(EventRow.kind == "run", EventRow.payload.is_not(None))
        return session.scalar(left) or 0


def test_a_round_seals_what_waits_and_leaves_its_hash_in_the_store(store: LocalStore) -> None:
    sealer = Sealer()
    sealer.round()
    assert list(anchors(store)) == []
    _append()
    sealer.round()
    with lineage_session() as session:
        last = head(session)
    assert last is not None
    assert (_waiting(), [(one.number, one.hash) for one in anchors(store)]) == (0, [(1, last.hash)])
    _append(dag_run_id="run2")
    sealer.round()
    assert (_waiting(), len(list(anchors(store)))) == (0, 1)


def test_sealing_goes_on_without_the_store(store: LocalStore, caplog: pytest.LogCaptureFixture) -> None:
    _append()
    with given(load_settings()._replace(store="/does/not/exist")):
        Sealer().round()
    assert _waiting() == 0
    assert "a hash of the log cannot be left in the store now" in caplog.text


def test_the_loop_seals_within_about_a_second(store: LocalStore) -> None:
    async def work() -> None:
        loop = asyncio.create_task(keep_sealing())
        await asyncio.to_thread(_append)
        for _ in range(100):
            await asyncio.sleep(0.1)
            if await asyncio.to_thread(_waiting) == 0:
                break
        loop.cancel()

    asyncio.run(work())
    assert _waiting() == 0


def test_a_database_that_fails_does_not_end_the_loop(store: LocalStore, caplog: pytest.LogCaptureFixture) -> None:
    UnsealedRow.__table__.drop(lineage_engine())  # type: ignore[attr-defined]

    async def work() -> bool:
        loop = asyncio.create_task(keep_sealing())
        for _ in range(100):
            await asyncio.sleep(0.05)
            if "cannot be sealed now" in caplog.text:
                break
        ended = loop.done()
        loop.cancel()
        return ended

    assert not asyncio.run(work())
    assert "lineage events cannot be sealed now, they wait" in caplog.text


def test_old_events_go_where_the_option_says_so(store: LocalStore) -> None:
    _append()
    done, _ = let_go(1)
    assert (done.runs, done.events) == (5, 10)
    assert _payloads() == 0


def test_without_the_option_nothing_ever_goes(store: LocalStore) -> None:
    asyncio.run(asyncio.wait_for(keep_retention(), 5))


def test_the_loop_lets_go_of_what_is_old(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    _append()
    monkeypatch.setattr(retaining, "_FIRST", 0.1)

    async def work() -> None:
        loop = asyncio.create_task(keep_retention())
        while await asyncio.to_thread(_payloads):
            await asyncio.sleep(0.05)
        loop.cancel()

    with given(load_settings()._replace(lineage_keep_days=1)):
        asyncio.run(asyncio.wait_for(work(), 10))


@pytest.mark.thorough
def test_a_look_at_airflows_record_that_fails_is_followed_by_another_until_the_interval_is_0(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[int] = []

    def look(reconciler: Reconciler) -> Reconciled:
        looks.append(1)
        return Reconciled(1, 1) if len(looks) > 1 else Reconciled(1, 1 // 0)

    monkeypatch.setattr(reconciling, "_round", look)

    async def work() -> None:
        with given(load_settings()._replace(reconcile_interval=1)):
            loop = asyncio.create_task(keep_reconciling())
            while len(looks) < 2:
                await asyncio.sleep(0.05)
        with given(load_settings()._replace(reconcile_interval=0)):
            await loop

    asyncio.run(asyncio.wait_for(work(), 20))
    assert "how runs ended cannot be taken from Airflow's record now" in caplog.text
