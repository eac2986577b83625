"""Seals: a chain of blocks over the log. integration/test_audit.py has several sealers at once on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, event, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import seals
from sematic_airflow_provider.db.audit import verify
from sematic_airflow_provider.db.event_store import append_and_project
from sematic_airflow_provider.db.models import EventRow, SealRow, UnsealedRow
from sematic_airflow_provider.db.seals import BEFORE_THE_FIRST, entries_of, head, packed_entries, seal, seal_hash
from sematic_airflow_provider.lineage.events import parse_event
from tests.db.lineage_database import database, take
from tests.events import pipeline, task_event


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with database(tmp_path) as opened:
        yield opened


def _append(session: Session, *events: dict[str, Any]) -> None:
    """Commit events without the sealing that follows."""
    append_and_project(session, [parse_event(event) for event in events])
    session.commit()


def _waiting(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(UnsealedRow)) or 0


def test_taking_events_in_seals_them(session: Session) -> None:
    take(session, *pipeline())
    found = head(session)
    assert found is not None
    assert (found.number, found.events, _waiting(session)) == (1, 10, 0)


def test_a_process_seals_now_and_then_and_leaves_what_waits_to_the_next(session: Session) -> None:
    take(session, *pipeline())
    take(session, *pipeline(dag_run_id="run2"))
    assert _waiting(session) == 10
    assert seal(session) == 10
    assert seal(session) == 0


def test_seals_hang_on_each_other_and_name_every_event_once_in_order(session: Session) -> None:
    for number in range(3):
        _append(session, *pipeline(dag_run_id=f"run{number}"))
    assert seal(session, most=7) == 30
    rows = session.scalars(select(SealRow).order_by(SealRow.number)).all()
    assert [row.count for row in rows] == [7, 7, 7, 7, 2]
    assert [row.previous for row in rows] == [BEFORE_THE_FIRST, *(row.hash for row in rows[:-1])]
    entries = [entry for row in rows for entry in entries_of(row.entries)]
    assert entries == [
        tuple(row) for row in session.execute(select(EventRow.id, EventRow.digest).order_by(EventRow.id))
    ]
    for row in rows:
        assert row.hash == seal_hash(row.number, row.sealed_at, row.count, row.entries, row.previous)


def test_a_hash_depends_on_all_that_stands_in_a_seal(session: Session) -> None:
    take(session, *pipeline())
    row = session.scalars(select(SealRow)).one()
    facts = (row.number, row.sealed_at, row.count, row.entries, row.previous)
    others = (2, row.sealed_at.replace(microsecond=1), 9, packed_entries([(1, "0" * 64)]), "1" * 64)
    for place, other in enumerate(others):
        assert seal_hash(*facts[:place], other, *facts[place + 1 :]) != row.hash  # type: ignore[arg-type]


def test_what_was_committed_before_a_crash_is_sealed_after_it(session: Session) -> None:
    _append(session, *pipeline())  # and the process ends here
    assert head(session) is None
    assert seal(session) == 10
    assert verify(session).whole


def test_a_sealer_that_dies_in_the_middle_leaves_all_in_the_queue(session: Session, tmp_path: Path) -> None:
    _append(session, *pipeline())
    engine = create_engine(f"sqlite:///{tmp_path}/lineage.db")

    @event.listens_for(engine, "before_cursor_execute")
    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM sematic_unsealed"):
            raise OperationalError(statement, {}, Exception("killed"))

    with Session(engine) as dying, pytest.raises(OperationalError, match="killed"):
        seal(dying)
    assert (head(session), _waiting(session)) == (None, 10)
    assert seal(session) == 10


@pytest.mark.thorough
def test_sealers_at_once_make_one_chain(session: Session, tmp_path: Path) -> None:
    _append(session, *(e for n in range(12) for e in pipeline(dag_run_id=f"run{n}")))
    barrier = threading.Barrier(4)

    def work() -> None:
        with Session(create_engine(f"sqlite:///{tmp_path}/lineage.db", connect_args={"timeout": 30})) as own:
            barrier.wait()
            for _ in range(60):
                seal(own, most=5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seal(session, most=5)
    found = verify(session)
    assert (found.whole, found.events, found.waiting) == (True, 120, 0)


def test_a_database_that_fails_while_it_seals_does_not_fail_who_took_events_in(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    seals.SealRow.__table__.drop(session.get_bind())  # type: ignore[attr-defined]
    assert take(session, *pipeline()) == 10
    assert "events cannot be sealed now" in caplog.text
    assert _waiting(session) == 10


def test_an_event_that_was_removed_while_it_waited_is_sealed_as_removed(session: Session) -> None:
    _append(session, task_event("START", "a"), task_event("COMPLETE", "a", second=1))
    session.execute(delete(EventRow).where(EventRow.id == 1))
    session.commit()
    seal(session)
    found = verify(session)
    assert [(one.kind, one.event_id) for one in found.told] == [("removed", 1)]
    assert "before it was sealed" in found.told[0].what
