"""A complete local Airflow, set up for this provider: its environment, its processes, and a client for its API."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

XCOM_BACKEND = "sematic_airflow_provider.worker.xcom.SematicXComBackend"
TRANSPORT = "sematic_airflow_provider.worker.transport.SematicTransport"
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
HOST = "127.0.0.1"
_STOP_SECONDS = 8


class ProcessEndedError(RuntimeError):
    """A process of this Airflow ended by itself; the message has the end of its log."""


class HomeInUseError(RuntimeError):
    """Another Airflow, or what is left of one, runs on this AIRFLOW_HOME."""


def free_port(wanted: int) -> int:
    """This port of the loopback interface or, where it is taken, a later one."""
    for port in range(wanted, wanted + 100):
        if _is_free(port):
            return port
    raise RuntimeError(f"no free port from {wanted} to {wanted + 99}")


def _is_free(port: int) -> bool:
    """Free in IPv4 and in IPv6: browsers try both for ``localhost``, and would find another program's page there."""
    for family, host in ((socket.AF_INET, HOST), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if family == socket.AF_INET or error.errno == errno.EADDRINUSE:  # a machine without IPv6 is fine
                return False
    return True


@dataclass
class LocalAirflow:
    """One AIRFLOW_HOME and the processes on it. Nothing listens beyond the loopback interface."""

    home: Path
    dags: Path
    port: int
    database: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    user: str = "admin"
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lock: int | None = None

    def __post_init__(self) -> None:
        self.home = self.home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "logs").mkdir(exist_ok=True)
        self._secrets = self._kept_secrets()

    @property
    def url(self) -> str:
        """Of the UI and the API."""
        return f"http://localhost:{self.port}"

    @property
    def password(self) -> str:
        """Of the only user."""
        return self._secrets["password"]

    @property
    def api_key(self) -> str:
        """Which workers post lineage events with."""
        return self._secrets["lineage_api_key"]

    @property
    def environment(self) -> dict[str, str]:
        """What every process of this Airflow runs with. Settings of another Airflow in our own environment are left out."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW_", "OPENLINEAGE_", "_AIRFLOW_"))
        }
        database = self.database or f"sqlite:///{self.home}/airflow.db"
        passwords = self.home / "passwords.json"
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__EXPOSE_CONFIG": "False",
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self._secrets["secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secrets["jwt_secret"],
            "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags.absolute()),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": self._secrets["fernet_key"],
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.user}:admin",
            "AIRFLOW__CORE__XCOM_BACKEND": XCOM_BACKEND,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": TRANSPORT}),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
            "AIRFLOW__SEMATIC__DRAIN_INTERVAL": "5",
            "AIRFLOW__SEMATIC__LINEAGE_API_KEY": self.api_key,
            "AIRFLOW__TRIGGERER__CAPACITY": "20",
            **self.extra,
        }

    def command(
        self, *arguments: str, timeout: float | None = 600, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run ``airflow …`` to its end.

        Raises:
            RuntimeError: it failed, and ``check`` was asked for; with the end of what it printed.
        """
        done = subprocess.run(  # noqa: S603 - this interpreter and Airflow
            [sys.executable, "-m", "airflow", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
            raise RuntimeError(f"airflow {' '.join(arguments)} failed with status {done.returncode}:\n{tail}")
        return done

    def migrate(self) -> None:
        """Make or update the tables, Airflow's and ours."""
        self.command("db", "migrate")

    def start(self, *components: str) -> None:
        """Start these components, all by default, each in a process group of its own.

        Raises:
            HomeInUseError: another process has started components on this home, and some still run.
        """
        lock = self._take_home()
        for component in components or COMPONENTS:
            with (self.home / "logs" / f"{component}.log").open("ab") as log:
                self._running[component] = subprocess.Popen(  # noqa: S603 - this interpreter and Airflow
                    [sys.executable, "-m", "airflow", component],
                    env=self.environment,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(lock,),  # the home stays taken for as long as one of them lives, even when we are killed
                )
        groups = " ".join(f"-{process.pid}" for process in self._running.values())
        os.pwrite(lock, f"{groups:<200}".encode(), 0)

    def stop(self, *components: str) -> None:
        """Stop these components, all by default, with everything that they started."""
        stopping = {
            name: self._running.pop(name) for name in reversed(components or COMPONENTS) if name in self._running
        }
        for process in stopping.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in stopping.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()
        if not self._running and self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_home(self) -> int:
        if self._lock is None:
            lock = os.open(self.home / "running.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                groups = os.pread(lock, 200, 0).decode().strip()
                os.close(lock)
                raise HomeInUseError(
                    f"an Airflow already runs on {self.home}. Stop it with Ctrl-C where it was started, or, when that is gone: "
                    f"kill -TERM -- {groups or '(its processes)'}"
                ) from None
            self._lock = lock
        return self._lock

    def check_alive(self) -> None:
        """Make sure that what was started still runs.

        Raises:
            ProcessEndedError: it does not.
        """
        for component, process in self._running.items():
            if process.poll() is not None:
                log = self.home / "logs" / f"{component}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise ProcessEndedError(
                    f"the {component} ended with status {process.returncode}. The end of {log}:\n{tail}"
                )

    def wait_until_healthy(self, timeout: float = 180) -> None:
        """Wait until API server, scheduler and Dag processor report healthy.

        Raises:
            TimeoutError: they do not in time; with what is missing.
            ProcessEndedError: one of them ended.
        """
        wanted = {"scheduler", "dag_processor"} & {name.replace("-", "_") for name in self._running}
        missing: set[str] = {"api-server"}

        def explain() -> str:
            return f"not healthy: {', '.join(sorted(missing))}"

        for _ in self._until(timeout, explain):
            with contextlib.suppress(OSError, ValueError):
                health = self.get("/api/v2/monitor/health", token=False)
                missing.clear()
                missing.update(name for name in wanted if (health.get(name) or {}).get("status") != "healthy")
                if not missing:
                    return

    def get(self, path: str, *, token: bool = True) -> Any:
        """GET as the user; the answer's JSON."""
        return self._call("GET", path, None, token=token)

    def post(self, path: str, body: Any) -> Any:
        """POST JSON as the user; the answer's JSON."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        """PATCH JSON as the user; the answer's JSON."""
        return self._call("PATCH", path, body)

    def wait_for_dag(self, dag_id: str, timeout: float = 120) -> None:
        """Wait until the Dag processor has read a Dag.

        Raises:
            TimeoutError: it has not in time; with its import errors.
        """
        for _ in self._until(timeout, lambda: f"the Dag {dag_id} does not appear: {self.get('/api/v2/importErrors')}"):
            with contextlib.suppress(urllib.error.HTTPError):
                self.get(f"/api/v2/dags/{dag_id}")
                return

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run a Dag."""
        self.patch(f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, run_after: str | None = None) -> str:
        """Unpause a Dag and start a run of it, as of now or of another time; the run's id."""
        self.unpause(dag_id)
        run = self.post(f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "run_after": run_after})
        return str(run["dag_run_id"])

    def first_run(self, dag_id: str, timeout: float = 20) -> str:
        """A run to follow: the one that the schedule starts as soon as a Dag is unpaused, else one that we trigger; its id.

        A triggered run beside the scheduled one would wait for it, where a Dag allows one run at a time.
        """
        if self.get(f"/api/v2/dags/{dag_id}")["is_paused"]:
            self.unpause(dag_id)
            with contextlib.suppress(TimeoutError):
                for _ in self._until(timeout, lambda: f"the schedule of {dag_id} starts no run"):
                    if active := self.active_runs(dag_id):
                        return active[0]
        return self.trigger(dag_id)

    def active_runs(self, dag_id: str) -> list[str]:
        """Ids of the runs that have not ended, the oldest first."""
        path = f"/api/v2/dags/{dag_id}/dagRuns?state=queued&state=running&order_by=run_after"
        return [str(run["dag_run_id"]) for run in self.get(path)["dag_runs"]]

    def end_active_runs(self, dag_id: str) -> list[str]:
        """Set the runs that have not ended to failed, such as those that were interrupted when Airflow was stopped; their ids."""
        found = self.active_runs(dag_id)
        for run_id in found:
            self.patch(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", {"state": "failed"})
        return found

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """State of each task instance of a run; mapped ones as ``task[index]``."""
        found = self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=500")["task_instances"]
        return {
            ti["task_id"] + (f"[{ti['map_index']}]" if ti["map_index"] >= 0 else ""): str(ti["state"] or "waiting")
            for ti in found
        }

    def follow(self, dag_id: str, run_id: str, timeout: float = 600) -> Iterator[tuple[str, str]]:
        """Each task of a run with its state as it ends; ends with the run itself, under the name ``""``.

        Raises:
            TimeoutError: the run does not end in time.
        """
        told: dict[str, str] = {}
        for _ in self._until(timeout, lambda: f"the run {run_id} of {dag_id} does not end"):
            run = self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
            for task, state in self.task_states(dag_id, run_id).items():
                if state in ("success", "failed", "skipped", "upstream_failed", "removed") and told.get(task) != state:
                    told[task] = state
                    yield task, state
            if run["state"] in ("success", "failed"):
                yield "", str(run["state"])
                return

    def _until(self, timeout: float, explain: Any) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check_alive()
            yield
            time.sleep(0.5)
        raise TimeoutError(f"after {timeout:.0f} s: {explain()}")

    def _call(self, method: str, path: str, body: Any, *, token: bool = True) -> Any:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {self._token()}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310 - our own http URL
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own http URL
            return json.loads(answer.read() or b"null")

    def _token(self) -> str:
        if not hasattr(self, "_bearer"):
            login = {"username": self.user, "password": self.password}
            self._bearer: str = self._call("POST", "/auth/token", login, token=False)["access_token"]
        return self._bearer

    def _kept_secrets(self) -> dict[str, str]:
        """Made once for each home, readable by its owner only; the user's password in the form that the auth manager reads."""
        file = self.home / "secrets.json"
        if not file.is_file():
            from cryptography.fernet import Fernet

            made = {name: secrets.token_urlsafe(24) for name in ("lineage_api_key", "jwt_secret", "secret_key")}
            made |= {"password": secrets.token_urlsafe(9), "fernet_key": Fernet.generate_key().decode()}
            _write_private(file, made)
            _write_private(self.home / "passwords.json", {self.user: made["password"]})
        found: dict[str, str] = json.loads(file.read_text())
        return found


def _write_private(file: Path, content: Mapping[str, str]) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as target:
        json.dump(dict(content), target)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
