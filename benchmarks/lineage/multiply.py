"""Many days out of one, inside PostgreSQL: rows of day 1, as the real ingest projected them, again for later days, with what is of those days alone.

Texts inside packed columns stay those of day 1: they have the size they would have, and name day 1. `fill.check` compares all other columns with what the
real ingest projects for the same events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from psycopg2.extras import execute_values
from sqlalchemy import Connection, text
from sqlalchemy.schema import Table

from benchmarks.lineage.world import FIRST_DAY, date_of, version_of
from sematic_airflow_provider.db.models import Base, dag_run_key
from sematic_airflow_provider.lineage.fold import DataRecord
from sematic_airflow_provider.lineage.naming import dataset_key

_FUNCTIONS: Final = f"""
CREATE OR REPLACE FUNCTION bench_run(id uuid, day int) RETURNS uuid IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
  SELECT (lpad(to_hex(('x' || substr(h, 1, 12))::bit(48)::bigint + (day - 1) * 86400000::bigint), 12, '0')
          || '7' || substr(own, 1, 3) || '8' || substr(own, 4, 15))::uuid
  FROM (SELECT h, md5(substr(h, 14, 3) || substr(h, 18) || '/' || day) AS own FROM (SELECT replace(id::text, '-', '') AS h) a) b $$;
CREATE OR REPLACE FUNCTION bench_artifact(node bytea, day int) RETURNS bytea IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
  SELECT '\\x61'::bytea || sha256(convert_to(encode(substr(node, 2), 'hex') || '/' || day, 'UTF8')) $$;
CREATE OR REPLACE FUNCTION bench_text(told text, day int) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
  SELECT replace(told, '{date_of(1)}', to_char(date '{date_of(1)}' + day - 1, 'YYYY-MM-DD')) $$;
CREATE OR REPLACE FUNCTION bench_part(key text, day int) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
  SELECT translate(substr(encode(sha256(convert_to(key || '/' || day, 'UTF8')), 'base64'), 1, 24), '+/', '-_') $$;
"""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS bench_days (day int PRIMARY KEY);
CREATE TABLE IF NOT EXISTS bench_dag_run (old text, day int, new text, PRIMARY KEY (day, old));
CREATE TABLE IF NOT EXISTS bench_dataset (old text, day int, new text, PRIMARY KEY (day, old));
CREATE TABLE IF NOT EXISTS bench_node (old bytea, day int, new bytea, version text, PRIMARY KEY (day, old));
"""

_OF_DAY_1: Final = """
CREATE TABLE bench_run AS SELECT r.* FROM sematic_run r WHERE r.first_at >= :start AND r.first_at < :end;
CREATE TABLE bench_io AS SELECT i.* FROM sematic_io i JOIN bench_run r USING (run_id);
CREATE TABLE bench_event AS SELECT e.* FROM sematic_event e JOIN bench_run r USING (run_id);
CREATE TABLE bench_shared AS SELECT DISTINCT i.node_id FROM sematic_io i JOIN bench_io own USING (node_id)
  WHERE i.run_id NOT IN (SELECT run_id FROM bench_run);
CREATE TABLE bench_data AS SELECT d.* FROM sematic_data d
  WHERE d.node_id IN (SELECT node_id FROM bench_io) AND d.node_id NOT IN (SELECT node_id FROM bench_shared);
CREATE TABLE bench_part_own AS SELECT p.* FROM sematic_part p WHERE p.key NOT IN (SELECT key FROM bench_part_before);
CREATE TABLE bench_dataset_own AS SELECT d.* FROM sematic_dataset d WHERE position('{date}' in d.name) > 0;
ANALYZE bench_run, bench_io, bench_event, bench_shared, bench_data, bench_part_own, bench_dataset_own;
"""

_SHIFT: Final = "{} + make_interval(days => d.day - 1)"
_NODE: Final = (
    "CASE WHEN s.node_id IS NOT NULL THEN t.node_id WHEN n.new IS NOT NULL THEN n.new"
    " WHEN get_byte(t.node_id, 0) = 97 THEN bench_artifact(t.node_id, d.day) ELSE t.node_id END"
)
_JOINS: Final = {
    "bench_io": "LEFT JOIN bench_shared s ON s.node_id = t.node_id LEFT JOIN bench_node n ON n.old = t.node_id AND n.day = d.day"
    " LEFT JOIN bench_dataset k ON k.old = t.dataset_key AND k.day = d.day LEFT JOIN bench_dag_run g ON g.old = t.dag_run_key AND g.day = d.day",
    "bench_data": "LEFT JOIN bench_node n ON n.old = t.node_id AND n.day = d.day LEFT JOIN bench_dataset k ON k.old = t.dataset_key AND k.day = d.day"
    " LEFT JOIN (SELECT NULL::bytea AS node_id) s ON false",
    "bench_dataset_own": "JOIN bench_dataset k ON k.old = t.dataset_key AND k.day = d.day",
}
_ALL: Final = {
    "run_id": "bench_run(t.run_id, d.day)",
    "parent_run_id": "bench_run(t.parent_run_id, d.day)",
    "root_run_id": "bench_run(t.root_run_id, d.day)",
    "dag_run_id": "bench_text(t.dag_run_id, d.day)",
    **{
        name: _SHIFT.format(f"t.{name}")
        for name in ("first_at", "started_at", "ended_at", "event_time", "received_at", "at", "first_seen")
    },
}
_OWN: Final[Mapping[str, Mapping[str, str]]] = {
    "bench_event": {"digest": "sha256(t.digest || convert_to(d.day::text, 'UTF8'))"},
    "bench_io": {
        "node_id": _NODE,
        "dataset_key": "coalesce(k.new, t.dataset_key)",
        "dag_run_key": "coalesce(g.new, t.dag_run_key)",
        "name": "bench_text(t.name, d.day)",
        "label": "bench_text(t.label, d.day)",
    },
    "bench_data": {
        "node_id": _NODE,
        "dataset_key": "coalesce(k.new, t.dataset_key)",
        "digest": f"CASE WHEN t.digest IS NOT NULL THEN encode(substr({_NODE}, 2), 'hex') END",
        "version": f"CASE WHEN t.digest IS NOT NULL THEN encode(substr({_NODE}, 2), 'hex') ELSE coalesce(n.version, t.version) END",
        "name": "bench_text(t.name, d.day)",
        "rank": "bench_text(t.rank, d.day)",
    },
    "bench_dataset_own": {"dataset_key": "k.new", "name": "bench_text(t.name, d.day)"},
    "bench_part_own": {"key": "bench_part(t.key, d.day)", "seen_on": "t.seen_on + d.day - 1"},
}
_INTO: Final = {
    "bench_run": "sematic_run",
    "bench_event": "sematic_event",
    "bench_io": "sematic_io",
    "bench_data": "sematic_data",
    "bench_dataset_own": "sematic_dataset",
    "bench_part_own": "sematic_part",
}


def prepare(connection: Connection) -> None:
    """Functions, and the tables of what is done."""
    connection.exec_driver_sql((_FUNCTIONS + _TABLES).replace("%", "%%"))


def remember_parts(connection: Connection) -> None:
    """The parts that day 0 has: what day 1 has beyond them is of one day alone."""
    connection.exec_driver_sql(
        "DROP TABLE IF EXISTS bench_part_before; CREATE TABLE bench_part_before AS SELECT key FROM sematic_part"
    )


def take_day_1(connection: Connection) -> None:
    """Set the rows apart that are multiplied."""
    for statement in _OF_DAY_1.replace("{date}", date_of(1)).split(";"):
        if name := statement.strip().removeprefix("CREATE TABLE ").split(" ")[0]:
            if statement.strip().startswith("CREATE"):
                connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            times = {"start": date_of(1), "end": date_of(2)} if ":start" in statement else {}
            connection.execute(text(statement), times)


def days(connection: Connection, first: int, last: int) -> None:
    """The rows of these days, of which day 1 is the pattern; one transaction of the caller."""
    wanted = range(first, last + 1)
    _map_names(connection, wanted)
    connection.execute(text("SET LOCAL session_replication_role = replica"))  # no look-up of the run for each edge
    tables: Mapping[str, Table] = Base.metadata.tables
    for source, target in _INTO.items():
        names = [column.name for column in tables[target].columns if column.name != "id"]
        told = {**_ALL, **_OWN.get(source, {})}
        values = ", ".join(told.get(name, f"t.{name}") for name in names)
        order = " ORDER BY d.day, t.id" if "id" in tables[target].columns else ""
        insert = (
            f"INSERT INTO {target} ({', '.join(names)}) SELECT {values}"
            f" FROM generate_series(CAST(:first AS int), :last) AS d(day) CROSS JOIN {source} t {_JOINS.get(source, '')}{order}"
        )
        if target == "sematic_event":  # they wait to be sealed, as others do
            insert = f"WITH made AS ({insert} RETURNING id) INSERT INTO sematic_unsealed (event_id) SELECT id FROM made"
        connection.execute(text(insert), {"first": first, "last": last})
    _insert(connection, "bench_days", [{"day": day} for day in wanted])


def _map_names(connection: Connection, wanted: Iterable[int]) -> None:
    """Keys that are digests of names: computed by our own functions."""
    query = "SELECT DISTINCT dag_id, dag_run_id FROM bench_run WHERE dag_id IS NOT NULL AND dag_run_id IS NOT NULL"
    runs = connection.execute(text(query)).all()
    dated = connection.execute(text("SELECT dataset_key, namespace, name FROM bench_dataset_own")).all()
    query = "SELECT node_id, namespace, name, version FROM bench_data WHERE digest IS NULL AND (version IS NOT NULL OR position(:date in name) > 0)"
    nodes = connection.execute(text(query), {"date": date_of(1)}).all()
    rows: dict[str, list[dict[str, Any]]] = {"bench_dag_run": [], "bench_dataset": [], "bench_node": []}
    for day in wanted:
        date = (date_of(1), date_of(day))
        rows["bench_dag_run"] += [
            {"day": day, "old": dag_run_key(dag, run), "new": dag_run_key(dag, run.replace(*date))} for dag, run in runs
        ]
        rows["bench_dataset"] += [
            {"day": day, "old": key, "new": dataset_key(namespace, name.replace(*date))}
            for key, namespace, name in dated
        ]
        for old, namespace, name, version in nodes:
            later = version_of(namespace, name, day) if version else None
            rows["bench_node"].append(
                {"day": day, "old": bytes(old), "new": _node(namespace, name.replace(*date), later), "version": later}
            )
    for table, values in rows.items():
        _insert(connection, table, values)


def _node(namespace: str, name: str, version: str | None) -> bytes:
    record = DataRecord("read", namespace, name, version, "", None, {}, FIRST_DAY)
    return b"d" + bytes.fromhex(record.node_id.partition(":")[2])


def _insert(connection: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = list(rows[0])
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES %s ON CONFLICT DO NOTHING"
        cursor = connection.connection.cursor()
        execute_values(cursor, statement, [tuple(row.values()) for row in rows], page_size=1000)
