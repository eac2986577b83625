"""The projection from the log anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, select, text, update
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import rebuilding
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import DataRow, EventRow, FlowRow, IoRow, RunRow
from sematic_airflow_provider.db.rebuilding import Progress, rebuild, rebuild_run
from sematic_airflow_provider.lineage.events import parse_event
from tests.db.tables import PROJECTION, projection, sqlite
from tests.events import pipeline, ref, run_id, task_event
from tests.producers import dataset_event, job_event, spark_event

EVENTS = [*pipeline(), *pipeline(dag_run_id="run2"), spark_event(), job_event(), dataset_event()]


def _quiet(progress: Progress) -> None:
    """Nobody looks."""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(rebuilding, "_AT_ONCE", 7)
    with Session(sqlite(tmp_path)) as opened:
        ingest(opened, [parse_event(told) for told in EVENTS])
        yield opened


def _damage(session: Session) -> None:
    """As a person with a database client might."""
    session.execute(
        update(RunRow)
        .where(RunRow.task_id == "join")
        .values(state="running", first_at=dt.datetime.now(dt.timezone.utc))
    )
    session.execute(delete(IoRow).where(IoRow.direction == "write"))
    session.execute(update(IoRow).values(label="wrong"))
    session.execute(delete(RunRow).where(RunRow.run_id == run_id("flow", "run1", "train", -1, 1)))
    session.execute(update(DataRow).values(codec="wrong", rank="0"))
    session.execute(text("DELETE FROM sematic_job"))
    session.execute(text("UPDATE sematic_dataset SET name = 'wrong'"))
    session.execute(text("UPDATE sematic_flow SET out_field = 'wrong'"))
    _add_row(session, run_id("nobody told"))
    session.commit()


def _add_row(session: Session, of_run: str) -> None:
    """A run that no event tells of."""
    stray = session.scalars(select(RunRow).limit(1)).one()
    columns = {column.key: getattr(stray, column.key) for column in RunRow.__table__.columns}
    session.execute(RunRow.__table__.insert(), [columns | {"run_id": of_run}])  # type: ignore[attr-defined]


def test_a_rebuild_of_what_is_right_changes_nothing(session: Session) -> None:
    before = projection(session)
    assert all(before.values())
    done = rebuild(session, _quiet)
    assert (done.events, done.of) == (len(EVENTS), len(EVENTS))
    assert projection(session) == before


def test_what_was_damaged_by_hand_is_right_afterwards(session: Session) -> None:
    before = projection(session)
    _damage(session)
    assert all(projection(session)[table] != before[table] for table in before)
    rebuild(session, _quiet)
    assert projection(session) == before


def test_an_empty_projection_is_made_anew(session: Session) -> None:
    before = projection(session)
    for table in reversed(PROJECTION):
        session.execute(delete(table))
    session.commit()
    rebuild(session, _quiet)
    assert projection(session) == before


def test_a_rebuild_that_was_stopped_goes_on_where_it_was(session: Session) -> None:
    before = projection(session)
    _damage(session)
    told: list[Progress] = []

    def stop(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(session, stop)
    session.rollback()
    assert [progress.events for progress in told] == [7, 14]
    done = rebuild(session, _quiet, after=told[-1].after)
    assert done.events == len(EVENTS) - 14
    assert projection(session) == before


def test_what_comes_in_meanwhile_is_in_the_projection(session: Session, tmp_path: Path) -> None:
    _damage(session)
    late = [
        task_event("COMPLETE", "late", writes={"return_value": ref("x", "join")}),
        task_event("FAIL", "join", second=-5),
    ]
    waiting = [parse_event(told) for told in late]

    def meanwhile(progress: Progress) -> None:
        if waiting:
            with Session(session.get_bind()) as other:
                ingest(other, [waiting.pop()])

    rebuild(session, meanwhile)
    with Session(sqlite(tmp_path, "ordered")) as ordered:
        ingest(ordered, [parse_event(told) for told in [*EVENTS, *late]])
        assert projection(session) == projection(ordered)


def test_a_run_of_which_the_first_event_comes_just_when_its_row_is_removed_stays(
    session: Session, tmp_path: Path
) -> None:
    late = run_id("flow", "run1", "late", -1, 1)
    _add_row(session, late)
    session.commit()
    looked: list[str] = []

    @event.listens_for(session.get_bind(), "before_cursor_execute")
    def meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if looked == ["for runs of no event"]:
            looked.append("and what it found is about to be removed")
            with Session(sqlite(tmp_path, "lineage")) as other:
                ingest(other, [parse_event(task_event("START", "late"))])
        elif not looked and "NOT (EXISTS" in statement and statement.startswith("SELECT sematic_run.run_id"):
            looked.append("for runs of no event")

    rebuild(session, _quiet)
    assert len(looked) == 2
    assert session.scalars(select(RunRow.state).where(RunRow.run_id == late)).all() == ["running"]


def test_one_run_is_made_anew_alone(session: Session) -> None:
    join = run_id("flow", "run1", "join", -1, 1)
    wrote = select(IoRow.node_id).where(IoRow.run_id == join, IoRow.direction == "write")
    codecs = select(DataRow.node_id, DataRow.codec).where(DataRow.node_id.in_(wrote))
    before = session.execute(codecs).all()
    session.execute(update(RunRow).values(state="wrong"))
    session.execute(update(DataRow).values(codec="wrong"))
    session.commit()
    assert rebuild_run(session, join) == 2
    assert session.execute(codecs).all() == before
    states = {row.run_id: row.state for row in session.scalars(select(RunRow))}
    assert states.pop(join) == "success"
    assert set(states.values()) == {"wrong"}
    assert rebuild_run(session, run_id("no such run")) == 0


def test_since_a_time_only_runs_with_events_from_then_on_are_made_anew(session: Session) -> None:
    now = dt.datetime.now(dt.timezone.utc)
    session.execute(update(EventRow).values(received_at=now - dt.timedelta(days=9)))
    session.execute(update(EventRow).where(EventRow.id == 1).values(received_at=now))
    session.execute(update(RunRow).values(state="wrong"))
    session.commit()
    done = rebuild(session, _quiet, since=now - dt.timedelta(days=1))
    assert (done.events, done.runs) == (1, 1)
    assert sorted(set(session.scalars(select(RunRow.state)))) == ["success", "wrong"]


def test_flows_are_there_to_be_damaged(session: Session) -> None:
    assert session.scalars(select(FlowRow)).first() is not None
