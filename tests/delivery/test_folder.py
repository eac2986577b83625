"""The spool folder: durable, private, in order, and not to be confused by what else lies there."""

from __future__ import annotations

import datetime as dt
import os
import resource
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.spool import attempts_of, check_whole, name_of, waits_since
from sematic_airflow_provider.errors import EventRejectedError


def test_what_is_put_waits_and_can_be_read(folder: SpoolFolder) -> None:
    name = folder.put(b'{"a": 1}')
    assert list(folder.waiting()) == [name]
    assert dict(folder.read([name])) == {name: b'{"a": 1}'}
    folder.remove([name, name])
    assert not folder.has_waiting()


def test_a_folder_that_was_never_made_is_empty(folder: SpoolFolder) -> None:
    assert list(folder.waiting()) == []
    assert not folder.has_waiting()
    assert not folder.is_held()
    assert folder.rejected() == []


def test_events_and_their_folder_are_private(folder: SpoolFolder) -> None:
    os.umask(before := os.umask(0))
    try:
        name = folder.put(b"{}")
        folder.reject(name, b"{}", "why")
        name = folder.put(b"{}")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.path.rglob("*")}
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert modes.pop("rejected") == 0o700
    assert set(modes.values()) == {0o600}


def test_the_oldest_comes_first_and_its_age_is_known(folder: SpoolFolder) -> None:
    folder.put(b"{}")
    start = dt.datetime(2026, 1, 31, 23, 59, 59, 999_999, dt.timezone.utc)
    for second in (3, 1, 2):
        data = b'{"second": %d}' % second
        (folder.path / name_of(data, start + dt.timedelta(seconds=second))).write_bytes(data)
    read = [data for _, data in folder.read(list(folder.waiting()))]
    assert read == [b'{"second": 1}', b'{"second": 2}', b'{"second": 3}', b"{}"]
    assert waits_since(next(folder.waiting())) == start + dt.timedelta(seconds=1)
    assert waits_since("notes.json") is None
    assert waits_since("20261399T999999000000Z-x.json") is None


def test_what_came_just_now_can_be_left_to_others(folder: SpoolFolder) -> None:
    folder.put(b"1")
    old = name_of(b"2", dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=1))
    (folder.path / old).write_bytes(b"2")
    (folder.path / "by-hand.json").write_bytes(b"3")
    assert list(SpoolFolder(folder.path, older_than=30).waiting()) == [old, "by-hand.json"]


@pytest.mark.thorough
def test_the_names_of_very_many_are_not_held_at_once(folder: SpoolFolder) -> None:
    folder.path.mkdir()
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    for number in range(25_000):
        name = name_of(b"", moment + dt.timedelta(milliseconds=number))
        os.close(os.open(folder.path / name, os.O_CREAT | os.O_WRONLY))
    tracemalloc.start()
    count, last = 0, ""
    for name in folder.waiting():
        assert name > last
        count, last = count + 1, name
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 25_000
    assert peak < 4 << 20


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_damage_is_noticed(folder: SpoolFolder, damage: str) -> None:
    data = b'{"eventTime": "2026-01-01T00:00:00Z"}'
    name = folder.put(data)
    check_whole(name, data)
    damaged = {"cut": data[:-1], "flipped": data.replace(b"01", b"02", 1), "emptied": b""}[damage]
    with pytest.raises(EventRejectedError, match="is damaged: its bytes hash to"):
        check_whole(name, damaged)


def test_links_other_files_and_what_is_no_file_are_left_alone(folder: SpoolFolder, tmp_path: Path) -> None:
    name = folder.put(b"1")
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder.path / "link.json").symlink_to(secret)
    (folder.path / "gone.json").symlink_to(tmp_path / "nothing")
    (folder.path / "folder.json").mkdir()
    os.mkfifo(folder.path / "pipe.json")
    (folder.path / "README.txt").write_text("?")
    (folder.path / ".hidden.json").write_text("?")
    assert list(folder.waiting()) == [name]
    assert list(folder.read(["link.json", "gone.json", "pipe.json", "folder.json", "nothing.json"])) == []
    assert secret.exists()


def test_a_file_that_became_a_link_meanwhile_is_not_followed(folder: SpoolFolder, tmp_path: Path) -> None:
    name = folder.put(b"1")
    (tmp_path / "secret").write_text("s")
    (folder.path / name).unlink()
    (folder.path / name).symlink_to(tmp_path / "secret")
    assert list(folder.read([name])) == []


def test_what_is_too_large_for_any_server_is_put_aside_unread(folder: SpoolFolder) -> None:
    folder.put(b"1")
    with (folder.path / "large.json").open("wb") as file:
        file.truncate((16 << 20) + 1)
    assert [name for name, _ in folder.read(["large.json"])] == []
    assert folder.rejected() == ["large.json"]
    assert (folder.path / "rejected" / "large.json").stat().st_size == (16 << 20) + 1
    assert "it has 16777217 bytes" in (folder.path / "rejected" / "large.json.reason.txt").read_text()


def test_a_full_disk_leaves_nothing_half_written(folder: SpoolFolder) -> None:
    folder.put(b"small")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            folder.put(b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [data for _, data in folder.read(list(folder.waiting()))] == [b"small"]
    assert len(list(folder.path.iterdir())) == 1


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        SpoolFolder(tmp_path / "spool").put(b"1")


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_killed_writer_left_is_taken_up_if_it_is_whole(folder: SpoolFolder, whole: bool) -> None:
    folder.put(b"first")
    name = name_of(b"second")
    left = folder.path / f".tmp-0a1b2c3d-{name}"
    left.write_bytes(b"second" if whole else b"sec")
    assert len(list(folder.waiting())) == 1
    os.utime(left, (0, 0))
    list(folder.waiting())
    assert [data for _, data in folder.read(list(folder.waiting()))] == ([b"first", b"second"] if whole else [b"first"])
    assert not left.exists()


def test_what_is_rejected_keeps_its_bytes_and_its_reason_and_can_wait_again(folder: SpoolFolder) -> None:
    name = folder.put(b"bad")
    folder.reject(name, b"bad", "job.name: is required")
    assert not folder.has_waiting()
    assert (folder.path / "rejected" / name).read_bytes() == b"bad"
    assert (folder.path / "rejected" / f"{name}.reason.txt").read_text() == "job.name: is required"
    assert folder.rejected() == [name]
    folder.restore(folder.rejected())
    assert list(folder.waiting()) == [name]
    assert list((folder.path / "rejected").iterdir()) == []


def test_what_fails_again_and_again_waits_behind_the_others_and_is_rejected_in_the_end(folder: SpoolFolder) -> None:
    folder.put(b"bad")
    for attempt in range(1, 5):
        folder.put(b"good %d" % attempt)
        (name,) = (name for name, data in folder.read(list(folder.waiting())) if data == b"bad")
        folder.postpone(name, b"bad", "500")
        *_, last = folder.waiting()
        assert attempts_of(last) == attempt
        check_whole(last, b"bad")
    folder.postpone(last, b"bad", "answered 500")
    (rejected,) = folder.rejected()
    reason = (folder.path / "rejected" / f"{rejected}.reason.txt").read_text()
    assert reason == "tried 5 times, while others were taken: answered 500"


_HOLD = """
import sys, time
from sematic_airflow_provider.delivery.folder import SpoolFolder
with SpoolFolder(sys.argv[1]).held() as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_delivers_and_a_killed_one_holds_nothing(folder: SpoolFolder) -> None:
    other = subprocess.Popen([sys.executable, "-c", _HOLD, folder.where], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"True\n"
    assert folder.is_held()
    with folder.held() as ours:
        assert not ours
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    assert not folder.is_held()
    with folder.held() as ours:
        assert ours
