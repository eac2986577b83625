"""A MariaDB server of our own, from the programs that are installed (Debian: apt install mariadb-server)."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from sematic_airflow_provider.cli.processes import free_port

_USER: Final = "mysql"
_PLACES: Final = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"


def is_installed() -> bool:
    """Whether there are the programs."""
    return all(shutil.which(name, path=_PLACES) for name in ("mariadbd", "mariadb-install-db"))


class MariaDB:
    """Runs until ``stop``, in a temporary folder; listens on the loopback interface only. Its tables do not differ by case, as usual."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sematic-mariadb-"))
        self.port = free_port(13306)
        as_user = []
        if os.getuid() == 0:  # the server refuses to run as root
            owner = pwd.getpwnam(_USER)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
            as_user = [f"--user={_USER}"]
        data = ["--no-defaults", f"--datadir={self._folder}/data", *as_user]
        install = shutil.which("mariadb-install-db", path=_PLACES) or "mariadb-install-db"
        done = subprocess.run(
            [install, *data, "--auth-root-authentication-method=normal", "--skip-test-db"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{install} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        server = shutil.which("mariadbd", path=_PLACES) or "mariadbd"
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                server,
                *data,
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                f"--socket={self._folder}/socket",
                f"--pid-file={self._folder}/pid",
                "--innodb-flush-log-at-trx-commit=0",
                "--character-set-server=utf8mb4",
                "--collation-server=utf8mb4_general_ci",
                "--max-allowed-packet=64M",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()

    def create(self, name: str) -> str:
        """A new database; its SQLAlchemy URL."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}`")
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{name}?charset=utf8mb4"

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder)

    def _connect(self):  # type: ignore[no-untyped-def]
        import pymysql

        return pymysql.connect(host="127.0.0.1", port=self.port, user="root")

    def _wait(self) -> None:
        import pymysql

        deadline = time.monotonic() + 60
        while True:
            try:
                self._connect().close()
            except pymysql.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    text = (self._folder / "log").read_text(errors="replace")
                    self.stop()
                    raise RuntimeError(f"mariadbd did not start:\n{text[-2000:]}") from None
                time.sleep(0.1)
            else:
                return
