"""What was true when a step ran: git, Python, host, packages. Values of environment variables are never read."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from sematic_airflow_provider import __version__

IMAGE_VARIABLE = "SEMATIC_IMAGE"
_GIT_SECONDS = 5


def collect(source_file: str | None) -> dict[str, Any]:
    """The ``sematic_provenance`` facet of a step whose function stands in this file, without its packages."""
    return {
        "git": _git(str(Path(source_file).resolve().parent)) if source_file else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpuCount": _cpu_count(),
        "memoryBytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "image": os.environ.get(IMAGE_VARIABLE) or None,
        "providerVersion": __version__,
    }


@lru_cache(maxsize=1)
def packages() -> dict[str, str]:
    """Name (normalised as PyPI does, PEP 503) and version of every installed distribution."""
    found: dict[str, str] = {}
    for distribution in distributions():
        metadata = distribution.metadata
        name = metadata["Name"] if metadata else None
        if name:  # a half-removed distribution has none
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version or "")
    return dict(sorted(found.items()))


def _cpu_count() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@lru_cache(maxsize=8)
def _git(folder: str) -> dict[str, Any] | None:
    """Commit, branch, remote and whether files differ from the commit; None outside a repository or without git."""
    head = _run_git(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    if head is None:
        return None
    commit, branch = [*head.splitlines(), ""][:2]
    status = _run_git(folder, "status", "--porcelain", "--untracked-files=no")
    remote = _run_git(folder, "remote", "get-url", "origin")
    return {
        "commit": commit,
        "branch": None if branch in ("HEAD", "") else branch,
        "remote": _without_credentials(remote) if remote else None,
        "dirty": None if status is None else bool(status),
    }


def _run_git(folder: str, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed program and arguments, only the folder varies
            ["git", "-C", folder, *arguments],  # noqa: S607 - git is where the user's PATH has it
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _without_credentials(url: str) -> str:
    """The remote without the user and token that some checkouts keep in it."""
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url)
