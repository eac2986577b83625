"""``airflow sematic cache``, and what collections do with cached results."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sematic_airflow_provider.artifacts.digest import Digest, digest_bytes
from sematic_airflow_provider.artifacts.store import blob_path
from sematic_airflow_provider.steps import records
from sematic_airflow_provider.steps.records import By, Entry, Last
from tests.airflow_home import run_airflow
from tests.cli.deployment import DAY, Deployment
from tests.events import task_event


def cached(deployment: Deployment, name: str, *, days_old: float = 10, **fields: Any) -> Entry:
    """A result that was computed so many days ago, and that nothing else names."""
    by = By(fields.pop("dag_id", "flow"), fields.pop("run_id", "run1"), name, at=time.time() - days_old * DAY)
    ref = deployment.save(f"{name} {by.dag_id} " * 500, days_old=days_old)
    parts = {"input x": digest_bytes(name.encode()), "python": "3.11"}
    entry = replace(Entry(digest_bytes(f"{name} {by}".encode()), parts, {"return_value": ref}, by), **fields)
    records.write_entry(deployment.store, entry)
    return entry


def output(entry: Entry) -> str:
    return entry.outputs["return_value"].digest


class TestLs:
    def test_results_are_listed_the_latest_first(self, deployment: Deployment) -> None:
        old, new = cached(deployment, "a", days_old=9), cached(deployment, "b", days_old=2, namespace="n")
        rows = deployment.sematic("cache", "ls", "-o", "json").rows
        assert [(row["key"], row["task"], row["run"], row["namespace"], row["outputs"]) for row in rows] == [
            (new.key, "flow/b", "run1", "n", {"return_value": output(new)}),
            (old.key, "flow/a", "run1", "", {"return_value": output(old)}),
        ]

    @pytest.mark.parametrize(
        ("arguments", "tasks"),
        [
            (["--dag-id", "other"], ["c"]),
            (["--task-id", "a"], ["a"]),
            (["--namespace", "n"], ["b"]),
            (["--namespace", ""], ["a", "c"]),
            (["--older-than", "5d"], ["c"]),
            (["--older-than", "2020-01-01"], []),
            (["--limit", "1"], ["a"]),
        ],
    )
    def test_what_is_asked_for_is_listed(self, deployment: Deployment, arguments: list[str], tasks: list[str]) -> None:
        cached(deployment, "a", days_old=1)
        cached(deployment, "b", days_old=2, namespace="n")
        cached(deployment, "c", days_old=9, dag_id="other")
        rows = deployment.sematic("cache", "ls", "-o", "json", *arguments).rows
        assert [row["task"].rpartition("/")[2] for row in rows] == tasks

    def test_an_age_that_is_none_is_refused(self, deployment: Deployment) -> None:
        done = deployment.sematic("cache", "ls", "--older-than", "long ago")
        assert done.status == 1
        assert "--older-than takes a date" in done.err


class TestExpire:
    def test_what_has_expired_is_told_and_only_that(self, deployment: Deployment) -> None:
        first, second = cached(deployment, "a"), cached(deployment, "b")
        rows = deployment.sematic("cache", "expire", "--task-id", "a", "-o", "json").rows
        assert [row["key"] for row in rows] == [first.key]
        found = {
            entry.key: entry
            for entry in (records.read_entry(deployment.store, one.key) for one in (first, second))
            if entry
        }
        assert found[first.key].expired()
        assert not found[second.key].expired()

    def test_everything_expires_only_where_that_is_said(self, deployment: Deployment) -> None:
        entry = cached(deployment, "a")
        done = deployment.sematic("cache", "expire")
        assert done.status == 1
        assert "say which" in done.err
        assert records.read_entry(deployment.store, entry.key) == entry
        assert deployment.sematic("cache", "expire", "--all").status == 0
        after = records.read_entry(deployment.store, entry.key)
        assert after is not None
        assert after.expired()


class TestPurge:
    def test_a_dry_run_forgets_nothing(self, deployment: Deployment) -> None:
        entry = cached(deployment, "a")
        done = deployment.sematic("cache", "purge", "-o", "json")
        assert [row["key"] for row in done.rows] == [entry.key]
        assert "dry run" in done.err
        assert records.read_entry(deployment.store, entry.key) == entry

    def test_what_is_purged_goes_with_the_next_collection_and_the_rest_stays(self, deployment: Deployment) -> None:
        goes, stays = cached(deployment, "a"), cached(deployment, "b")
        assert deployment.sematic("cache", "purge", "--task-id", "a", "--delete").status == 0
        assert records.read_entry(deployment.store, goes.key) is None
        assert records.read_entry(deployment.store, stays.key) == stays
        assert deployment.collect() == {output(stays)}


class TestCollections:
    def test_a_cached_result_keeps_its_outputs_until_it_has_expired_for_an_hour(self, deployment: Deployment) -> None:
        kept = cached(deployment, "a")
        soon = cached(deployment, "b", expires=time.time() + 1000)
        just = cached(deployment, "c", expires=time.time() - 1000)
        gone = cached(deployment, "d", expires=time.time() - 4000)
        before = {output(entry) for entry in (kept, soon, just, gone)}
        assert deployment.blobs() == before
        assert deployment.collect() == before - {output(gone)}
        assert records.read_entry(deployment.store, gone.key) is None
        assert records.read_entry(deployment.store, just.key) == just

    def test_inputs_that_only_keys_name_go(self, deployment: Deployment) -> None:
        raw = deployment.save("raw " * 1000)
        entry = cached(deployment, "a", parts={"input x": f"text/1 {raw.digest}"}, reads=(raw,))
        records.write_last(deployment.store, Last(entry.key, entry.parts, entry.by))
        assert deployment.collect() == {output(entry)}

    def test_a_result_whose_output_is_gone_is_forgotten_and_stops_nothing(self, deployment: Deployment) -> None:
        entry, other = cached(deployment, "a"), cached(deployment, "b")
        (Path(deployment.store.url) / blob_path(Digest(output(entry)))).unlink()
        done = deployment.command("gc", "--delete")
        assert done.status == 0
        assert "1 records of the step cache are removed" in done.err
        assert records.read_entry(deployment.store, entry.key) is None
        assert records.read_entry(deployment.store, other.key) == other

    def test_a_dry_run_removes_no_record(self, deployment: Deployment) -> None:
        entry = cached(deployment, "a", expires=1.0)
        assert deployment.command("gc").status == 0
        assert records.read_entry(deployment.store, entry.key) == entry

    def test_why_an_artifact_is_kept_names_the_cached_step(self, deployment: Deployment) -> None:
        entry = cached(deployment, "a")
        (shown,) = deployment.command("show", output(entry), "--why", "-o", "json").rows
        assert f"cached step {entry.key[:12]}, computed by flow/run1/a" in str(shown["needed by"])


CHANGED = [
    {"part": "package numpy", "was": "2.1", "now": "2.2"},
    {"part": "input raw", "was": "a" * 64, "now": "b" * 64},
]
FACET = {"status": "miss", "key": "c" * 64, "reason": "package `numpy` 2.1 -> 2.2", "changed": CHANGED}


class TestExplain:
    def tell(self, deployment: Deployment, task: str = "train", **where: Any) -> None:
        facet = where.pop("facet", FACET)
        for kind in ("START", "COMPLETE"):
            deployment.tell(task_event(kind, task, facets={"sematic_cache": facet} if facet else {}, **where))

    def test_the_latest_run_is_explained_by_its_lineage(self, deployment: Deployment) -> None:
        self.tell(deployment, dag_run_id="old", second=1, facet={**FACET, "status": "off"})
        self.tell(deployment, dag_run_id="new", second=2)
        (found,) = deployment.sematic("cache", "explain", "flow", "train", "-o", "json").rows
        assert (found["task"], found["status"], found["key"]) == ("flow/new/train, try 1", "miss", "c" * 64)
        assert found["changed"] == CHANGED
        text = deployment.sematic("cache", "explain", "flow", "train", "-o", "plain").text
        assert "package `numpy` 2.1 -> 2.2" in text
        assert "input `raw` changed" in text
        (old,) = deployment.sematic("cache", "explain", "flow", "train", "--run", "old", "-o", "json").rows
        assert old["status"] == "off"

    def test_an_instance_of_a_mapped_task_is_explained(self, deployment: Deployment) -> None:
        for index in range(3):
            self.tell(deployment, map_index=index, facet={**FACET, "reason": f"number {index}"})
        (found,) = deployment.sematic("cache", "explain", "flow", "train", "--map-index", "1", "-o", "json").rows
        assert (found["task"], found["reason"]) == ("flow/run1/train[1], try 1", "number 1")

    def test_a_hit_names_who_computed_it_and_its_parts(self, deployment: Deployment) -> None:
        entry = cached(deployment, "train")
        by = {"dagId": "flow", "runId": "run0", "taskId": "train", "mapIndex": -1, "at": "2026-11-24T08:00:00+00:00"}
        self.tell(deployment, facet={"status": "hit", "key": entry.key, "reason": "r", "changed": [], "computedBy": by})
        (found,) = deployment.sematic("cache", "explain", "flow", "train", "--parts", "-o", "json").rows
        assert found["computed_by"] == "flow/run0/train at 2026-11-24T08:00:00+00:00"
        assert found["parts"] == entry.parts

    def test_a_run_that_did_not_ask_says_so(self, deployment: Deployment) -> None:
        self.tell(deployment, facet=None)
        (found,) = deployment.sematic("cache", "explain", "flow", "train", "-o", "json").rows
        assert found["status"] == "off"
        assert "did not ask" in found["reason"]

    def test_where_lineage_has_nothing_the_store_tells(self, deployment: Deployment) -> None:
        entry = cached(deployment, "train")
        records.write_last(deployment.store, Last(entry.key, entry.parts, replace(entry.by, run_id="run2")))
        (found,) = deployment.sematic("cache", "explain", "flow", "train", "-o", "json").rows
        assert (found["status"], found["computed_by"]) == ("hit", str(entry.by))

    def test_a_task_that_nobody_knows_is_an_error_that_says_what_to_do(self, deployment: Deployment) -> None:
        done = deployment.sematic("cache", "explain", "flow", "nothing")
        assert done.status == 1
        assert "airflow sematic drain" in done.err


def test_the_commands_are_airflows(migrated_home: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    done = run_airflow("sematic", "cache", "ls", "-o", "json", AIRFLOW__SEMATIC__STORE=str(tmp_path / "store"))
    assert done.stdout.strip() == "[]"
