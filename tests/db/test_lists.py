"""Lists of runs, jobs, artifacts and data sets, page by page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import lists, queries, scans
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.lists import DataFilter, RunFilter, Span
from sematic_airflow_provider.db.models import metadata
from sematic_airflow_provider.db.scans import After, Page
from sematic_airflow_provider.lineage.events import parse_event
from tests.events import ref, task_event

DAY = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Forty runs of four Dags: the third of each Dag failed."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    events = []
    for n in range(40):
        dag, run = f"dag{n % 4}", n // 4
        name = f"{dag}.train.return_value"
        events.append(
            task_event(
                "FAIL" if run == 2 else "COMPLETE",
                "train",
                dag_id=dag,
                dag_run_id=f"run{run}",
                second=n // 2,  # two at the same time each
                writes={"return_value": ref(name, f"{dag}/{run}")},
            )
        )
    with Session(engine) as opened:
        ingest(opened, [parse_event(one) for one in events])
        yield opened


def _all(page: Callable[[After | None], Page[Any]]) -> list[list[Any]]:
    found, after = [], None
    while True:
        got = page(after)
        found.append(got.items)
        after = got.next
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 7, 40, 100])
@pytest.mark.parametrize("name", [None, "train", "dag1", "no such"])
def test_pages_have_every_run_once_and_in_order(session: Session, limit: int, name: str | None) -> None:
    pages = _all(lambda after: lists.runs(session, RunFilter(name=name), Span(), after, limit))
    runs = [run for page in pages for run in page]
    assert len(runs) == len({run.id for run in runs}) == {None: 40, "train": 40, "dag1": 10, "no such": 0}[name]
    assert [(run.dag_id, run.dag_run_id) for run in runs][:1] in (
        [("dag3", "run9")],
        [("dag2", "run9")],
        [("dag1", "run9")],
        [],
    )
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (RunFilter(state="failed"), 4),
        (RunFilter(has_error=True), 4),
        (RunFilter(has_error=False, dag_id="dag1"), 9),
        (RunFilter(dag_id="dag1", task_id="train", dag_run_id="run3"), 1),
        (RunFilter(name="DAG2.TRAIN"), 10),
        (RunFilter(name="dag_"), 0),
        (RunFilter(name="%"), 0),
        (RunFilter(integration="SPARK"), 0),
        (RunFilter(cache="hit"), 0),
        (RunFilter(namespace="default"), 40),
        (RunFilter(namespace="other", name="train"), 0),
    ],
)
def test_filters_hold_together(session: Session, wanted: RunFilter, count: int) -> None:
    assert sum(map(len, _all(lambda after: lists.runs(session, wanted, Span(), after, 6)))) == count


def test_a_span_of_time_has_its_begin_and_not_its_end(session: Session) -> None:
    span = Span(DAY + dt.timedelta(seconds=5), DAY + dt.timedelta(seconds=7))
    assert len(lists.runs(session, RunFilter(), span, None, 50).items) == 4


def test_runs_of_dags_that_may_not_be_read_are_left_out(session: Session) -> None:
    pages = _all(lambda after: lists.runs(session, RunFilter(), Span(), after, 3, lambda dag_id: dag_id == "dag2"))
    assert [run.dag_id for page in pages for run in page] == ["dag2"] * 10


def test_a_rare_thing_is_found_over_several_short_pages(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are looked at for each page; the cursor goes on where looking ended, and nothing is lost."""
    scan = scans.Scan(
        lists.RunRow.first_at,
        lists.RunRow.run_id,
        [scans.EVERY],
        [lists.RunRow.dag_run_id],
        lambda c: [c.dag_run_id == "run0"],
        budget=6,
    )
    pages = _all(lambda after: scans.page_of(session, scan, after, 5, lambda ids: {one: one for one in ids}))
    assert sum(map(len, pages)) == 4
    assert len(pages) > 4


def test_several_indexes_and_a_small_budget_lose_nothing(session: Session) -> None:
    drivers = [lists.RunRow.dag_id == f"dag{n}" for n in range(4)]
    scan = scans.Scan(
        lists.RunRow.first_at,
        lists.RunRow.run_id,
        drivers,
        [lists.RunRow.dag_run_id],
        lambda c: [c.dag_run_id.in_(["run0", "run9", "run4"])],
        budget=8,
    )
    pages = _all(lambda after: scans.page_of(session, scan, after, 3, lambda ids: {one: one for one in ids}))
    found = [one for page in pages for one in page]
    assert len(found) == len(set(found)) == 12


def test_jobs_are_listed_once_by_their_latest_run(session: Session) -> None:
    pages = _all(lambda after: lists.runs(session, RunFilter(), Span(), after, 3, latest=True))
    jobs = [(run.job_name, run.dag_run_id) for page in pages for run in page]
    assert sorted(jobs) == [(f"dag{n}.train", "run9") for n in range(4)]
    assert len(lists.runs(session, RunFilter(name="dag1"), Span(), None, 9, latest=True).items) == 1
    assert lists.runs(session, RunFilter(state="failed"), Span(), None, 9, latest=True).items == []


def test_artifacts_are_found_by_how_their_digest_begins_and_by_name(session: Session) -> None:
    digest = ref("x", "dag3/5").digest
    for length in (1, 4, 12, 64):
        pages = _all(lambda after, n=length: lists.artifacts(session, DataFilter(digest=digest[:n]), Span(), after, 2))
        found = [node.digest for page in pages for node in page]
        assert digest in found
        assert all(one is not None and one.startswith(digest[:length]) for one in found)
    assert len(lists.artifacts(session, DataFilter(name="dag3.tr"), Span(), None, 50).items) == 10
    assert len(lists.artifacts(session, DataFilter(type="dataframe"), Span(), None, 50).items) == 40


def test_an_artifact_is_found_by_any_name_and_so_is_an_output_that_another_one_equals() -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with Session(engine) as opened:
        for n, dag in enumerate(("first", "second")):
            made = {"return_value": ref(f"{dag}.make.return_value", "same bytes")}
            ingest(opened, [parse_event(task_event("COMPLETE", "make", dag_id=dag, second=n, writes=made))])
        for dag in ("first", "second", "make"):
            found = lists.artifacts(opened, DataFilter(name=dag), Span(), None, 9).items
            assert [node.digest for node in found] == [ref("x", "same bytes").digest]
        for dag in ("first", "second"):
            seeds = queries.dataset_seeds(opened, "default", f"{dag}.make.return_value")
            assert seeds == [f"artifact:{ref('x', 'same bytes').digest}"]


def test_a_data_set_is_listed_once_with_its_newest_version(session: Session) -> None:
    found = lists.datasets(session, DataFilter(), Span(), None, 50).items
    assert sorted(node.names for node in found) == [(f"dag{n}.train.return_value",) for n in range(4)]
    assert {node.digest for node in found} == {ref("x", f"dag{n}/9").digest for n in range(4)}
    seen = lists.datasets(session, DataFilter(), Span(), None, 50, lambda dag_id: dag_id == "dag2").items
    assert [node.names for node in seen] == [("dag2.train.return_value",)]


@pytest.mark.parametrize(
    "wanted",
    [
        RunFilter(),
        RunFilter(dag_id="dag1"),
        RunFilter(state="failed"),
        RunFilter(name="dag1"),
        RunFilter(integration="X"),
    ],
)
def test_every_list_is_by_index(session: Session, wanted: RunFilter) -> None:
    asked: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        asked.append((arguments[2], arguments[3]))

    event.listen(session.get_bind(), "before_cursor_execute", note)
    lists.runs(session, wanted, Span(), After(DAY + dt.timedelta(seconds=9), "f" * 32), 5)
    lists.runs(session, wanted, Span(), None, 5, latest=True)
    lists.datasets(session, DataFilter(), Span(), None, 5)
    lists.artifacts(session, DataFilter(digest="abcd"), Span(), None, 5)
    event.remove(session.get_bind(), "before_cursor_execute", note)
    for statement, parameters in asked:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        steps = [row.detail for row in plan]
        scanned = [
            s
            for s in steps
            if s.startswith(("SCAN sematic_run", "SCAN sematic_data", "SCAN sematic_io")) and "INDEX" not in s
        ]
        assert not [s for s in scanned if "sematic_dataset" not in s], (statement, steps)
