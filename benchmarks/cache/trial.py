"""One case by one way: run, edit, run again in a fresh process, and say what became of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.cache.cases import HIT, MISS, STORED, TOGETHER, Case
from benchmarks.cache.project import Outcome, Project
from benchmarks.cache.ways import Way
from benchmarks.environments import NotInstallableError
from benchmarks.runs import FailedError

RIGHT, STALE, NEEDLESS, CRASH, WRONG, TWICE = (
    "right",
    "stale",
    "needless miss",
    "crash",
    "wrong value",
    "computed twice",
)
LOUD = "error, then right"  # a run that met the damage failed, and the next one computed what was damaged
REFUSED, NOTHING = "refused", "nothing"  # it says that it cannot do this at all; there is no such file or option
SIZE = 400_000 * 8
HOLD = 75.0  # so long the first execution lasts, unless a second begins
SETTLE = 30.0  # so long the other is given to come to the step before the owner is killed


@dataclass(frozen=True)
class Verdict:
    """What became of a case, how often the step executed, and what was seen where it is not right."""

    case: str
    way: str
    verdict: str
    executions: int = 0
    seen: str = ""
    seconds: float = 0.0

    def record(self) -> dict[str, object]:
        """As it is kept."""
        return asdict(self)


def judge(case: Case, way: Way, folder: Path) -> Verdict:
    """Run it.

    Raises:
        FailedError: the way cannot run here at all; with the reason.
    """
    started = time.monotonic()
    try:
        project = Project(way, case, folder)
    except NotInstallableError as error:
        raise FailedError(f"cannot be installed here: {error}") from error
    try:
        verdict, seen = _together(project) if case.kind == TOGETHER else _in_turn(project)
        return Verdict(case.name, way.name, verdict, len(project.executions), seen, time.monotonic() - started)
    finally:
        project.close()


def _in_turn(project: Project) -> tuple[str, str]:
    case = project.case
    if case.verifying and not project.way.verifying_decorator:
        return NOTHING, ""
    first = project.run(after=False)
    if first.number is None:
        return REFUSED, first.reason
    if first.number != case.expected[0] or len(project.executions) != 1:
        return WRONG, f"the first run gave {first.number} after {len(project.executions)} executions"
    if case.kind == STORED:
        stored = _stored_values(project.folder)
        if not stored:
            return NOTHING, "the stored value was not found"
        for path in stored:
            if case.to_stored == "delete" and _is_database(path):
                return NOTHING, f"it lies in the database {path.name}"
            _damage(path, case.to_stored)
    verdict, seen = _of_second(case, project.run(after=True), len(project.executions))
    if verdict == CRASH and case.kind == STORED and project.run(after=True).number == case.expected[1]:
        return LOUD, seen
    return verdict, seen


def _of_second(case: Case, second: Outcome, executions: int) -> tuple[str, str]:
    before, after = case.expected
    if second.number is None:
        return CRASH, second.reason
    if second.number == after:
        return (NEEDLESS, "") if case.kind == HIT and executions > 1 else (RIGHT, "")
    if case.kind == MISS and second.number == before:
        return STALE, f"{second.number} instead of {after}"
    return WRONG, f"{second.number} instead of {after}"


def _together(project: Project) -> tuple[str, str]:
    """Two processes ask for the same step; where the owner is killed, the other must finish."""
    case = project.case
    project.write(False)
    running = [project.start(slot, hold=HOLD) for slot in (0, 1)]
    _wait(lambda: bool(project.executions) and project.arrived == 2, running)
    if not project.executions:
        outcomes = [project.outcome(process, slot, 10) for slot, process in enumerate(running)]
        return CRASH, next(o.reason for o in outcomes if o.number is None)
    if case.kill:
        _wait(lambda: len(project.executions) > 1, running, SETTLE)
        if len(project.executions) > 1:
            return TWICE, "the other had begun before the owner was killed"
        sessions = [process.pid for process in running]
        try:
            owner = sessions.index(os.getsid(project.executions[0]))
        except (ProcessLookupError, ValueError):
            return CRASH, "the owner ended by itself"
        waiting = 1 - owner
        os.killpg(sessions[owner], signal.SIGKILL)
        outcomes = [project.outcome(running[waiting], waiting)]
    else:
        outcomes = [project.outcome(process, slot) for slot, process in enumerate(running)]
    executions, wanted = len(project.executions), 2 if case.kill else 1
    for outcome in outcomes:
        if outcome.number is None:
            return CRASH, outcome.reason
        if outcome.number != case.expected[0]:
            return WRONG, f"{outcome.number} instead of {case.expected[0]}"
    return (RIGHT, "") if executions == wanted else (TWICE, f"{executions} executions, {wanted} needed")


def _wait(reached: object, running: list[subprocess.Popen[bytes]], seconds: float = 180) -> None:
    assert callable(reached)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not reached() and any(process.poll() is None for process in running):
        time.sleep(0.1)


def _stored_values(folder: Path) -> list[Path]:
    """The files that hold the array: those of its size that the first run left in the store, the homes or the temporary folder."""
    places = [folder / name for name in ("store", "home", "home-0", "temporary")]
    files = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if path.stat().st_size >= SIZE and path.name != "airflow.db"]


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(15) == b"SQLite format 3"


def _damage(path: Path, how: str) -> None:
    """Delete it, or flip a bit of those of its middle bytes that are letters: text stays text of the same alphabet, numbers become others.

    A letter after a backslash is left alone: in JSON it would be found by its form.
    """
    if how == "delete":
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 64):
        if data[place] < 128 and chr(data[place]).isalpha() and data[place - 1] != ord("\\"):
            data[place] ^= 0x20
    path.chmod(0o644)
    path.write_bytes(data)
