"""The NVIDIA GPUs of the machine, as ``nvidia-smi`` lists them. The program takes longer than a small step: it runs beside the function."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
import tempfile
from typing import Any

_FIELDS = ("index", "name", "uuid", "memory.total", "driver_version")
_SECONDS = 5.0
VISIBLE = "CUDA_VISIBLE_DEVICES"


class GpuQuery:
    """Started when a step begins, read when it ends. A machine without ``nvidia-smi`` costs a look at PATH."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        program = shutil.which("nvidia-smi")
        if program is None:
            return
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - read and closed in ``read``; a file cannot fill up as a pipe can
        try:
            self._process = subprocess.Popen(  # noqa: S603 - fixed arguments
                [program, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self._output.close()

    def abandon(self) -> None:
        """Do not wait for the answer."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._output.close()
            self._process = None

    def read(self) -> dict[str, Any] | None:
        """``devices`` and ``visible`` (``CUDA_VISIBLE_DEVICES``, null where it is not set); None where there is no GPU."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        with self._output as output:
            try:
                status = process.wait(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None
            output.seek(0)
            devices = parse(output.read().decode("utf-8", errors="replace")) if status == 0 else []
        return {"devices": devices, "visible": os.environ.get(VISIBLE)} if devices else None


def parse(text: str) -> list[dict[str, Any]]:
    """The rows that ``--format=csv,noheader,nounits`` prints: one a GPU, memory in MiB; ``[N/A]`` and ``[Not Supported]`` are None."""
    found: list[dict[str, Any]] = []
    for row in csv.reader(io.StringIO(text), skipinitialspace=True):
        if len(row) != len(_FIELDS) or not row[0].strip().isdigit():
            continue
        index, name, uuid, memory, driver = (_known(cell) for cell in row)
        found.append(
            {
                "index": int(index or 0),
                "name": name,
                "uuid": uuid,
                "memoryBytes": int(memory) << 20 if memory and memory.isdigit() else None,
                "driver": driver,
            }
        )
    return found


def _known(cell: str) -> str | None:
    text = cell.strip()
    return None if not text or re.fullmatch(r"\[.*\]", text) else text
