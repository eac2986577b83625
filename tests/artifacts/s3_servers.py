"""Servers that speak S3, as processes of their own on a port of this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config

from sematic_airflow_provider.artifacts.s3_access import S3Access
from sematic_airflow_provider.cli.processes import free_port

KEY, SECRET, REGION = "test-key", "test-secret-key", "us-east-1"


@cache
def session() -> boto3.Session:
    """A session with the key of all test servers. It is one for all: it reads what botocore knows of S3 once."""
    return boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION)


def access() -> S3Access:
    """As whom the tests use the servers."""
    return S3Access(session())


class RunningServer:
    """A server that somebody else starts and ends."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port, self.host, self.endpoint = port, host, f"http://{host}:{port}"

    def client(self, **config: Any) -> Any:
        """A plain client."""
        return session().client(
            "s3", endpoint_url=self.endpoint, config=Config(s3={"addressing_style": "path"}, **config)
        )

    @cached_property
    def behind(self) -> Any:
        """A client that asks once, to look and change things behind the store's back."""
        return self.client(retries={"total_max_attempts": 1})

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.behind.create_bucket(Bucket=name)
        return name


class S3Server(RunningServer):
    """A server process until ``stop``, or the end of a with block; ``after`` is called when it has ended."""

    def __init__(self, command: Sequence[str], port: int, after: Callable[[], object] = lambda: None) -> None:
        super().__init__(port)
        self._after = after
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL)
        self._wait()

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._after()

    def __enter__(self) -> S3Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self._process.kill()
        self._log.seek(0)
        raise RuntimeError(f"the server did not start:\n{self._log.read().decode(errors='replace')[-2000:]}")


def moto_server() -> S3Server:
    """moto's server: S3 in memory, with conditional writes and multipart limits."""
    port = free_port(15000)
    return S3Server([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port)


def rclone_server() -> S3Server:
    """rclone's server: S3 on a folder, by another hand than moto's. It checks signatures, and knows neither conditions nor checksums."""
    port = free_port(15500)
    folder = tempfile.TemporaryDirectory(prefix="sematic-rclone-")
    program = Path(sysconfig.get_path("scripts")) / "rclone"
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", "--config", ""]
    return S3Server([str(program), "serve", "s3", *options, folder.name], port, folder.cleanup)
