"""One virtual environment for each peer, made below ``.bench`` from ``peers.toml``."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".bench"
HERE = "here"  # the environment of this project, for ways that need no other


class NotInstallableError(Exception):
    """A peer's environment cannot be made on this machine."""


@dataclass(frozen=True)
class Peer:
    """A peer as ``peers.toml`` has it."""

    name: str
    packages: tuple[str, ...]
    values: tuple[str, ...]
    verifies: str
    syncs: str
    note: str
    python: tuple[str, ...] = ()
    environment: str = ""

    @property
    def versions(self) -> dict[str, str]:
        """Its packages, pinned."""
        return dict(package.split("==") for package in self.packages)


def known_peers() -> dict[str, Peer]:
    """All peers of ``peers.toml``, in its order."""
    table: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "peers.toml").read_text())
    common = {package.split("==")[0]: package for package in table.pop("common")["packages"]}
    peers = {}
    for name, entry in table.items():
        own = {package.split("==")[0].split("[")[0]: package for package in entry.pop("packages", [])}
        if entry.get("environment") != HERE:
            own = common | own
        values, python = tuple(entry.pop("values")), tuple(entry.pop("python", ()))
        peers[name] = Peer(name, tuple(own.values()), values, python=python, **entry)
    return peers


def python_of(peer: Peer) -> Path:
    """The interpreter of a peer's environment, which is made when it is not there.

    Raises:
        NotInstallableError: with the reason.
    """
    if peer.environment == HERE:
        return Path(sys.executable)
    wanted = json.dumps([peer.packages, peer.python])
    folder = PLACE / "venvs" / f"{peer.name}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists():
        return python
    PLACE.mkdir(exist_ok=True)
    (PLACE / ".gitignore").write_text("*\n")
    for old in (PLACE / "venvs").glob(f"{peer.name}-*"):
        shutil.rmtree(old)
    uv = _uv()
    _done([uv, "venv", "--quiet", "--python", _interpreter(peer), str(folder)])
    _done([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *peer.packages])
    ready.touch()
    return python


def install_wheel(wheel: Path, python: Path, target: Path) -> None:
    """Install one wheel, without what it requires, into a folder.

    Raises:
        NotInstallableError: with the reason.
    """
    options = ["--quiet", "--offline", "--no-deps", "--no-cache", "--python", str(python), "--target", str(target)]
    _done([_uv(), "pip", "install", *options, str(wheel)])


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise NotInstallableError("uv is not here: `make bench` installs it into .venv")
    return found


def _interpreter(peer: Peer) -> str:
    """An interpreter of a version that the peer runs on: found here, or what uv can download."""
    if not peer.python:
        return sys.executable
    pyenv = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    for version in peer.python:
        kept = sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python"))
        found = kept[-1] if kept else shutil.which(f"python{version}")
        if found is not None and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
    return peer.python[0]


def _done(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise NotInstallableError(" ".join(lines[-4:])[-300:] or f"{command[0]} failed with {done.returncode}")
