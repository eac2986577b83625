"""Tables: the event log, which only grows, and its projection into runs, data and the reads and writes between them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, Integer, MetaData, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sematic_airflow_provider.artifacts.digest import digest_record

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# JSON as text: the databases' own JSON types would change it, and nothing is searched inside it.
JsonText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
Number = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up by itself in SQLite


# Airflow's ids differ by case; MySQL's usual collations do not.
Identifier = String(250).with_variant(mysql.VARCHAR(250, collation="utf8mb4_bin"), "mysql", "mariadb")


class UtcTime(TypeDecorator[dt.datetime]):
    """A moment: stored as UTC without zone, read as UTC with zone, to the microsecond."""

    impl = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """To the database."""
        return None if value is None else value.astimezone(dt.timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """From the database."""
        return None if value is None else value.replace(tzinfo=dt.timezone.utc)


class Base(DeclarativeBase):
    """Base of our tables, apart from Airflow's own."""

    metadata = metadata


class EventRow(Base):
    """One event, as canonical JSON; ``digest`` is of that text, so an event that comes twice is kept once."""

    __tablename__ = "sematic_event"
    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    digest: Mapped[str] = mapped_column(String(64), nullable=False, unique=True)
    received_at: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False)
    event_time: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False)
    kind: Mapped[str] = mapped_column(String(10), nullable=False)
    run_id: Mapped[str | None] = mapped_column(String(36), index=True)
    payload: Mapped[str] = mapped_column(JsonText, nullable=False)


class RunRow(Base):
    """One run, folded from its events."""

    __tablename__ = "sematic_run"
    __table_args__ = (
        Index("ix_sematic_run_dag_id_dag_run_id", "dag_id", "dag_run_id"),
        Index("ix_sematic_run_dag_id_started_at", "dag_id", "started_at"),
        Index("ix_sematic_run_dag_id_task_id_started_at", "dag_id", "task_id", "started_at"),
    )
    run_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    namespace: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)
    state: Mapped[str] = mapped_column(String(20), nullable=False)
    started_at: Mapped[dt.datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcTime)
    parent_run_id: Mapped[str | None] = mapped_column(String(36))
    dag_id: Mapped[str | None] = mapped_column(Identifier)
    dag_run_id: Mapped[str | None] = mapped_column(Identifier, index=True)
    task_id: Mapped[str | None] = mapped_column(Identifier)
    map_index: Mapped[int] = mapped_column(Integer, nullable=False)
    try_number: Mapped[int] = mapped_column(Integer, nullable=False)
    cache: Mapped[str | None] = mapped_column(String(20))
    facets: Mapped[str] = mapped_column(JsonText, nullable=False)
    event_count: Mapped[int] = mapped_column(Integer, nullable=False)


class DataRow(Base):
    """One artifact, by digest, or one data set, by name; the key is the node's id in the graph.

    Several runs may tell of the same bytes; the first one told counts, ``rank`` says which that is: the smallest.
    """

    __tablename__ = "sematic_data"
    node_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    digest: Mapped[str | None] = mapped_column(String(64), index=True)
    codec: Mapped[str | None] = mapped_column(String(250))
    type: Mapped[str | None] = mapped_column(JsonText)
    size: Mapped[int | None] = mapped_column(BigInteger)
    value: Mapped[str | None] = mapped_column(JsonText)
    namespace: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)
    version: Mapped[str | None] = mapped_column(String(250))
    first_seen: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False)
    rank: Mapped[str] = mapped_column(String(100), nullable=False)


class IoRow(Base):
    """One read or write: an edge of the graph. ``dag_run_key`` is equal for all runs of one Dag run, see ``dag_run_key``."""

    __tablename__ = "sematic_io"
    __table_args__ = (Index("ix_sematic_io_node_id_direction_dag_run_key", "node_id", "direction", "dag_run_key"),)
    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("sematic_run.run_id", ondelete="CASCADE"), nullable=False, index=True
    )
    node_id: Mapped[str] = mapped_column(String(80), nullable=False)
    direction: Mapped[str] = mapped_column(String(5), nullable=False)
    dag_run_key: Mapped[str] = mapped_column(String(64), nullable=False)
    label: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)
    version: Mapped[str | None] = mapped_column(String(250))
    facets: Mapped[str] = mapped_column(JsonText, nullable=False)


def dag_run_key(dag_id: str | None, dag_run_id: str | None) -> str:
    """Short enough for an index, whatever the names; empty where there is no Dag run."""
    if dag_id is None or dag_run_id is None:
        return ""
    return digest_record("dag_run", {"dag_id": dag_id, "dag_run_id": dag_run_id})
