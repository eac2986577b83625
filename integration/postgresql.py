"""A PostgreSQL server of our own, from the programs that are installed (Debian: apt install postgresql)."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Final

from sematic_airflow_provider.cli.processes import free_port

_USER = "postgres"


TESTS: Final = ("fsync=off", "max_connections=200")


class PostgreSQL:
    """Runs until ``stop``, in a temporary folder, or in one that stays and may hold databases already; listens on the loopback interface only."""

    def __init__(self, folder: Path | None = None, settings: Sequence[str] = TESTS) -> None:
        found = sorted(glob("/usr/lib/postgresql/*/bin")) or [
            str(Path(p).parent) for p in [shutil.which("initdb")] if p
        ]
        if not found:
            raise RuntimeError(
                "the integration tests need PostgreSQL's server programs (Debian: apt install postgresql)"
            )
        self._bin = found[-1]
        self._kept = folder is not None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="sematic-postgresql-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(15432)
        if os.getuid() == 0:  # the server refuses to run as root
            owner = pwd.getpwnam(_USER)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        if (self._folder / "data" / "postmaster.pid").exists():  # whoever had it before us was killed
            self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")
        if not (self._folder / "data" / "PG_VERSION").exists():
            self._run("initdb", "-D", str(self._folder / "data"), "-U", "airflow", "-A", "trust", "-E", "UTF8")
        chosen = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self._folder}", *settings)
        options = f"-p {self.port} " + " ".join(f"-c {setting}" for setting in chosen)
        self._run(
            "pg_ctl", "-D", str(self._folder / "data"), "-l", str(self._folder / "log"), "-o", options, "-w", "start"
        )

    def create(self, name: str, template: str = "template1") -> str:
        """A new database, as this one is; its SQLAlchemy URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "airflow", "-T", template, name)
        return self.url(name)

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/{name}"

    def restart(self) -> None:
        """As after a crash: nobody's connection is closed in order."""
        self._run(
            "pg_ctl",
            "-D",
            str(self._folder / "data"),
            "-l",
            str(self._folder / "log"),
            "-m",
            "immediate",
            "-w",
            "restart",
        )

    def stop(self) -> None:
        """Stop the server, and remove its folder unless that was given."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "fast" if self._kept else "immediate", "stop")
        if not self._kept:
            shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [f"{self._bin}/{program}", *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", _USER, "--", *command]
        # Output to a file: the server keeps what it inherits open, and a pipe would never end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False, cwd="/")
            if done.returncode:
                output.seek(0)
                raise RuntimeError(f"{' '.join(command)} failed:\n{output.read().decode()[-2000:]}")
