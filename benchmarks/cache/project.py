"""The project of one case, written as a way's users would write it, in a folder that is the same for all cases: some databases hold its path."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cache.cases import Case
from benchmarks.cache.ways import Way
from benchmarks.environments import ROOT, install_wheel, python_of
from benchmarks.runs import FailedError, reason_of, surroundings

SECONDS = 240
_PLACES = ("project", "store", "home", "home-0", "home-1", "temporary", "arrived")


@dataclass(frozen=True)
class Outcome:
    """Of one process: the number it wrote, or why there is none."""

    number: float | None
    reason: str = ""


class Project:
    """A folder with the project's files, the store, and homes, and the processes that run in it."""

    def __init__(self, way: Way, case: Case, folder: Path) -> None:
        self.way, self.case, self.folder = way, case, folder
        self.python = python_of(way.peer)
        shutil.rmtree(folder, ignore_errors=True)
        for place in _PLACES:
            (folder / place).mkdir(parents=True)
        self._started: list[subprocess.Popen[bytes]] = []
        if way.prepare:
            self._prepare(folder.parent / "prepared")

    def _prepare(self, kept: Path) -> None:
        wanted = json.dumps([self.way.prepare, self.way.peer.packages, str(self.folder)])
        made = kept / f"{self.folder.name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
        places = ("store", "home-0")
        if not made.exists():
            (self.folder / "project" / "prepare.py").write_text(self.way.prepare)
            self.start(0, "prepare.py").wait(SECONDS)
            if self._started[0].returncode != 0:
                raise FailedError(f"preparation: {self._reason(0)}")
            for place in places:
                shutil.copytree(self.folder / place, made / place)
        for home, source in {"store": "store", "home-0": "home-0", "home-1": "home-0"}.items():
            shutil.copytree(made / source, self.folder / home, dirs_exist_ok=True)
        self._started.clear()

    def write(self, after: bool) -> None:
        """The project's files as they are before or after the edit, and the version of the library."""
        project, way, case = self.folder / "project", self.way, self.case
        annotation, given, read = way.file
        decorator = (case.reads_file and way.file_decorator) or (case.verifying and way.verifying_decorator)
        decorator = decorator or way.decorator
        argument = case.arguments[after].replace("INPUT_FILE", given)
        for name, text in (case.after if after else case.before).items():
            filled = text.replace("@STEP", decorator).replace("INPUT_FILE", annotation).replace("READ_FILE", read)
            if name == "steps.py":
                filled = f"{way.imports}\nfrom tally import ran\n\n\n{filled}{way.after_steps}"
            (project / name).write_text(self._placed(filled).replace("{argument}", argument))
        (project / "main.py").write_text(self._placed(way.main).replace("{argument}", argument))
        shutil.copy(Path(__file__).with_name("tally.py"), project / "tally.py")
        if case.library is not None:
            self._install(case.library[after])

    def _install(self, version: str) -> None:
        """A distribution of one module, built here."""
        target, about = self.folder / "libraries" / "site-packages", f"benchtool-{version}.dist-info"
        shutil.rmtree(target, ignore_errors=True)
        wheel = self.folder / f"benchtool-{version}-py3-none-any.whl"
        files = {
            "benchtool.py": f"def scale(value):\n    return {int(float(version))} * value\n",
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: benchtool\nVersion: {version}\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: benchmarks\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in (files | {f"{about}/RECORD": record}).items():
                archive.writestr(name, text)
        install_wheel(wheel, self.python, target)

    def start(
        self, slot: int, program: str = "main.py", *, seed: str = "0", hold: float = 0
    ) -> subprocess.Popen[bytes]:
        """Run the program in a fresh process, in a session of its own."""
        folder = self.folder
        (folder / f"answer-{slot}").unlink(missing_ok=True)
        environment = surroundings(folder / "home") | {
            "PYTHONPATH": str(folder / "libraries" / "site-packages"),
            "PYTHONHASHSEED": seed,
            "PYTHONDONTWRITEBYTECODE": "1",  # two edits within a second and of equal length would look the same
            "TMPDIR": str(folder / "temporary"),
            "TALLY": str(folder / "tally"),
            "ARRIVED": str(folder / "arrived"),
            "ANSWER": str(folder / f"answer-{slot}"),
            "HOLD": str(hold),
        }
        environment |= {name: self._placed(value, slot) for name, value in self.way.environment.items()}
        with (folder / f"log-{slot}").open("w") as log:
            process = subprocess.Popen(
                [str(self.python), program],
                cwd=folder / "project",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def outcome(self, process: subprocess.Popen[bytes], slot: int, seconds: float = SECONDS) -> Outcome:
        """Wait for its end, and take the number."""
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return Outcome(None, f"not done after {seconds:.0f} s")
        finally:
            _kill(process)
        written = self.folder / f"answer-{slot}"
        if code != 0 or not written.exists():
            return Outcome(None, self._reason(slot))
        return Outcome(json.loads(written.read_text()))

    def run(self, *, after: bool) -> Outcome:
        """Write the files and run the program once."""
        self.write(after)
        return self.outcome(self.start(0, seed=self.case.seeds[after]), 0)

    @property
    def executions(self) -> list[int]:
        """The process of each real execution so far."""
        tally = self.folder / "tally"
        return [int(line) for line in tally.read_text().split()] if tally.exists() else []

    @property
    def arrived(self) -> int:
        """How many processes have come to the step."""
        return len(list((self.folder / "arrived").iterdir()))

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            _kill(process)

    def _placed(self, text: str, slot: int = 0) -> str:
        folder = self.folder
        places = {"{store}": folder / "store", "{home}": folder / f"home-{slot}", "{project}": folder / "project"}
        for name, path in places.items():
            text = text.replace(name, str(path))
        return text

    def _reason(self, slot: int) -> str:
        """The last exception that it tells, else its last line."""
        log = self.folder / f"log-{slot}"
        told = re.findall(r"^[\w.]*(?:Error|Exception)\b.*", log.read_text(errors="replace"), re.MULTILINE)
        return (told[-1][:300] if told else reason_of(log, 1)).replace(f"{ROOT}/", "")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Its whole session: some leave servers behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
