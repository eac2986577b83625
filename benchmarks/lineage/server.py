"""What the benchmark runs on: PostgreSQL that keeps its promises (fsync), databases with our tables, and Airflow's own API server, one process."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, create_engine, text

from benchmarks.environments import PLACE
from benchmarks.lineage import producers, world
from integration.postgresql import PostgreSQL
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port
from sematic_airflow_provider.db import models

SETTINGS: Final = (
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=2GB",
    "effective_cache_size=8GB",
    "maintenance_work_mem=512MB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "random_page_cost=1.1",
    "max_connections=100",
)
"""Of PostgreSQL: nothing that risks what was committed, else what one gives a server of 16 GB."""

API: Final = "/sematic/api/v1"
_EMPTY: Final = "empty"


class Servers:
    """A PostgreSQL server whose databases stay for the next run, unless our tables or what they are filled with have changed since."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or PLACE / "lineage"
        mark, key = self.folder / "format", _format()
        if self.folder.exists() and (not mark.exists() or mark.read_text() != key):
            _stop_what_is_left(self.folder)
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(key)
        self.postgresql = PostgreSQL(self.folder / "postgresql", SETTINGS)
        try:
            if not self.has(_EMPTY):
                self._airflow(self.postgresql.create("migrating")).migrate()
                self._say("ALTER DATABASE migrating RENAME TO empty")
        except BaseException:
            self.postgresql.stop()
            raise

    def stop(self) -> None:
        """Stop the server; the databases stay."""
        self.postgresql.stop()

    @cached_property
    def _maintenance(self) -> Engine:
        return create_engine(self.postgresql.url("postgres"), isolation_level="AUTOCOMMIT")

    def _say(self, statement: str) -> None:
        with self._maintenance.connect() as connection:
            connection.execute(text(statement))

    def has(self, name: str) -> bool:
        """Whether there is a database of this name."""
        with self._maintenance.connect() as connection:
            query = text("SELECT count(*) FROM pg_database WHERE datname = :name")
            return bool(connection.scalar(query, {"name": name}))

    def fresh(self, name: str) -> str:
        """The URL of a database with empty tables; one of this name is removed before."""
        self.remove(name)
        return self.postgresql.create(name, _EMPTY)

    def kept(self, name: str, template: str | None = None) -> str:
        """The URL of a database, made where it is not there, empty or as another one."""
        return self.postgresql.url(name) if self.has(name) else self.postgresql.create(name, template or _EMPTY)

    def remove(self, name: str) -> None:
        """Remove a database."""
        self._say(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def version(self) -> str:
        """Of PostgreSQL."""
        with self._maintenance.connect() as connection:
            return str(connection.scalar(text("SHOW server_version")))

    def sqlite(self, name: str) -> tuple[Path, bool]:
        """The file of a SQLite database with our tables, and whether it was there."""
        file = self.folder / f"{name}.sqlite"
        made = file.with_suffix(".made")
        if not made.exists():
            file.unlink(missing_ok=True)
            self._airflow(f"sqlite:///{file}").migrate()
        return file, made.exists()

    @contextmanager
    def api_server(self, url: str) -> Iterator[LocalAirflow]:
        """Airflow's API server on a database, with one worker process, as long as the context lasts."""
        airflow = self._airflow(url)
        (airflow.home / "logs" / "api-server.log").unlink(missing_ok=True)
        airflow.start("api-server")
        try:
            airflow.wait_until_healthy(300)
            yield airflow
        finally:
            airflow.stop()

    def _airflow(self, url: str) -> LocalAirflow:
        home = self.folder / "home"
        (home / "artifacts").mkdir(parents=True, exist_ok=True)
        (home / "dags").mkdir(exist_ok=True)
        # what is filled in is months old: it must stay
        extra = {"AIRFLOW__SEMATIC__STORE": str(home / "artifacts"), "AIRFLOW__SEMATIC__LINEAGE_KEEP_DAYS": "0"}
        return LocalAirflow(home, home / "dags", free_port(18080), url, extra)


def _format() -> str:
    """Changes with the tables, and with what they are filled with."""
    here = Path(__file__).parent
    files = [
        Path(models.__file__),
        Path(world.__file__),
        Path(producers.__file__),
        here / "fill.py",
        here / "multiply.py",
    ]
    files += sorted((Path(models.__file__).parent / "migrations" / "versions").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.exists())).hexdigest()


def _stop_what_is_left(folder: Path) -> None:
    if (folder / "postgresql" / "data" / "postmaster.pid").exists():
        PostgreSQL(folder / "postgresql").stop()
