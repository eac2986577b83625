"""Servers that speak S3, as processes of their own on a port of this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config

from sematic_airflow_provider.artifacts.s3_access import S3Access
from sematic_airflow_provider.cli.processes import free_port

KEY, SECRET, REGION = "test-key", "test-secret-key", "us-east-1"


def session() -> boto3.Session:
    """A session with the key of all test servers."""
    return boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION)


def access() -> S3Access:
    """As whom the tests use the servers."""
    return S3Access(session())


class S3Server:
    """A server process until ``stop``."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.port, self.endpoint = port, f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL)
        self._wait()

    def client(self, **config: Any) -> Any:
        """A plain client, to look behind the store's back."""
        return session().client(
            "s3", endpoint_url=self.endpoint, config=Config(s3={"addressing_style": "path"}, **config)
        )

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

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
