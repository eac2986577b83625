"""Which database holds the lineage tables: Airflow's own, or the one that ``[sematic] database`` names. Everything that touches them takes its session here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import Session, sessionmaker

from sematic_airflow_provider.errors import ConfigurationError
from sematic_airflow_provider.settings import load_option

_OPTION: Final = "database"
_BUSY: Final = 30_000  # milliseconds that a writer waits for another in SQLite


@contextmanager
def lineage_session() -> Iterator[Session]:
    """A session of the lineage tables: committed in the end, rolled back where something is raised.

    Raises:
        ConfigurationError: ``[sematic] database`` is no URL of a database that can be used.
    """
    if not separate():
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            yield session
        return
    with sessionmaker(lineage_engine(), autoflush=False, expire_on_commit=False)() as session:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


def separate() -> bool:
    """Whether the lineage tables have a database of their own."""
    return bool(load_option(_OPTION))


def lineage_engine() -> Engine:
    """The engine of the lineage tables: one for each process.

    Raises:
        ConfigurationError: ``[sematic] database`` is no URL of a database that can be used.
    """
    url: str = load_option(_OPTION)
    if url:
        return _engine(url, os.getpid())
    from airflow import settings

    found: Engine = settings.get_engine() if hasattr(settings, "get_engine") else settings.engine  # Airflow before 3.2
    return found


def lineage_url() -> URL:
    """Where the lineage tables are, and as whom they are reached: a secret.

    Raises:
        ConfigurationError: ``[sematic] database`` is no URL.
    """
    if separate():
        return _parsed(load_option(_OPTION))
    from airflow.configuration import conf

    return make_url(conf.get("database", "sql_alchemy_conn"))


def lineage_place() -> str:
    """Where the lineage tables are, for people: without user, password and options.

    Raises:
        ConfigurationError: ``[sematic] database`` is no URL.
    """
    url = lineage_url()
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    return f"{url.drivername}://{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


@lru_cache(maxsize=4)
def _engine(url: str, pid: int) -> Engine:
    """Connections must not cross a fork: each process has its own."""
    parsed = _parsed(url)
    try:
        made = create_engine(parsed, **_arguments(parsed))
    except NoSuchModuleError as error:
        raise ConfigurationError(_OPTION, f"[sematic] database: SQLAlchemy knows no {parsed.drivername}://") from error
    except ImportError as error:
        raise ConfigurationError(
            _OPTION, f"[sematic] database: {parsed.drivername}:// needs a driver: {error}"
        ) from error
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _set_up_sqlite)
    elif made.dialect.name in ("mysql", "mariadb"):
        event.listen(made, "connect", _set_up_mysql)
    return made


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:  # its text holds the URL, and so perhaps a password
        raise ConfigurationError(
            _OPTION, "[sematic] database must be a URL such as postgresql+psycopg2://user:password@host/lineage"
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "mysql", "mariadb", "sqlite"):
        raise ConfigurationError(
            _OPTION, f"[sematic] database can be PostgreSQL, MySQL or SQLite, not {parsed.get_backend_name()}"
        )
    if parsed.get_backend_name() == "sqlite" and not os.path.isabs(parsed.database or ""):
        raise ConfigurationError(
            _OPTION, "[sematic] database: a SQLite file needs its whole path, sqlite:////var/lib/airflow/lineage.db"
        )
    return parsed


def _arguments(url: URL) -> dict[str, Any]:
    """Sizes of the pool as Airflow is told for its own."""
    from airflow.providers.common.compat.sdk import conf

    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"check_same_thread": False, "timeout": _BUSY / 1000}}
    found: dict[str, Any] = {
        "pool_size": conf.getint("database", "sql_alchemy_pool_size", fallback=5),
        "max_overflow": conf.getint("database", "sql_alchemy_max_overflow", fallback=10),
        "pool_recycle": conf.getint("database", "sql_alchemy_pool_recycle", fallback=1800),
        "pool_pre_ping": conf.getboolean("database", "sql_alchemy_pool_pre_ping", fallback=True),
    }
    if url.get_backend_name() in ("mysql", "mariadb"):
        # Their usual isolation locks gaps, and reads what was true long ago.
        found["isolation_level"] = "READ COMMITTED"
    return found


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", f"busy_timeout={_BUSY}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _set_up_mysql(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SET time_zone = '+00:00'")
    cursor.close()
