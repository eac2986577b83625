"""Runs of ``child``: one save and one load of a kind of value by a way, each in a fresh process, kept in a file as soon as they are done."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import HERE, PLACE, ROOT, NotInstallableError, Peer, known_peers, python_of

LIMIT, OURS = "limit", "ours"
_SECONDS = 1800
# The ways are measured, not what they would report home; and the machine's processor is used as it is.
_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "KEDRO_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "ZENML_ANALYTICS_OPT_IN": "false",
    "METAFLOW_USER": "bench",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": str(ROOT),
}
_NOT_PASSED_ON = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "VIRTUAL_ENV", "AIRFLOW_HOME", "PYTHONDONTWRITEBYTECODE")


class FailedError(Exception):
    """A way could not do what was asked for."""


def ways() -> dict[str, Peer]:
    """All ways, the limit and ours first."""
    everything = ("array", "integers", "numbers", "strings", "model", "folder", "json")
    limit = Peer(LIMIT, (), everything, "yes", "yes", "See benchmarks/limit.py.", environment=HERE)
    ours = Peer(OURS, (), everything, "yes", "yes", "Previews are made as well.", environment=HERE)
    return {LIMIT: limit, OURS: ours, **known_peers()}


@dataclass(frozen=True)
class Runner:
    """Runs jobs at one scale."""

    scale: float

    def once(self, way: Peer, kind: str, *, check: bool) -> dict[str, Any]:
        """The figures of one save and one load.

        Raises:
            FailedError: with the reason.
        """
        try:
            python = python_of(way)
        except NotInstallableError as error:
            raise FailedError(f"cannot be installed here: {error}") from error
        folder = PLACE / "work" / way.name  # the same each time: databases that are prepared once hold its path
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "home").mkdir(parents=True)
        try:
            self._prepare(python, way, kind, folder)
            saved = self._phase(python, way, kind, folder, "save", check=check)
            loaded = self._phase(python, way, kind, folder, "load", check=check)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if saved.pop("fingerprint", None) != loaded.pop("fingerprint", None):
            raise FailedError("what was loaded is not what was saved")
        return {"save": saved, "load": loaded}

    def _prepare(self, python: Path, way: Peer, kind: str, folder: Path) -> None:
        """Give it its places, with what it needs in them; made once and copied from then on."""
        source = _source(way).read_text()
        if "def prepare(" not in source:
            for place in ("store", "warm"):
                (folder / place).mkdir()
            return
        identity = hashlib.sha256(json.dumps([source, way.packages, str(folder)]).encode()).hexdigest()[:12]
        made = PLACE / "prepared" / f"{way.name}-{identity}"
        if not made.exists():
            for place in ("store", "warm"):
                (folder / place).mkdir()
            self._phase(python, way, kind, folder, "prepare", check=False)
            unready = made.with_suffix(".part")
            shutil.rmtree(unready, ignore_errors=True)
            for place in ("store", "warm"):
                shutil.copytree(folder / place, unready / place)
            unready.rename(made)
            return
        for place in ("store", "warm"):
            shutil.copytree(made / place, folder / place)

    def _phase(self, python: Path, way: Peer, kind: str, folder: Path, phase: str, *, check: bool) -> dict[str, Any]:
        module = ".".join(_source(way).relative_to(ROOT).with_suffix("").parts)
        job, answer = folder / f"{phase}.job.json", folder / f"{phase}.json"
        values = PLACE / "values"
        values.mkdir(exist_ok=True)
        wanted = {"way": module, "kind": kind, "phase": phase, "folder": str(folder), "scale": self.scale}
        job.write_text(json.dumps({**wanted, "values": str(values), "answer": str(answer), "check": check}))
        environment = surroundings(folder / "home")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [str(python), "-m", "benchmarks.child", str(job)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            code = _waited(process)
        if code != 0 or not answer.exists():
            raise FailedError(f"{phase}: {reason_of(folder / 'log', code)}")
        figures: dict[str, Any] = json.loads(answer.read_text())
        return figures


def surroundings(home: Path) -> dict[str, str]:
    """The environment variables that every way runs with, at home in this folder."""
    passed_on = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return passed_on | _ENVIRONMENT | {"HOME": str(home), "AIRFLOW_HOME": str(home)}


def _source(way: Peer) -> Path:
    folder = Path(__file__).parent
    return (folder if way.name in (LIMIT, OURS) else folder / "peers") / f"{way.name}.py"


def _waited(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. Its own session ends with it: some peers leave servers behind."""
    try:
        return process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        return -signal.SIGALRM
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def reason_of(log: Path, code: int) -> str:
    """Why a process failed: the last line that it printed."""
    if code == -signal.SIGALRM:
        return f"not done after {_SECONDS} s"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return (lines[-1] if lines else f"ended with {code}")[:200]


class Kept:
    """What was measured so far, in a file: an interrupted run goes on from it."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self.runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.failed: dict[str, dict[str, str]] = {}
        if resume and path.exists():
            self.runs = json.loads(path.read_text())["runs"]

    def add(self, kind: str, way: str, figures: dict[str, Any]) -> None:
        """Keep one run."""
        self.runs.setdefault(kind, {}).setdefault(way, []).append(figures)
        self._write()

    def fail(self, kind: str, way: str, reason: str) -> None:
        """Keep why a way has no figures; with ``--resume`` it is tried again."""
        self.failed.setdefault(kind, {})[way] = reason
        self._write()

    def of(self, kind: str, way: str) -> list[dict[str, Any]]:
        """The runs so far."""
        return self.runs.get(kind, {}).get(way, [])

    def _write(self) -> None:
        PLACE.mkdir(exist_ok=True)
        unready = self._path.with_suffix(".part")
        unready.write_text(json.dumps({"runs": self.runs, "failed": self.failed}))
        unready.replace(self._path)
