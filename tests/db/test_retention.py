"""Old runs lose their events and keep what they are told by; late events find their place."""

from __future__ import annotations

import datetime as dt
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, update
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.audit import verify
from sematic_airflow_provider.db.event_store import ingest, rebuild_runs
from sematic_airflow_provider.db.models import DataRow, EventRow, IoRow, PartRow, RunRow
from sematic_airflow_provider.db.packed import facets, uncompressed
from sematic_airflow_provider.db.part_sweep import sweep_parts
from sematic_airflow_provider.db.rebuilding import rebuild
from sematic_airflow_provider.db.retention import Policy, prune
from sematic_airflow_provider.db.seals import seal
from sematic_airflow_provider.errors import LineageError
from sematic_airflow_provider.lineage import rollup
from sematic_airflow_provider.lineage.events import parse_event
from tests.db.lineage_database import database, take
from tests.events import pipeline, ref, run_id, task_event

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc)  # two months after the events
POLICY = Policy(30, "tests")
_SOURCE = {"sourceCode": {"language": "python", "sourceCode": "def fit():\n    return 1\n" * 40}}
_UNKNOWN = {"spark_logicalPlan": {"plan": [{"class": "Project", "num-children": n} for n in range(60)]}}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with database(tmp_path) as opened:
        yield opened


def _pipeline(**names: Any) -> list[dict[str, Any]]:
    events = pipeline(**names)
    for number, event in enumerate(events):
        event["run"]["facets"].update(_UNKNOWN)
        event["run"]["facets"]["airflow"]["dag"]["fileloc"] = "/dags/flow.py"
        event["run"]["facets"]["nominalTime"] = {"nominalStartTime": f"2026-01-01T00:00:{number:02}Z"}
        event["job"]["facets"].update(_SOURCE)
        for dataset in [*event["inputs"], *event["outputs"]]:
            dataset["facets"]["schema"] = {"fields": [{"name": "delay", "type": "double"}]}
            dataset["facets"]["dataQualityMetrics"] = {"rowCount": 5, "columnMetrics": {}}
    return events


def _rows(session: Session, model: Any, *without: str) -> list[Any]:
    columns = [column for column in model.__table__.columns if column.name not in without]
    return sorted(tuple(map(str, row)) for row in session.execute(select(*columns)))


def _projection(session: Session) -> list[Any]:
    """All but facets of runs."""
    return [_rows(session, RunRow, "facets"), _rows(session, DataRow), _rows(session, IoRow, "id")]


def _facets(session: Session, run: str) -> dict[str, Any]:
    return facets(session, [session.scalars(select(RunRow.facets).where(RunRow.run_id == run)).one()])[0]


def _texts(session: Session) -> int:
    return session.scalar(select(func.count()).where(EventRow.kind == "run", EventRow.payload.is_not(None))) or 0


def test_a_run_keeps_its_state_times_reads_and_writes_when_its_events_go(session: Session) -> None:
    take(session, *_pipeline())
    before = _projection(session)
    done = prune(session, POLICY, now=NOW)
    assert (done.runs, done.events, done.kept) == (5, 10, 0)
    assert _texts(session) == 0
    assert _projection(session) == before


def test_of_its_facets_the_main_ones_stay(session: Session) -> None:
    take(session, *_pipeline())
    prune(session, POLICY, now=NOW)
    kept = _facets(session, run_id("flow", "run1", "join", -1, 1))
    assert sorted(kept) == ["airflow", "nominalTime", "sematic_step"]
    assert kept["airflow"]["dag"] == {"dag_id": "flow"}
    assert kept["sematic_step"]["arguments"]["left"]["digest"]


def test_the_log_stays_whole_and_tells_who_removed_what(session: Session) -> None:
    take(session, *_pipeline())
    prune(session, POLICY, now=NOW)
    found = verify(session)
    assert (found.whole, found.events, found.removed) == (True, 10 + 5 + 1, 10)
    assert dict(found.policies) == {"kept 30 days, by tests": 10}


def test_a_text_that_somebody_else_removed_is_found_beside_those_that_retention_did(session: Session) -> None:
    take(session, *_pipeline())
    prune(session, Policy(30, "tests", frozenset({run_id("flow", "run1", "train", -1, 1)})), now=NOW)
    left = session.scalars(select(EventRow.id).where(EventRow.kind == "run", EventRow.payload.is_not(None))).all()
    assert len(left) == 2
    session.execute(update(EventRow).where(EventRow.id == left[0]).values(payload=None))
    session.commit()
    found = verify(session)
    assert [(one.kind, one.event_id) for one in found.told] == [("removed", left[0])]


def test_what_retention_removes_while_the_log_is_verified_is_not_taken_for_tampering(
    session: Session, tmp_path: Path
) -> None:
    for name in ("run1", "run2"):
        take(session, *_pipeline(dag_run_id=name))
        seal(session)

    def let_go(_: str, events: int) -> None:
        if events == 1:  # what the first seal names has been read, what the second one does has not
            with Session(create_engine(f"sqlite:///{tmp_path}/lineage.db", connect_args={"timeout": 30})) as own:
                prune(own, POLICY, now=NOW)

    found = verify(session, progress=let_go)
    assert (found.told, found.removed) == ([], 10)
    assert dict(found.policies) == {"kept 30 days, by tests": 20}


def test_runs_that_are_recent_unfinished_or_pinned_keep_their_events(session: Session) -> None:
    take(session, *_pipeline(), task_event("START", "never_ended"))
    assert prune(session, POLICY, now=dt.datetime(2026, 1, 20, tzinfo=dt.timezone.utc)).runs == 0
    pinned = run_id("flow", "run1", "train", -1, 1)
    done = prune(session, Policy(30, "tests", frozenset({pinned})), now=NOW)
    assert (done.runs, done.kept, _texts(session)) == (4, 1, 3)
    assert "spark_logicalPlan" in _facets(session, pinned)


def test_a_run_that_its_roll_up_would_not_tell_of_as_its_events_do_keeps_them(
    session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rollup, "RUN_FACETS", rollup.RUN_FACETS - {"airflow"})  # as by a version that keeps too little
    take(session, *_pipeline())
    before = _projection(session)
    done = prune(session, POLICY, now=NOW)
    assert (done.runs, done.events, done.kept, _texts(session)) == (0, 0, 5, 10)
    assert _projection(session) == before
    assert "without them it would not be told" in caplog.text


def test_a_dry_run_tells_what_would_go_and_changes_nothing(session: Session) -> None:
    take(session, *_pipeline())
    dry = prune(session, POLICY, now=NOW, dry_run=True)
    assert _texts(session) == 10
    assert prune(session, POLICY, now=NOW) == dry


def test_what_went_does_not_go_again(session: Session) -> None:
    take(session, *_pipeline())
    prune(session, POLICY, now=NOW)
    entries = session.scalar(select(func.count()).select_from(EventRow))
    assert prune(session, POLICY, now=NOW).runs == 0
    assert session.scalar(select(func.count()).select_from(EventRow)) == entries


_LATE = [
    task_event("RUNNING", "train", second=32, facets={"tags": {"tags": [{"key": "late"}]}}),
    task_event("FAIL", "train", second=50),
    task_event("START", "train", second=1),
    task_event("COMPLETE", "train", second=36, reads={"extra": ref("flow.weather.return_value", "weather")}),
    task_event("OTHER", "train", second=-5, writes={"report": ref("flow.train.report", "report")}),
]


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.thorough) for n in range(1, 5))])
def test_late_events_give_the_record_that_they_would_have_given_with_all_the_others(
    session: Session, tmp_path: Path, seed: int
) -> None:
    late = random.Random(seed).sample(_LATE, 3)
    with database(tmp_path, "other") as whole:
        take(whole, *_pipeline(), *late)
        take(session, *_pipeline())
        for event in late:
            prune(session, POLICY, now=NOW)  # a roll-up of a roll-up and what came later
            take(session, event)
        assert _projection(session) == _projection(whole)
        prune(session, POLICY, now=NOW)
        prune(whole, POLICY, now=NOW)
        assert _projection(session) == _projection(whole)
        train = run_id("flow", "run1", "train", -1, 1)
        assert _facets(session, train) == _facets(whole, train)
        assert verify(session).whole


def test_an_event_that_was_removed_is_still_known_when_it_comes_again(session: Session) -> None:
    take(session, *_pipeline())
    prune(session, POLICY, now=NOW)
    assert take(session, *_pipeline()) == 0
    assert _texts(session) == 0


def test_a_run_of_many_events_keeps_their_number(session: Session) -> None:
    storm = [task_event("RUNNING", "train", second=31 + n / 100) for n in range(60)]
    take(session, *_pipeline(), *storm)
    take(session, task_event("RUNNING", "train", second=33))
    prune(session, POLICY, now=NOW)
    take(session, task_event("RUNNING", "train", second=34))
    take(session, task_event("RUNNING", "train", second=34.5))
    row = session.get_one(RunRow, run_id("flow", "run1", "train", -1, 1))
    assert (row.event_count, row.state) == (2 + 60 + 3, "success")
    prune(session, POLICY, now=NOW)
    session.expire_all()
    assert session.get_one(RunRow, row.run_id).event_count == 65


def test_a_rebuild_folds_roll_ups(session: Session) -> None:
    take(session, *_pipeline())
    prune(session, POLICY, now=NOW)
    before = _projection(session)
    runs = list(session.scalars(select(RunRow.run_id)))
    session.execute(update(RunRow).values(state="unknown"))
    session.commit()
    rebuild_runs(session, runs)
    assert _projection(session) == before
    session.execute(update(RunRow).values(state="unknown"))
    session.commit()
    rebuild(session, lambda _: None)  # the whole log, with its notices
    assert _projection(session) == before


@pytest.mark.thorough
def test_events_that_come_in_while_old_runs_are_rolled_up_are_all_folded(session: Session, tmp_path: Path) -> None:
    runs = [f"run{n}" for n in range(12)]
    for name in runs:
        take(session, *_pipeline(dag_run_id=name))
    late = [
        task_event("RUNNING", "train", dag_run_id=name, second=31 + n, facets={"tags": {"tags": [{"key": str(n)}]}})
        for name in runs
        for n in range(4)
    ]

    def tell() -> None:
        engine = create_engine(f"sqlite:///{tmp_path}/lineage.db", connect_args={"timeout": 30})
        with Session(engine) as own:
            for event in late:
                ingest(own, [parse_event(event)])

    writer = threading.Thread(target=tell)
    writer.start()
    while writer.is_alive():
        prune(session, POLICY, now=NOW)
    writer.join()
    prune(session, POLICY, now=NOW)
    counts = session.execute(select(RunRow.task_id, RunRow.event_count)).all()
    assert {count for task, count in counts if task == "train"} == {6}
    assert all(
        _facets(session, run_id("flow", name, "train", -1, 1))["tags"] == {"tags": [{"key": "3"}]} for name in runs
    )
    assert verify(session).whole


def _age_parts(session: Session, days: int = 90) -> None:
    then = dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=days)
    session.execute(update(PartRow).values(seen_on=then))
    session.commit()


def _today() -> dt.date:
    return dt.datetime.now(dt.timezone.utc).date()


def test_parts_that_only_removed_events_had_are_deleted(session: Session) -> None:
    take(session, *_pipeline())
    _age_parts(session)
    assert sweep_parts(session, _today(), pause=0).parts == 0
    prune(session, POLICY, now=NOW)
    _age_parts(session)
    swept = sweep_parts(session, _today(), pause=0)
    assert swept.parts > 0
    assert swept.bytes > 0
    kept = json.dumps([_facets(session, run) for run in session.scalars(select(RunRow.run_id))])
    assert "Project" not in kept
    assert verify(session).whole
    rebuild_runs(session, list(session.scalars(select(RunRow.run_id))))


def test_parts_of_parts_stay_with_those_that_name_them(session: Session) -> None:
    inner = {"text": "a" * 400}
    take(session, task_event("START", "a", facets={"big": {"inner": inner, **{f"n{n}": n for n in range(60)}}}))
    count = session.scalar(select(func.count()).select_from(PartRow))
    assert count == 2
    rows = session.scalars(select(PartRow.content))
    assert sum(b"\0" in uncompressed(content) for content in rows) == 1
    _age_parts(session)
    assert sweep_parts(session, _today(), pause=0).parts == 0
    outer = next(row.key for row in session.scalars(select(PartRow)) if b"\0" in uncompressed(row.content))
    session.execute(update(PartRow).where(PartRow.key == outer).values(seen_on=_today()))
    session.commit()
    assert sweep_parts(session, _today(), pause=0).parts == 0


def test_parts_that_were_needed_lately_stay_whatever_names_them(session: Session) -> None:
    take(session, *_pipeline())
    session.execute(update(EventRow).values(payload=None))
    session.commit()
    _age_parts(session, days=1)
    assert sweep_parts(session, _today(), pause=0).parts == 0


def test_nothing_is_deleted_where_a_damaged_text_may_name_anything(session: Session) -> None:
    take(session, *_pipeline())
    session.execute(update(EventRow).where(EventRow.id == 1).values(payload=b"\x01damaged"))
    session.commit()
    _age_parts(session)
    count = session.scalar(select(func.count()).select_from(PartRow))
    with pytest.raises(LineageError, match="What it names cannot be told"):
        sweep_parts(session, _today(), pause=0)
    assert session.scalar(select(func.count()).select_from(PartRow)) == count
