"""``airflow sematic lineage rebuild``."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.models import EventRow, RunRow
from sematic_airflow_provider.lineage.events import parse_event
from tests.cli.deployment import Deployment
from tests.events import pipeline, run_id

pytestmark = pytest.mark.thorough

DAG = "rebuilt"


@pytest.fixture
def damaged(deployment: Deployment) -> Deployment:
    with deployment.session() as session:
        ingest(session, [parse_event(event) for event in pipeline(DAG)])
        session.execute(update(RunRow).where(RunRow.dag_id == DAG).values(state="wrong"))
        session.commit()
    return deployment


def _states(deployment: Deployment) -> set[str]:
    with deployment.session() as session:
        return set(session.scalars(select(RunRow.state).where(RunRow.dag_id == DAG)))


def test_a_rebuild_puts_runs_right_and_tells_how_many(damaged: Deployment) -> None:
    with damaged.session() as session:
        events = len(session.scalars(select(EventRow.id)).all())
    done = damaged.sematic("lineage", "rebuild")
    assert done.status == 0, done.err
    assert done.text.endswith(f"runs made anew from {events} events\n")
    assert _states(damaged) == {"success"}


def test_one_run_is_put_right_by_its_id(damaged: Deployment) -> None:
    done = damaged.sematic("lineage", "rebuild", "--run", run_id(DAG, "run1", "join", -1, 1).upper())
    assert done.text == "1 run made anew from 2 events\n"
    assert _states(damaged) == {"success", "wrong"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--run", "train"], "a UUID, not 'train'"),
        (["--run", run_id("nobody")], "the log has no events of a run"),
        (["--run", run_id("nobody"), "--since", "1d"], "--run takes neither"),
        (["--since", "soon"], "--since takes a date"),
        (["--since", "1d", "--after", "5"], "does not go with --since"),
    ],
)
def test_what_cannot_be_done_is_told(deployment: Deployment, arguments: list[str], says: str) -> None:
    done = deployment.sematic("lineage", "rebuild", *arguments)
    assert done.status != 0
    assert says in done.err
