"""Single flight: real processes, some of them killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.fsspec_store import FsspecStore
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.memory_store import MemoryStore
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.steps.flight import FOLDER, FlightPace, delete_old_leases, lead_or_find, try_lead
from tests.artifacts.s3_servers import S3Server, access, moto_server

pytestmark = pytest.mark.thorough

KEY = digest_bytes(b"a step")
RESULT = "results/step.json"
HASTY = FlightPace(lease=3.0, renew=0.5, first_look=0.05, slowest_look=0.2, tell=1.0, limit=60.0)
Open = Callable[[], Store]


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(params=["local", "moving", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A store that several processes can use."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("moto")
        return "s3", f"s3://{server.bucket()}/artifacts?endpoint_url={server.endpoint}"
    return (request.param, str(tmp_path)) if request.param == "local" else ("moving", f"local://{tmp_path}/artifacts")


def opened(place: tuple[str, str]) -> Store:
    kind, url = place
    return S3Store(url, access=access) if kind == "s3" else LocalStore(url) if kind == "local" else FsspecStore(url)


def tell(folder: Path, what: str, name: str) -> None:
    """A file, which no kill leaves half written under its name; a queue's lock could be held by the dead."""
    hidden = folder / f".{uuid.uuid4().hex}"
    hidden.write_text(f"{what} {name}")
    hidden.rename(folder / f"{time.time_ns()}-{what}-{os.getpid()}")


def take_part(place: tuple[str, str], name: str, seconds: float, pace: FlightPace, told: Path) -> None:
    """What a worker does: compute, and say so, or wait for who computes."""
    store = opened(place)
    found, lease = lead_or_find(store, KEY, name, lambda: store.read_document(RESULT), pace)
    if found is None:
        tell(told, "computes", name)
        time.sleep(seconds)
        store.write_document(RESULT, name.encode())
    if lease is not None:
        lease.end()
    tell(told, "found" if found is not None else "computed", name if found is None else found.decode())


class Crowd:
    """Processes that need the same step."""

    def __init__(self, place: tuple[str, str], told: Path) -> None:
        self.place, self.told, self.context = place, told, multiprocessing.get_context("spawn")
        self.read: set[Path] = set()
        self.processes: list[Any] = []

    def join(self, name: str, seconds: float = 0.0, pace: FlightPace = HASTY) -> Any:
        process = self.context.Process(target=take_part, args=(self.place, name, seconds, pace, self.told))
        process.start()
        self.processes.append(process)
        return process

    def next(self) -> tuple[str, str]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for path in sorted(path for path in self.told.iterdir() if path.name[0] != "." and path not in self.read):
                self.read.add(path)
                what, _, name = path.read_text().partition(" ")
                return what, name
            time.sleep(0.02)
        raise AssertionError("nobody told anything more")

    def end(self) -> None:
        for process in self.processes:
            if process.is_alive():
                process.kill()
            process.join()


@pytest.fixture
def crowd(place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    made = Crowd(place, tmp_path_factory.mktemp("told"))
    yield made
    made.end()


def test_of_several_that_need_a_step_at_once_one_computes_it_and_all_have_its_result(crowd: Crowd) -> None:
    for number in range(4):
        crowd.join(f"worker-{number}", 1.5)
    told = [crowd.next() for _ in range(5)]
    computing = [name for what, name in told if what == "computes"]
    assert len(computing) == 1
    assert sorted(told) == sorted(
        [("computes", computing[0]), ("computed", computing[0]), *[("found", computing[0])] * 3]
    )
    assert opened(crowd.place).list_documents(FOLDER) == []


def test_when_who_computes_is_killed_one_of_those_that_wait_takes_over(crowd: Crowd) -> None:
    first = crowd.join("first", 600)
    assert crowd.next() == ("computes", "first")
    for number in range(3):
        crowd.join(f"waiter-{number}", 1.0)
    time.sleep(2.5)
    os.kill(first.pid, signal.SIGKILL)
    told = [crowd.next() for _ in range(4)]
    computing = [name for what, name in told if what == "computes"]
    assert len(computing) == 1, told
    assert sorted(told) == sorted(
        [("computes", computing[0]), ("computed", computing[0]), *[("found", computing[0])] * 2]
    )
    assert opened(crowd.place).list_documents(FOLDER) == []


def test_a_second_killed_owner_is_taken_over_from_too(crowd: Crowd) -> None:
    for name in ("first", "second"):
        process = crowd.join(name, 600)
        assert crowd.next() == ("computes", name)
        os.kill(process.pid, signal.SIGKILL)
    crowd.join("third")
    assert [crowd.next() for _ in range(2)] == [("computes", "third"), ("computed", "third")]
    assert opened(crowd.place).list_documents(FOLDER) == []


def test_a_lease_outlives_many_of_its_terms_as_long_as_its_owner_lives(crowd: Crowd) -> None:
    crowd.join("slow", 5.0)
    assert crowd.next() == ("computes", "slow")
    crowd.join("waiter")
    assert sorted(crowd.next() for _ in range(2)) == [("computed", "slow"), ("found", "slow")]


def test_an_owner_that_was_asleep_finds_that_it_was_overtaken_and_takes_nothing_away(place: tuple[str, str]) -> None:
    store = opened(place)
    asleep = FlightPace(lease=2.0, renew=1000.0)
    first = try_lead(store, KEY, "first", asleep)
    assert first is not None
    assert first.held()
    assert try_lead(store, KEY, "second", HASTY) is None
    time.sleep(3.6)  # S3 tells whole seconds
    second = try_lead(store, KEY, "second", HASTY)
    assert second is not None
    assert second.number == first.number + 1
    assert not first.held()
    first.end()
    assert second.held()
    assert try_lead(store, KEY, "third", HASTY) is None
    second.end()
    assert store.list_documents(FOLDER) == []


def test_a_step_that_failed_is_computed_by_the_next(place: tuple[str, str]) -> None:
    store = opened(place)
    found, lease = lead_or_find(store, KEY, "fails", lambda: None, HASTY)
    assert found is None
    assert lease is not None
    lease.end()
    found, lease = lead_or_find(store, KEY, "next", lambda: None, HASTY)
    assert lease is not None
    lease.end()


def test_who_has_waited_too_long_computes() -> None:
    store = MemoryStore()
    lease = try_lead(store, KEY, "endless", HASTY)
    assert lease is not None
    started = time.monotonic()
    impatient = FlightPace(lease=30.0, first_look=0.05, slowest_look=0.1, limit=0.5)
    assert lead_or_find(store, KEY, "impatient", lambda: None, impatient) == (None, None)
    assert 0.5 <= time.monotonic() - started < 5
    assert lease.held()
    lease.end()


def test_a_torn_lease_keeps_nobody_waiting() -> None:
    store = MemoryStore()
    store.write_document(f"{FOLDER}/{KEY}.1.json", b"")
    found, lease = lead_or_find(store, KEY, "next", lambda: None, HASTY)
    assert found is None
    assert lease is not None
    lease.end()
    assert store.list_documents(FOLDER) == []


@pytest.mark.parametrize("until", ["1e300", "NaN", "-1", "[" * 100_000])
def test_a_lease_that_claims_what_no_owner_does_keeps_nobody_waiting(until: str) -> None:
    store = MemoryStore()
    store.write_document(f"{FOLDER}/{KEY}.1.json", f'{{"name": "x", "by": "y", "until": {until}}}'.encode())
    begun = time.monotonic()
    lease = try_lead(store, KEY, "next", HASTY)
    assert lease is not None
    assert time.monotonic() - begun < 10
    lease.end()
    assert store.list_documents(FOLDER) == []
    assert delete_old_leases(store, store.now()) == 0


def test_leases_of_the_dead_are_deleted_and_those_of_the_living_are_not() -> None:
    store = MemoryStore()
    dead = try_lead(store, KEY, "dead", FlightPace(lease=-7200.0, renew=1000.0))
    living = try_lead(store, digest_bytes(uuid.uuid4().bytes), "living", HASTY)
    assert dead is not None
    assert living is not None
    assert delete_old_leases(store, store.now() - 3600) == 1
    assert living.held()
    living.end()
