"""The drain, on a real store and Airflow's database."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.db import spool as spool_module
from sematic_airflow_provider.db.event_store import ingest
from sematic_airflow_provider.db.spool import Drained, drain, drain_spool
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.spool import StoreSpool
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


class _Dying(SpoolFolder):
    """Its process is killed after the events were taken in, before they are forgotten."""

    def remove(self, names: Sequence[str]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _put(spool: SpoolFolder | StoreSpool, unique: str, tasks: Sequence[str]) -> None:
    for task in tasks:
        spool.put(json.dumps(task_event("START", task, dag_id=unique)).encode())


def _counted(unique: str) -> int:
    """Events in the log of runs of this Dag."""
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    from sematic_airflow_provider.db.models import EventRow, RunRow

    with create_session() as session:
        runs = select(RunRow.run_id).where(RunRow.dag_id == unique)
        return int(session.scalar(select(func.count()).where(EventRow.run_id.in_(runs))) or 0)


@pytest.mark.thorough
def test_a_drain_that_is_killed_between_taking_in_and_forgetting_loses_and_doubles_nothing(
    tmp_path: Path, migrated_home: str
) -> None:
    unique = f"killed-{tmp_path.name}"
    _put(SpoolFolder(tmp_path), unique, ["a", "b", "c"])
    dying = multiprocessing.get_context("spawn").Process(target=drain_spool, args=(_Dying(tmp_path),))
    dying.start()
    dying.join()
    assert dying.exitcode == -signal.SIGKILL
    assert _counted(unique) == 3
    assert drain_spool(SpoolFolder(tmp_path)) == Drained(3, 0)
    assert _counted(unique) == 3
    assert not SpoolFolder(tmp_path).has_waiting()


def test_an_event_that_waits_in_two_places_is_kept_once(store: Path, tmp_path: Path) -> None:
    unique = f"twice-{tmp_path.name}"
    folder, documents = SpoolFolder(tmp_path / "folder"), StoreSpool(LocalStore(store))
    for place in (folder, documents, folder):
        _put(place, unique, ["a"])
    assert drain_spool(folder) == Drained(2, 0)
    assert drain_spool(documents) == Drained(1, 0)
    assert _counted(unique) == 1


def test_damaged_bytes_are_rejected_and_never_taken_in(store: Path, tmp_path: Path) -> None:
    unique = f"damaged-{tmp_path.name}"
    documents = StoreSpool(LocalStore(store))
    _put(documents, unique, ["a", "b"])
    first = next(documents.waiting())
    file = store / "spool" / first
    file.write_bytes(file.read_bytes().replace(b'"START"', b'"OTHER"'))
    assert drain(LocalStore(store)) == Drained(1, 1)
    assert "is damaged" in (store / "spool" / "rejected" / f"{first}.reason.txt").read_text()
    assert _counted(unique) == 1


def test_an_event_that_breaks_the_taking_in_holds_up_no_other_and_says_how(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unique = f"broken-{tmp_path.name}"
    documents = StoreSpool(LocalStore(store))
    _put(documents, unique, ["a", "bad", "c"])

    def breaking(session: Any, events: Sequence[Any]) -> int:
        if any(event.name.endswith(".bad") for event in events):
            raise KeyError("a facet that nobody thought of")
        return ingest(session, events)

    monkeypatch.setattr(spool_module, "ingest", breaking)
    assert drain(LocalStore(store)) == Drained(2, 1)
    (reason,) = (store / "spool" / "rejected").glob("*.reason.txt")
    assert reason.read_text() == "it cannot be taken in: KeyError: 'a facet that nobody thought of'"
    monkeypatch.undo()
    documents.restore(documents.rejected())
    assert drain(LocalStore(store)) == Drained(1, 0)
    assert _counted(unique) == 3


@pytest.mark.parametrize("which", ["all", "one"])
def test_what_the_database_fails_on_now_stays_and_is_not_rejected(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    unique = f"down-{which}-{tmp_path.name}"
    documents = StoreSpool(LocalStore(store))
    _put(documents, unique, ["a", "b", "c", "d", "e"])
    asked: list[int] = []

    def failing(session: Any, events: Sequence[Any]) -> int:
        asked.append(len(events))
        if which == "all" or any(event.name.endswith(".c") for event in events):
            raise OperationalError("insert", {}, Exception("disk I/O error"))
        return ingest(session, events)

    monkeypatch.setattr(spool_module, "ingest", failing)
    if which == "all":
        with pytest.raises(OperationalError):
            drain(LocalStore(store))
        assert asked == [5, 1, 1, 1, 1, 1]
    else:
        assert drain(LocalStore(store)) == Drained(4, 0)
        assert asked == [5, 1, 1, 1, 1, 1]
    monkeypatch.undo()
    assert documents.rejected() == []
    assert drain(LocalStore(store)) == Drained(5 if which == "all" else 1, 0)
    assert _counted(unique) == 5


def test_a_version_that_can_take_no_event_in_rejects_none(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables that are not migrated yet, say."""
    unique = f"version-{tmp_path.name}"
    documents = StoreSpool(LocalStore(store))
    _put(documents, unique, [f"t{number}" for number in range(10)])

    for error in (ProgrammingError("insert", {}, Exception('relation "x" does not exist')), AttributeError("gone")):
        asked: list[int] = []

        def failing(session: Any, events: Sequence[Any], error: Exception = error, asked: list[int] = asked) -> int:
            asked.append(len(events))
            raise error

        monkeypatch.setattr(spool_module, "ingest", failing)
        with pytest.raises(type(error)):
            drain(LocalStore(store))
        assert asked == [10, 1, 1, 1, 1, 1]  # a few are enough to know it
    monkeypatch.undo()
    assert documents.rejected() == []
    assert drain(LocalStore(store)) == Drained(10, 0)


def test_one_that_breaks_the_taking_in_alone_stays_until_another_is_taken(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unique = f"alone-{tmp_path.name}"
    documents = StoreSpool(LocalStore(store))
    _put(documents, unique, ["bad"])

    def breaking(session: Any, events: Sequence[Any]) -> int:
        if any(event.name.endswith(".bad") for event in events):
            raise KeyError("a facet that nobody thought of")
        return ingest(session, events)

    monkeypatch.setattr(spool_module, "ingest", breaking)
    with pytest.raises(KeyError):
        drain(LocalStore(store))
    assert documents.rejected() == []
    _put(documents, unique, ["good"])
    assert drain(LocalStore(store)) == Drained(1, 1)
