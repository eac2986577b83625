"""Celery workers beside an Airflow, each with a folder of its own, and the Redis that they get their tasks from."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from sematic_airflow_provider.cli.processes import HOST, LocalAirflow, free_port

_STOP_SECONDS = 10


class Redis:
    """A Redis server that keeps nothing."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("the tests with CeleryExecutor need Redis (Debian: apt install redis-server)")
        self.port = free_port(16379)
        with (folder / "redis.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "--port", str(self.port), "--bind", HOST, "--save", "", "--dir", str(folder)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def url(self) -> str:
        """As a broker."""
        return f"redis://{HOST}:{self.port}/0"

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_STOP_SECONDS)


class CeleryWorker:
    """A worker that shares nothing with the others but database, broker and store, as one on another machine."""

    def __init__(self, airflow: LocalAirflow, name: str, home: Path, *, slots: int = 2) -> None:
        self.name, self.log = name, home / "worker.log"
        home.mkdir(parents=True)
        command = ("celery", "worker", "--concurrency", str(slots), "--celery-hostname", name, "--skip-serve-logs")
        environment = {**airflow.environment, "AIRFLOW_HOME": str(home), "WORKER_NAME": name}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self, timeout: float = 120) -> None:
        """Until it takes tasks."""
        deadline = time.monotonic() + timeout
        while " ready." not in self.log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"worker {self.name} does not start: {self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.5)

    def kill(self) -> None:
        """As when its machine loses power: with all that it runs."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it and what it runs."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
