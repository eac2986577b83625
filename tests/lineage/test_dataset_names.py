"""One name for one data set."""

from __future__ import annotations

from typing import Any

import pytest

from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.dataset_names import canonical, of_uri
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.fold import fold
from tests.events import task_event


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (("file", "/data/raw.csv"), ("file", "/data/raw.csv")),
        (("file://", "data/raw.csv"), ("file", "/data/raw.csv")),
        (("file:///", "//data/raw.csv/"), ("file", "/data/raw.csv")),
        (("file://localhost", "/data/raw.csv"), ("file", "/data/raw.csv")),
        (("file://nas", "data/raw.csv"), ("file://nas", "/data/raw.csv")),
        (("file", "/"), ("file", "/")),
        (("", "/data/raw.csv"), ("file", "/data/raw.csv")),
        (("s3://lake", "/raw/flights/"), ("s3://lake", "raw/flights")),
        (("s3a://lake", "raw/flights"), ("s3://lake", "raw/flights")),
        (("gcs://lake", "raw"), ("gs://lake", "raw")),
        (("s3://lake", "/"), ("s3://lake", "/")),
        (("abfss://c@x.dfs.core.windows.net", "/a"), ("abfss://c@x.dfs.core.windows.net", "a")),
        (("hdfs://nn:8020", "a/b"), ("hdfs://nn:8020", "/a/b")),
        (("postgres://db:None", "d.s.t"), ("postgres://db:5432", "d.s.t")),
        (("postgresql://db", "d.s.t"), ("postgres://db:5432", "d.s.t")),
        (("postgres://db:6000", "d.s.t"), ("postgres://db:6000", "d.s.t")),
        (("postgres://a:1,b:2", "d.s.t"), ("postgres://a:1,b:2", "d.s.t")),
        (("mysql://db", "d.t"), ("mysql://db:3306", "d.t")),
        (("bigquery", "p.d.t"), ("bigquery", "p.d.t")),
        (("default", "flow.join.return_value"), ("default", "flow.join.return_value")),
        (("hdfs", "x"), ("hdfs", "x")),
        (("snowflake://org-acct", "db.s.t"), ("snowflake://org-acct", "db.s.t")),
    ],
)
def test_a_data_set_has_one_name(told: tuple[str, str], known: tuple[str, str]) -> None:
    assert canonical(*told) == known
    assert canonical(*known) == known


LOCATION = {"identifiers": [{"namespace": "s3a://lake", "name": "/warehouse/t", "type": "LOCATION"}]}
TABLE = {"identifiers": [{"namespace": "hive://meta:9083", "name": "db.t", "type": "TABLE"}]}


def test_a_table_told_by_its_catalog_is_the_place_where_it_lies() -> None:
    assert canonical("hive://meta:9083", "db.t", LOCATION) == ("s3://lake", "warehouse/t")
    assert canonical("s3://lake", "warehouse/t", TABLE) == ("s3://lake", "warehouse/t")


@pytest.mark.parametrize(
    "symlinks",
    [
        None,
        "odd",
        {},
        {"identifiers": None},
        {"identifiers": [None, {"namespace": 1, "name": "x"}, {"namespace": "s3://b"}]},
        {"identifiers": [{"namespace": "s3://store", "name": "0" * 64, "type": "ARTIFACT"}]},
        TABLE,
    ],
)
def test_other_symlinks_change_nothing(symlinks: Any) -> None:
    assert canonical("default", "flow.join.return_value", symlinks) == ("default", "flow.join.return_value")


@pytest.mark.parametrize(
    ("uri", "known"),
    [
        ("file:///data/a%20b.csv", ("file", "/data/a b.csv")),
        ("s3://lake/raw/x", ("s3://lake", "raw/x")),
        ("mlmodel://registry/churn/1", ("mlmodel://registry", "churn/1")),
        ("postgres://joe:secret@db/d/s/t", ("postgres://db:5432", "d.s.t")),
        ("x-custom:thing", ("x-custom", "thing")),
        ("https://example.com", ("https://example.com", "/")),
        ("orders", None),
        ("", None),
    ],
)
def test_a_uri_names_a_data_set_without_its_credentials(uri: str, known: tuple[str, str] | None) -> None:
    assert of_uri(uri) == known


def test_one_file_under_two_names_is_one_data_set_of_a_run() -> None:
    event = task_event("COMPLETE", "join")
    event["inputs"] = [
        {"namespace": "file", "name": "/data/raw.csv"},
        {"namespace": "file://", "name": "data/raw.csv"},
    ]
    (data,) = fold([parse_event(event)]).data
    assert (data.namespace, data.name) == ("file", "/data/raw.csv")


def test_a_file_without_a_namespace_as_airflows_provider_tells_of_a_plain_path_is_taken() -> None:
    event = task_event("COMPLETE", "join")
    event["inputs"] = [{"namespace": "", "name": "/data/raw.csv"}]
    (data,) = fold([parse_event(event)]).data
    assert (data.namespace, data.name) == ("file", "/data/raw.csv")
    event["inputs"] = [{"namespace": "", "name": "raw"}]
    with pytest.raises(EventRejectedError, match="namespace"):
        parse_event(event)


def test_a_symlink_that_only_the_last_event_tells_counts_for_the_run() -> None:
    start, end = task_event("START", "join"), task_event("COMPLETE", "join", second=5)
    start["inputs"] = [{"namespace": "hive://meta:9083", "name": "db.t"}]
    end["inputs"] = [{"namespace": "hive://meta:9083", "name": "db.t", "facets": {"symlinks": LOCATION}}]
    (data,) = fold([parse_event(start), parse_event(end)]).data
    assert (data.namespace, data.name) == ("s3://lake", "warehouse/t")
