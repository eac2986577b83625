"""Tables: the event log, which only grows, and its projection into runs, data and the reads and writes between them."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.lineage.naming import short_key

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


class HexBytes(TypeDecorator[str]):
    """Hexadecimal text, stored as half as many bytes."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def load_dialect_impl(self, dialect: Any) -> Any:
        """MySQL indexes no BLOB."""
        fixed = mysql.BINARY(self.size) if dialect.name in ("mysql", "mariadb") else LargeBinary()
        return dialect.type_descriptor(fixed)

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        """To the database."""
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        """From the database."""
        return None if value is None else bytes(value).hex()


class NodeId(TypeDecorator[str]):
    """The id of an artifact or data set in the graph, such as ``artifact:<64 hexadecimal characters>``: one letter and 32 bytes."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        """MySQL indexes no BLOB."""
        fixed = mysql.BINARY(33) if dialect.name in ("mysql", "mariadb") else LargeBinary()
        return dialect.type_descriptor(fixed)

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        """To the database. What is no such id is that of no row."""
        if value is None:
            return None
        kind, _, digest = value.partition(":")
        try:
            return kind[:1].encode() + bytes.fromhex(digest)
        except ValueError:
            return b"?"

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        """From the database."""
        if value is None:
            return None
        data = bytes(value)
        return f"{_KINDS[data[:1]]}:{data[1:].hex()}"


_KINDS = {b"a": "artifact", b"d": "dataset"}


class RunId(TypeDecorator[str]):
    """The id of a run: a UUID as text, in any spelling; read in the usual one."""

    impl = Uuid(as_uuid=False)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """To the database. What is no such id is NULL, which equals that of no row: PostgreSQL refuses to compare it."""
        try:
            return None if value is None else str(uuid.UUID(value))
        except ValueError:
            return None


Key = String(24).with_variant(mysql.CHAR(24, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
Packed = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


class EventRow(Base):
    """One entry of the log: an event, of kind ``run``, ``job`` or ``dataset``, or what retention leaves: ``rollup`` and ``removal``.

    ``digest`` is of its canonical JSON, so an event that comes twice is kept once. ``payload`` is that JSON, packed; None where it was too old to be
    kept: the row stays, because the seals name its digest. ``subject_key`` is the key of the job or data
    set that an event without a run is of.
    """

    __tablename__ = "sematic_event"
    __table_args__ = (Index("ix_sematic_event_subject_key_event_time", "subject_key", "event_time"),)
    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    digest: Mapped[str] = mapped_column(HexBytes(32), nullable=False, unique=True)
    received_at: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False, index=True)
    event_time: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False)
    kind: Mapped[str] = mapped_column(String(10), nullable=False)
    run_id: Mapped[str | None] = mapped_column(RunId, index=True)
    subject_key: Mapped[str | None] = mapped_column(Key)
    payload: Mapped[bytes | None] = mapped_column(Packed)


class PartRow(Base):
    """A text that stands in many others, once. ``seen_on`` is the last day on which something new had it."""

    __tablename__ = "sematic_part"
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    content: Mapped[bytes] = mapped_column(Packed, nullable=False)
    seen_on: Mapped[dt.date] = mapped_column(Date, nullable=False)


class UnsealedRow(Base):
    """An event that no seal covers yet."""

    __tablename__ = "sematic_unsealed"
    event_id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)


class SealRow(Base):
    """A link of the hash chain over the log: it covers ``count`` events, whose ids and digests ``entries`` holds in order, see ``db/seals.py``."""

    __tablename__ = "sematic_seal"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    sealed_at: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False)
    count: Mapped[int] = mapped_column(Integer, nullable=False)
    entries: Mapped[bytes] = mapped_column(Packed, nullable=False)
    previous: Mapped[str] = mapped_column(HexBytes(32), nullable=False)
    hash: Mapped[str] = mapped_column(HexBytes(32), nullable=False)


class JobRow(Base):
    """The name of a job. What is true of it stands in its latest run and job event."""

    __tablename__ = "sematic_job"
    job_key: Mapped[str] = mapped_column(Key, primary_key=True)
    namespace: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)


class DatasetRow(Base):
    """The name of a data set, whatever its version. What is true of it stands in its latest edge and data set event."""

    __tablename__ = "sematic_dataset"
    dataset_key: Mapped[str] = mapped_column(Key, primary_key=True)
    namespace: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)


class RunRow(Base):
    """One run, folded from its events. ``facets`` is packed: the run's, and the job's under ``job``.

    ``first_at`` is when it started, or the time of its first event where it never told a start.
    """

    __tablename__ = "sematic_run"
    __table_args__ = (
        Index("ix_sematic_run_dag_id_dag_run_id", "dag_id", "dag_run_id"),
        Index("ix_sematic_run_dag_id_first_at", "dag_id", "first_at"),
        Index("ix_sematic_run_dag_id_task_id_started_at", "dag_id", "task_id", "started_at"),
        Index("ix_sematic_run_job_key_first_at", "job_key", "first_at"),
        Index("ix_sematic_run_state_first_at", "state", "first_at"),
        Index("ix_sematic_run_integration_first_at", "integration", "first_at"),
    )
    run_id: Mapped[str] = mapped_column(RunId, primary_key=True)
    job_key: Mapped[str] = mapped_column(Key, nullable=False)
    namespace: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)
    state: Mapped[str] = mapped_column(String(20), nullable=False)
    first_at: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False, index=True)
    started_at: Mapped[dt.datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcTime)
    parent_run_id: Mapped[str | None] = mapped_column(RunId, index=True)
    root_run_id: Mapped[str | None] = mapped_column(RunId, index=True)
    dag_id: Mapped[str | None] = mapped_column(Identifier)
    dag_run_id: Mapped[str | None] = mapped_column(Identifier, index=True)
    task_id: Mapped[str | None] = mapped_column(Identifier)
    map_index: Mapped[int] = mapped_column(Integer, nullable=False)
    try_number: Mapped[int] = mapped_column(Integer, nullable=False)
    cache: Mapped[str | None] = mapped_column(String(20))
    integration: Mapped[str | None] = mapped_column(String(40))
    facets: Mapped[bytes] = mapped_column(Packed, nullable=False)
    event_count: Mapped[int] = mapped_column(Integer, nullable=False)


class DataRow(Base):
    """One artifact, by digest, or one version of a data set, by name; the key is the node's id in the graph.

    Several runs may tell of the same bytes; the first one told counts, ``rank`` says which that is: the smallest.
    """

    __tablename__ = "sematic_data"
    __table_args__ = (Index("ix_sematic_data_dataset_key_first_seen", "dataset_key", "first_seen"),)
    node_id: Mapped[str] = mapped_column(NodeId, primary_key=True)
    dataset_key: Mapped[str] = mapped_column(Key, nullable=False)
    digest: Mapped[str | None] = mapped_column(String(64), index=True)
    codec: Mapped[str | None] = mapped_column(String(250))
    type: Mapped[str | None] = mapped_column(JsonText)
    size: Mapped[int | None] = mapped_column(BigInteger)
    value: Mapped[str | None] = mapped_column(JsonText)
    namespace: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)
    version: Mapped[str | None] = mapped_column(String(250))
    first_seen: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False, index=True)
    rank: Mapped[str] = mapped_column(String(100), nullable=False)


class IoRow(Base):
    """One read or write: an edge of the graph, told first at ``at``. ``dag_run_key`` is equal for all runs of one Dag run, see ``dag_run_key``.

    ``facets`` is packed.
    """

    __tablename__ = "sematic_io"
    __table_args__ = (
        Index("ix_sematic_io_node_id_direction_dag_run_key", "node_id", "direction", "dag_run_key"),
        Index("ix_sematic_io_node_id_direction_at_id", "node_id", "direction", "at", "id"),
        Index("ix_sematic_io_dataset_key_direction_at", "dataset_key", "direction", "at"),
    )
    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(
        RunId, ForeignKey("sematic_run.run_id", ondelete="CASCADE"), nullable=False, index=True
    )
    node_id: Mapped[str] = mapped_column(NodeId, nullable=False)
    dataset_key: Mapped[str] = mapped_column(Key, nullable=False)
    direction: Mapped[str] = mapped_column(String(5), nullable=False)
    at: Mapped[dt.datetime] = mapped_column(UtcTime, nullable=False)
    dag_run_key: Mapped[str] = mapped_column(Key, nullable=False)
    label: Mapped[str] = mapped_column(JsonText, nullable=False)
    name: Mapped[str] = mapped_column(JsonText, nullable=False)
    dataset_type: Mapped[str | None] = mapped_column(String(40))
    facets: Mapped[bytes] = mapped_column(Packed, nullable=False)


class FlowRow(Base):
    """What flows into what, as some event told it: a column of a data set into a column of another; with empty fields, a data set into another.

    ``kind`` is the type and subtype of the transformation. Inserted once, for all runs.
    """

    __tablename__ = "sematic_flow"
    flow_key: Mapped[str] = mapped_column(Key, primary_key=True)
    out_key: Mapped[str] = mapped_column(Key, nullable=False, index=True)
    out_field: Mapped[str] = mapped_column(JsonText, nullable=False)
    in_key: Mapped[str] = mapped_column(Key, nullable=False, index=True)
    in_field: Mapped[str] = mapped_column(JsonText, nullable=False)
    kind: Mapped[str] = mapped_column(String(100), nullable=False)


@lru_cache(10_000)
def dag_run_key(dag_id: str | None, dag_run_id: str | None) -> str:
    """Short enough for an index, whatever the names; empty where there is no Dag run."""
    if dag_id is None or dag_run_id is None:
        return ""
    return short_key(digest_record("dag_run", {"dag_id": dag_id, "dag_run_id": dag_run_id}))
