"""The drain, on a real store and Airflow's database."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.db.spool import Drained, drain
from tests.events import run_id, task_event


@pytest.fixture
def store(tmp_path: Path, migrated_home: str) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path


def _leave(store: Path, name: str, *tasks: str) -> None:
    for task in tasks:
        event = task_event("START", task, dag_id=f"spool-{store.name}")
        (store / "spool" / f"{name}-{task}.json").write_text(json.dumps(event))


def _known(store: Path, task: str) -> bool:
    from airflow.utils.session import create_session

    from sematic_airflow_provider.db.models import RunRow

    with create_session() as session:
        return session.get(RunRow, run_id(f"spool-{store.name}", "run1", task, -1, 1)) is not None


def test_what_waits_is_taken_in_and_deleted(store: Path) -> None:
    _leave(store, "1", "a", "b")
    assert drain(LocalStore(store)) == Drained(2, 0)
    assert _known(store, "a")
    assert list((store / "spool").iterdir()) == []
    assert str(drain(LocalStore(store))) == "0 events delivered"


def test_a_store_without_a_spool_has_nothing_to_do(tmp_path: Path, migrated_home: str) -> None:
    assert drain(LocalStore(tmp_path)) == Drained()


def test_what_is_no_event_is_set_aside_with_a_reason_and_holds_up_nothing(store: Path) -> None:
    spool = store / "spool"
    _leave(store, "2", "good")
    nul = task_event("START", "nul")
    nul["job"]["name"] = "flow.\0"
    contents = {
        "half": '{"eventTime": "2026',
        "empty": "",
        "nul": json.dumps(nul),
        "digits": "1" * 5000,
        "deep": "[" * 100_000,
    }
    for name, text in contents.items():
        (spool / f"{name}.json").write_text(text)
    (spool / "bytes.json").write_bytes(b"\xff\xfe\x00")
    assert drain(LocalStore(store)) == Drained(1, 6)
    assert _known(store, "good")
    rejected = spool / "rejected"
    assert {path.name for path in rejected.glob("*.json")} == {f"{name}.json" for name in (*contents, "bytes")}
    assert "NUL" in (rejected / "nul.json.reason.txt").read_text()
    assert drain(LocalStore(store)) == Drained()


def test_a_file_that_is_not_ours_is_left_alone(store: Path) -> None:
    _leave(store, "3", "c")
    (store / "spool" / "Notes (copy).json").write_text("{}")
    (store / "spool" / ".1234.tmp").write_text("{}")
    assert drain(LocalStore(store)) == Drained(1, 0)
    assert (store / "spool" / "Notes (copy).json").exists()


def test_drains_that_race_lose_and_double_nothing(store: Path) -> None:
    _leave(store, "4", *(f"t{n}" for n in range(40)))
    context = multiprocessing.get_context("spawn")
    drains = [context.Process(target=drain, args=(LocalStore(store),)) for _ in range(2)]
    for one in drains:
        one.start()
    for one in drains:
        one.join()
    assert [one.exitcode for one in drains] == [0, 0]
    assert all(_known(store, f"t{n}") for n in range(40))
    assert list((store / "spool").glob("*.json")) == []
