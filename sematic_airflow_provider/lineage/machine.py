"""The machine that a step runs on: processors, memory, disk, container, and the limits that a container has.

Everything is read from files of the system that any process may read; what a system does not tell is None.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from pathlib import Path
from typing import Any

IMAGE_VARIABLE = "SEMATIC_IMAGE"
_CONTAINER_ID = r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"
_IN_MOUNTS = ("/containers/", "/sandboxes/", "/overlay-containers/")
_UNLIMITED = 1 << 60
"""Version 1 of cgroups says a number near 2**63 where there is no limit."""


def describe(scratch: str, root: Path = Path("/")) -> dict[str, Any]:
    """The fields of ``sematic_provenance`` that tell of the machine. ``scratch`` is the folder for temporary files; ``root`` is another only in tests."""
    image = os.environ.get(IMAGE_VARIABLE) or None
    return {
        "platform": _system(),
        "host": socket.gethostname(),
        "cpuCount": cpu_count(),
        "cpuModel": _cpu_model(root),
        "cpuLimit": _cpu_limit(root),
        "memoryBytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "memoryLimitBytes": _memory_limit(root),
        "scratch": _disk(scratch),
        "image": image,
        "imageDigest": digest_of(image),
        "containerId": _container_id(root),
    }


def _system() -> str:
    """As ``platform.platform()`` has it, which reads the interpreter's own file to find the C library: several milliseconds."""
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION") if sys.platform == "linux" else None
    except ValueError:  # another C library than GNU's
        library = None
    if library is None:
        return platform.platform()
    uname = os.uname()
    return f"{uname.sysname}-{uname.release}-{uname.machine}-with-{library.replace(' ', '')}"


def cpu_count() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def digest_of(image: str | None) -> str | None:
    """The digest that an image's name or id ends with: ``registry/name@sha256:…``, or ``sha256:…`` alone of one that was never in a registry."""
    digest = (image or "").rpartition("@")[2]
    kind, _, hexadecimal = digest.partition(":")
    return digest if kind == "sha256" and len(hexadecimal) == 64 and not hexadecimal.strip("0123456789abcdef") else None


def _cpu_model(root: Path) -> str | None:
    for line in _text(root / "proc/cpuinfo", limit=4096).splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model") and value.strip():
            return value.strip()
    return platform.processor() or platform.machine() or None


def _cpu_limit(root: Path) -> float | None:
    """Processors that the container may use, as a fraction: ``resources.limits.cpu`` of a pod."""
    for folder in _cgroups(root, "cpu"):
        quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
        if not quota:
            quota, period = _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit() and int(period):
            return round(int(quota) / int(period), 3)
    return None


def _memory_limit(root: Path) -> int | None:
    """The least of what the process's own group and the groups around it may use."""
    found = [
        int(text)
        for folder in _cgroups(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (text := _text(folder / name).strip()).isdigit() and int(text) < _UNLIMITED
    ]
    return min(found, default=None)


def _cgroups(root: Path, controller: str) -> list[Path]:
    """Folders of the groups that this process is in, the innermost first. Inside a container they begin at the container's own group."""
    if sys.platform != "linux":
        return []
    found: list[Path] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            base = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            base = root / "sys/fs/cgroup" / controller
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        found += [base.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    return found


def _container_id(root: Path) -> str | None:
    """Docker, containerd and CRI-O name a container's folders and groups by its id, which mounts and groups show."""
    if sys.platform != "linux":
        return None
    groups = _text(root / "proc/self/cgroup").splitlines()
    mounts = [
        line
        for line in _text(root / "proc/self/mountinfo", limit=1 << 16).splitlines()
        if any(part in line for part in _IN_MOUNTS)
    ]
    for line in (*groups, *mounts):
        found = re.findall(_CONTAINER_ID, line) if len(line) > 64 else ()
        if found:
            return str(found[-1])
    return None


def _disk(folder: str) -> dict[str, Any] | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return {"path": folder, "totalBytes": found.f_blocks * found.f_frsize, "freeBytes": found.f_bavail * found.f_frsize}


def _text(path: Path, limit: int = 8192) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", errors="replace")
    except OSError:
        return ""
