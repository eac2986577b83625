"""A pass over a spool, against a server on loopback."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from sematic_airflow_provider.artifacts.memory_store import MemoryStore
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.passes import deliver
from sematic_airflow_provider.delivery.server import Server
from sematic_airflow_provider.delivery.spool import Spool, StoreSpool, name_of
from tests.delivery.api import Api, event_bytes


@pytest.fixture(params=["folder", "store"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> SpoolFolder | StoreSpool:
    return {
        "folder": lambda: SpoolFolder(tmp_path / "spool"),
        "store": lambda: StoreSpool(MemoryStore()),
    }[request.param]()


def _put(spool: SpoolFolder | StoreSpool, count: int, size: int = 0) -> None:
    for number in range(count):
        spool.put(event_bytes(f"t{number:03}", size))


def _waiting(spool: Spool) -> list[str]:
    return [data.decode().partition('"name":"flow.')[2][:4] for _, data in spool.read(list(spool.waiting()))]


def _server(api: Api) -> Server:
    return Server(api.url, "k", 5)


def test_all_that_waits_is_delivered_in_order_and_in_batches(api: Api, spool: SpoolFolder | StoreSpool) -> None:
    _put(spool, 25)
    done = deliver(spool, _server(api).post, count=10)
    assert (done.delivered, done.rejected, done.stopped) == (25, 0, None)
    assert [count for _, _, count in api.asked] == [10, 10, 5]
    assert api.tasks() == [f"flow.t{number:03}" for number in range(25)]
    assert _waiting(spool) == []
    assert str(done) == "25 events delivered"


def test_a_batch_is_limited_in_bytes(api: Api, spool: SpoolFolder | StoreSpool) -> None:
    _put(spool, 5, size=1_500_000)
    deliver(spool, _server(api).post)
    assert [count for _, _, count in api.asked] == [2, 2, 1]


def test_a_pass_can_be_limited(api: Api, spool: SpoolFolder | StoreSpool) -> None:
    _put(spool, 12)
    assert deliver(spool, _server(api).post, most=5).delivered == 5
    api.delay = 0.2
    assert deliver(spool, _server(api).post, count=2, seconds=0.1).delivered == 2
    assert len(_waiting(spool)) == 5


def test_what_is_refused_for_good_is_put_aside_with_the_reason_and_holds_up_nothing(
    api: Api, spool: SpoolFolder | StoreSpool
) -> None:
    _put(spool, 9)
    api.judge = lambda event: ("job.name: is bad", False) if event["job"]["name"] == "flow.t004" else None
    done = deliver(spool, _server(api).post)
    assert (done.delivered, done.rejected) == (8, 1)
    assert len(spool.rejected()) == 1
    assert _waiting(spool) == []
    assert str(done) == "8 events delivered, 1 rejected"


def test_bytes_that_are_no_json_are_found_by_halving(api: Api, spool: SpoolFolder | StoreSpool) -> None:
    _put(spool, 7)
    spool.put(b'{"half')
    _put(spool, 3)
    done = deliver(spool, _server(api).post)
    assert (done.delivered, done.rejected) == (10, 1)
    (name,) = spool.rejected()
    spool.restore([name])
    assert [data for _, data in spool.read(list(spool.waiting()))] == [b'{"half']


def test_damaged_bytes_are_never_posted(api: Api, folder: SpoolFolder) -> None:
    _put(folder, 2)
    first = next(folder.waiting())
    (folder.path / first).write_bytes(event_bytes("t009"))
    done = deliver(folder, _server(api).post)
    assert (done.delivered, done.rejected) == (1, 1)
    assert api.tasks() == ["flow.t001"]
    assert "is damaged" in (folder.path / "rejected" / f"{first}.reason.txt").read_text()


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_while_the_server_does_not_take_events_all_wait_after_one_question(
    api: Api, spool: SpoolFolder | StoreSpool, status: int
) -> None:
    _put(spool, 25)
    api.status = status
    done = deliver(spool, _server(api).post, count=10)
    assert done.stopped is not None
    assert done.stopped.status == status
    assert len(_waiting(spool)) == 25
    assert len(api.asked) == 1


def test_an_event_that_the_server_fails_on_waits_behind_the_others_and_is_rejected_in_the_end(
    api: Api, spool: SpoolFolder | StoreSpool
) -> None:
    _put(spool, 10)
    api.poison = lambda event: event["job"]["name"] == "flow.t003"
    assert deliver(spool, _server(api).post).delivered == 9
    for _ in range(4):
        assert _waiting(spool) == ["t003"]
        spool.put(event_bytes("more"))
        assert deliver(spool, _server(api).post).delivered == 1
    assert _waiting(spool) == []
    assert len(spool.rejected()) == 1


def test_a_server_that_fails_on_everything_is_not_the_events_fault(api: Api, spool: SpoolFolder | StoreSpool) -> None:
    _put(spool, 120)
    api.status = 500
    for _ in range(5):
        done = deliver(spool, _server(api).post)
        assert done.stopped is not None
    assert len(_waiting(spool)) == 120
    assert spool.rejected() == []
    assert len(api.asked) < 5 * 30


def test_an_event_alone_that_the_server_fails_on_is_kept(api: Api, spool: SpoolFolder | StoreSpool) -> None:
    _put(spool, 1)
    api.judge = lambda event: ("database is busy", True)
    for _ in range(6):
        done = deliver(spool, _server(api).post)
        assert str(done.stopped) == "database is busy"
    assert _waiting(spool) == ["t000"]


def test_what_another_delivers_meanwhile_is_no_error(api: Api, folder: SpoolFolder) -> None:
    _put(folder, 5)
    names = list(folder.waiting())

    def post(events: object) -> object:
        folder.remove(names)
        return Server(api.url, "k", 5).post(events)  # type: ignore[arg-type]

    assert deliver(folder, post).delivered == 5  # type: ignore[arg-type]
    assert not folder.has_waiting()


_DELIVER = """
import re, sys
from pathlib import Path
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.passes import deliver
from sematic_airflow_provider.delivery.server import Server
done = deliver(SpoolFolder(sys.argv[1]), Server(sys.argv[2], "k", 30).post)
print(done, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.thorough
def test_a_backlog_of_100000_events_is_delivered_in_order_in_little_memory(api: Api, folder: SpoolFolder) -> None:
    count = 100_000
    folder.path.mkdir()
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    for number in range(count):
        data = b'{"number":%d,"text":"%s"}' % (number, b"x" * 1000)
        (folder.path / name_of(data, moment + dt.timedelta(milliseconds=number))).write_bytes(data)
    numbers: list[int] = []
    api.judge = lambda event: numbers.append(event["number"])
    done = subprocess.run(
        [sys.executable, "-c", _DELIVER, folder.where, api.url], capture_output=True, text=True, check=True
    )
    *told, megabytes = done.stdout.split()
    assert told == [str(count), "events", "delivered"]
    assert int(megabytes) < 64
    assert numbers == list(range(count))
    assert not folder.has_waiting()
