"""What a step used: wall and CPU time, and the peak of its process's memory."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class ResourceMeter:
    """Measures from construction to ``read``.

    The peak is the resident set's high-water mark. Linux lets a process reset its own (``proc(5)``, clear_refs 5), without which a forked
    process would report its parent's; where that is not possible the peak is the process's since its start.
    """

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = _cpu_seconds()
        with suppress(OSError):  # not Linux, or no permission: the peak is then the process's, as the class says
            _CLEAR_REFS.write_text("5")

    def read(self) -> dict[str, Any]:
        """``durationSeconds``, ``cpuSeconds`` (of this process and its ended children) and ``peakMemoryBytes``."""
        return {
            "durationSeconds": round(time.perf_counter() - self._wall, 6),
            "cpuSeconds": round(_cpu_seconds() - self._cpu, 6),
            "peakMemoryBytes": _peak_bytes(),
        }


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_bytes() -> int:
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # no procfs here: ask getrusage, as below
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
