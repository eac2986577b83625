"""The S3 store on a network that fails: never a wrong value, never a torn object, what passes is tried again, what stays is told at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

from sematic_airflow_provider.artifacts import s3_download
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.s3_access import S3Access
from sematic_airflow_provider.artifacts.s3_store import S3Store
from sematic_airflow_provider.artifacts.store import Pace, blob_path
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactError, ArtifactNotFoundError, StoreError
from tests.artifacts.faulty_proxy import (
    Answer,
    Cut,
    Fault,
    FaultyProxy,
    Flip,
    Instead,
    Lost,
    Request,
    Reset,
    Slow,
    always,
    at_random,
    at_request,
    once,
)
from tests.artifacts.s3_servers import S3Server, moto_server, session

pytestmark = pytest.mark.thorough

PART = 5 << 20
SMALL = b"small " * 100
LARGE = random.Random(1).randbytes(PART + 100_000)  # two parts
REQUESTS = {"small": 2, "large": 5}  # of a put that nothing happens to
VALUES = {"small": SMALL, "large": LARGE}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="module")
def bucket(server: S3Server) -> str:
    return server.bucket()


@pytest.fixture(scope="module")
def shared_proxy(server: S3Server) -> Iterator[FaultyProxy]:
    with FaultyProxy(server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def store(shared_proxy: FaultyProxy, bucket: str) -> S3Store:
    return opened(shared_proxy, bucket)


@pytest.fixture
def proxy(shared_proxy: FaultyProxy, server: S3Server, bucket: str) -> FaultyProxy:
    """Without faults, before an empty bucket."""
    shared_proxy.plan = lambda request: None
    for entry in server.behind.list_objects_v2(Bucket=bucket).get("Contents", ()):
        server.behind.delete_object(Bucket=bucket, Key=entry["Key"])
    for upload in server.behind.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
        server.behind.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    shared_proxy.seen.clear()
    return shared_proxy


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits between attempts are a hundredth of what they are; here is what they would be."""
    asked: list[float] = []
    real = ExponentialBackoff.delay_amount

    def shorter(self: ExponentialBackoff, context: Any) -> float:
        asked.append(real(self, context))
        return asked[-1] / 100

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", shorter)
    monkeypatch.setattr(s3_download, "time", SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 100)))
    return asked


def opened(proxy: FaultyProxy, bucket: str, timeout: float = 10) -> S3Store:
    def hasty() -> S3Access:
        return S3Access(session(), config=Config(connect_timeout=timeout, read_timeout=timeout))

    return S3Store(f"s3://{bucket}/a?endpoint_url={proxy.endpoint}", access=hasty, part_size=PART)


def stored_behind(server: S3Server, bucket: str) -> dict[str, bytes]:
    """All objects, read past the proxy."""
    keys = [entry["Key"] for entry in server.behind.list_objects_v2(Bucket=bucket).get("Contents", ())]
    return {key: server.behind.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def check_untorn(server: S3Server, bucket: str) -> None:
    for key, data in stored_behind(server, bucket).items():
        assert "/blobs/" not in key or key == f"a/{blob_path(digest_bytes(data))}", f"{key} holds other bytes"


def open_uploads(server: S3Server, bucket: str) -> list[str]:
    return [upload["Key"] for upload in server.behind.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


PASSING: list[Fault] = [
    Answer(500, "InternalError"),
    Answer(503, "SlowDown"),
    Reset(0),
    Reset(70_000),
    Lost(),
    Answer(400, "RequestTimeout"),
]


@pytest.mark.parametrize("fault", PASSING, ids=str)
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_put_survives_one_fault_at_any_of_its_requests(
    server: S3Server, proxy: FaultyProxy, store: S3Store, bucket: str, size: str, fault: Fault
) -> None:
    data = VALUES[size]
    store.stat(digest_bytes(b"the bucket is looked for once"))
    for number in range(1, REQUESTS[size] + 1):
        proxy.seen.clear()
        proxy.plan = at_request(number, fault)
        stored = store.put(of_bytes(data))
        assert proxy.faults().total() == 1
        assert stored.digest == digest_bytes(data)
        assert stored_behind(server, bucket) == {f"a/{blob_path(stored.digest)}": data}
        assert isinstance(fault, Lost) or open_uploads(server, bucket) == []  # who gets no answer knows no name
        store.delete(stored.digest)


@pytest.mark.parametrize("status_and_code", [(409, "ConditionalRequestConflict"), (412, "PreconditionFailed")])
@pytest.mark.parametrize(("size", "kind"), [("small", "PutObject"), ("large", "CompleteMultipartUpload")])
def test_a_conflict_that_was_none_is_looked_into(
    server: S3Server, proxy: FaultyProxy, store: S3Store, bucket: str, size: str, kind: str, status_and_code: Any
) -> None:
    """Another writer was said to be first, or at it; but there is nothing: it is written after all."""
    proxy.plan = once(kind, Answer(*status_and_code))
    assert store.put(of_bytes(VALUES[size])).new
    assert store.get(digest_bytes(VALUES[size])) == VALUES[size]
    assert open_uploads(server, bucket) == []


def test_a_document_that_another_writer_is_at_is_written_after_all(proxy: FaultyProxy, store: S3Store) -> None:
    store.write_document("results/a.json", b"old")
    proxy.plan = once("PutObject", Answer(409, "ConcurrentModification"), times=2)
    store.write_document("results/a.json", b"new")
    assert store.read_document("results/a.json") == b"new"
    proxy.plan = always("PutObject", Answer(409, "OperationAborted"))
    with pytest.raises(StoreError, match=r"results/a\.json.*OperationAborted"):
        store.write_document("results/a.json", b"newer")
    proxy.plan = lambda request: None
    assert store.read_document("results/a.json") == b"new"


@pytest.mark.parametrize(
    "fault",
    [
        Cut(0),
        Cut(1000),
        Cut(PART - 1),
        Cut(1000, "end"),
        Cut(1000, "lie"),
        Flip(9),
        Instead("elsewhere"),
        Slow(0.2, 4),
        Answer(503, "SlowDown"),
        Reset(),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_read_survives_one_fault(proxy: FaultyProxy, store: S3Store, bucket: str, size: str, fault: Fault) -> None:
    data = VALUES[size]
    digest = store.put(of_bytes(data)).digest
    other = store.put(of_bytes(data[::-1])).digest
    if isinstance(fault, Instead):
        fault = Instead(f"/{bucket}/a/{blob_path(other)}")
    proxy.plan = once("GetObject", fault)
    assert store.get(digest) == data
    proxy.plan = once("GetObject", fault)
    target = memoryview(bytearray(len(data)))
    store.read_into(digest, target)
    assert target == data


@pytest.mark.parametrize(
    "fault", [Cut(1000), Cut(1000, "end"), Cut(1000, "lie"), Flip(9), Instead("elsewhere")], ids=str
)
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_read_that_never_gets_the_right_bytes_gives_none(
    proxy: FaultyProxy, store: S3Store, bucket: str, size: str, fault: Fault
) -> None:
    data = VALUES[size]
    if size == "small" and isinstance(fault, Cut):
        fault = Cut(0, fault.how)  # who gets a hundred bytes at a time asks for the rest, and has it all in the end
    digest = store.put(of_bytes(data)).digest
    other = store.put(of_bytes(data[::-1])).digest
    if isinstance(fault, Instead):
        fault = Instead(f"/{bucket}/a/{blob_path(other)}")
    proxy.plan = always("GetObject", fault)
    with pytest.raises(ArtifactError) as caught:
        store.get(digest)
    assert isinstance(caught.value, (ArtifactCorruptedError, StoreError))
    assert digest[:12] in str(caught.value)
    assert bucket in str(caught.value)


PERMANENT = [
    (Answer(400, "ExpiredToken"), "renew them"),
    (Answer(403, "ExpiredToken"), "renew them"),
    (Answer(403, "RequestTimeTooSkewed"), "The clock of this machine is wrong"),
    (Answer(403, "AccessDenied"), "Allow this identity"),
    (Answer(403, "InvalidAccessKeyId"), "Check the access key"),
    (Answer(507, "InsufficientStorage"), "no room left"),
]


@pytest.mark.parametrize(
    ("kind", "fault", "advice"),
    [("UploadPart", *told) for told in PERMANENT]
    + [
        (kind, *PERMANENT[0])
        for kind in ("HeadObject", "PutObject", "CreateMultipartUpload", "CompleteMultipartUpload")
    ],
    ids=str,
)
def test_what_stays_is_told_at_once_with_what_to_do(
    server: S3Server, proxy: FaultyProxy, store: S3Store, bucket: str, kind: str, fault: Answer, advice: str
) -> None:
    """Credentials that expire in the middle of an upload, a clock that is wrong, rights that are missing, a full disk."""
    proxy.plan = always(kind, fault) if kind != "HeadObject" else lambda request: fault
    data = SMALL if kind == "PutObject" else LARGE
    started = time.monotonic()
    with pytest.raises(StoreError, match=f"{bucket}.*{digest_bytes(data)[:12]}.*({fault.code}|507).*{advice}"):
        store.put(of_bytes(data))
    assert time.monotonic() - started < 5
    if fault.status < 500:
        assert proxy.count(kind) <= 2  # of two parts both may be on their way
    assert stored_behind(server, bucket) == {}
    proxy.plan = lambda request: None
    assert store.put(of_bytes(data)).new
    assert store.get(digest_bytes(data)) == data


def test_a_server_that_is_overrun_is_asked_six_times_each_time_after_a_longer_wait(
    proxy: FaultyProxy, store: S3Store, delays: list[float]
) -> None:
    proxy.plan = always("HeadObject", Answer(503, "SlowDown"))
    with pytest.raises(StoreError, match="fewer requests"):
        store.put(of_bytes(SMALL))
    assert proxy.count("HeadObject") == 6
    assert len(delays) == 5
    assert all(0 <= delay <= 2**number for number, delay in enumerate(delays))
    assert min(delays) > 0


def test_a_server_that_does_not_answer_is_given_up_and_asked_again(proxy: FaultyProxy, bucket: str) -> None:
    store = opened(proxy, bucket, timeout=0.3)
    proxy.plan = once("HeadObject", Slow(1.0), times=2)
    assert store.put(of_bytes(SMALL)).new
    proxy.plan = lambda request: Slow(1.0)
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"(?s)timeout.*Check endpoint_url"):
        store.get(digest_bytes(SMALL))
    assert time.monotonic() - started < 6


def test_nobody_at_the_endpoint_is_told_with_what_to_do(server: S3Server, bucket: str) -> None:
    with FaultyProxy(server.port) as gone:
        store = opened(gone, bucket)
    with pytest.raises(StoreError, match="Check endpoint_url"):
        store.put(of_bytes(SMALL))


@pytest.mark.parametrize("size", ["small", "large"])
def test_bytes_that_change_on_their_way_to_a_server_that_checks_nothing_are_never_read(
    proxy: FaultyProxy, store: S3Store, size: str
) -> None:
    """moto takes what comes. Servers that check the signed SHA-256 refuse it: see integration/test_s3_servers.py."""
    proxy.plan = once("PutObject" if size == "small" else "UploadPart", Flip(77, of_request=True))
    digest = store.put(of_bytes(VALUES[size])).digest
    with pytest.raises(ArtifactCorruptedError, match=digest):
        store.get(digest)


def test_a_server_that_says_what_arrived_was_damaged_gets_it_again(proxy: FaultyProxy, store: S3Store) -> None:
    proxy.plan = once("UploadPart", Answer(400, "XAmzContentSHA256Mismatch"))
    assert store.put(of_bytes(LARGE)).new
    assert store.get(digest_bytes(LARGE)) == LARGE


@pytest.mark.parametrize("seed", range(3))
def test_values_on_a_network_on_which_every_fifth_request_fails(
    server: S3Server, proxy: FaultyProxy, store: S3Store, bucket: str, seed: int
) -> None:
    chosen = random.Random(seed)
    repository = Repository(store)
    proxy.plan = at_random(seed, share=0.2)
    values = [chosen.randbytes(chosen.choice([10, 3000, 200_000])) for _ in range(6)]
    values += [[values[0], {"rows": values[1]}], chosen.randbytes(PART + 1)]
    refusals: list[str] = []
    for value in values * 2:
        try:
            assert repository.load(repository.save(value)) == value, f"seed {seed}"
        except (StoreError, ArtifactCorruptedError) as error:  # again and again: clear, and no wrong value
            refusals.append(str(error))
    assert all(bucket in refusal for refusal in refusals)
    check_untorn(server, bucket)
    proxy.plan = lambda request: None
    for value in values:
        assert repository.load(repository.save(value)) == value, f"seed {seed}"
    assert proxy.faults().total() > 5


@pytest.mark.parametrize("number", range(1, REQUESTS["large"] + 1))
def test_a_writer_killed_at_any_request_leaves_no_torn_object(
    server: S3Server, proxy: FaultyProxy, store: S3Store, bucket: str, number: int
) -> None:
    left = [number]
    child = multiprocessing.get_context("spawn").Process(target=_put_large, args=(proxy.endpoint, bucket))

    def kill(request: Request) -> Fault | None:
        left[0] -= 1
        if left[0] == 0 and child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
        return None

    proxy.plan = kill
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    time.sleep(0.05)  # what was on its way arrives
    check_untorn(server, bucket)
    proxy.plan = lambda request: None
    assert store.put(of_bytes(LARGE)).digest == digest_bytes(LARGE)
    assert store.get(digest_bytes(LARGE)) == LARGE
    store.tidy(time.time() + 60)
    assert open_uploads(server, bucket) == []


def _put_large(endpoint: str, bucket: str) -> None:
    S3Store(f"s3://{bucket}/a?endpoint_url={endpoint}", access=lambda: S3Access(session()), part_size=PART).put(
        of_bytes(LARGE)
    )


def test_a_value_larger_than_what_may_be_on_its_way_is_sent_in_bounded_memory(server: S3Server, tmp_path: Path) -> None:
    bucket, path = server.bucket(), tmp_path / "large"
    with path.open("wb") as file:
        for number in range(18):
            file.write(random.Random(number).randbytes(8 << 20))
    code = f"""
        import resource
        from sematic_airflow_provider.artifacts.content import FilePart, of_bytes
        from sematic_airflow_provider.artifacts.s3_store import S3Store
        from tests.artifacts.s3_servers import access
        store = S3Store("s3://{bucket}/a?endpoint_url={server.endpoint}", access=access)
        store.put(of_bytes(b"warm"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with open({str(path)!r}, "rb") as file:
            store.put(FilePart(file))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert int(done.stdout) < 100 << 10  # KiB, of 144 MiB


def test_a_blob_that_is_not_there_is_not_found_however_the_network_is(proxy: FaultyProxy, store: S3Store) -> None:
    proxy.plan = once("GetObject", Reset(0), times=2)
    with pytest.raises(ArtifactNotFoundError):
        store.get(digest_bytes(b"absent"))


@pytest.mark.parametrize("fault", [Answer(409, "OperationAborted"), Answer(501, "NotImplemented"), *PASSING], ids=str)
def test_an_old_blob_is_renewed_however_the_copy_onto_itself_fails(
    proxy: FaultyProxy, bucket: str, store: S3Store, fault: Fault
) -> None:
    """A collector must see that it is needed: where the copy cannot be made, it is written again."""
    hasty = opened(proxy, bucket)
    hasty.pace = Pace(refresh=-1.0, settle=0.1, lease=1.0)
    digest = store.put(of_bytes(SMALL)).digest
    proxy.plan = once("PutObject", fault)
    assert hasty.put(of_bytes(SMALL)).digest == digest
    assert proxy.count("PutObject") >= 2
    assert store.get(digest) == SMALL
