"""The commands that look at, fetch, store and verify artifacts."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.random import default_rng

from sematic_airflow_provider.artifacts import pointers
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import blob_path
from tests.airflow_home import run_airflow
from tests.cli.deployment import Deployment
from tests.events import task_event

LONG = "z" * 2000


def told(deployment: Deployment, task: str, value: Any, **where: Any) -> ArtifactRef:
    """An artifact that lineage tells of."""
    dag_id = where.get("dag_id", "flow")
    saved = deployment.save(value, f"{dag_id}.{task}.return_value")
    deployment.tell(task_event("COMPLETE", task, writes={"return_value": saved}, **where))
    return saved


def blob(deployment: Deployment, digest: str) -> Path:
    return Path(deployment.store.url) / blob_path(Digest(digest))


class TestLs:
    def test_artifacts_are_listed_latest_first_with_who_made_them(self, deployment: Deployment) -> None:
        first, second = told(deployment, "a", LONG, second=1), told(deployment, "b", np.arange(500.0), second=2)
        rows = deployment.command("ls", "-o", "json").rows
        assert [(row["digest"], row["made by"]) for row in rows] == [
            (second.digest, "flow/run1/b"),
            (first.digest, "flow/run1/a"),
        ]
        assert (rows[0]["codec"], rows[0]["type"], rows[0]["size"]) == ("npy/1", "numpy.ndarray", second.size)

    @pytest.mark.parametrize(
        ("arguments", "tasks"),
        [
            (["--dag-id", "other"], ["c"]),
            (["--type", "ndarray"], ["b"]),
            (["--type", "text/"], ["c", "a"]),
            (["--name", "flow.a.return_value"], ["a"]),
            (["--name", "*.a.*"], ["a"]),
            (["--name", "flow_a.return_value"], []),
            (["--since", "2026-01-01T00:00:02"], ["c", "b"]),
            (["--since", "1h"], []),
            (["--limit", "1"], ["c"]),
            (["--name", "%"], []),
        ],
    )
    def test_filters_hold_together(self, deployment: Deployment, arguments: list[str], tasks: list[str]) -> None:
        told(deployment, "a", LONG, second=1)
        told(deployment, "b", np.arange(500.0), second=2)
        told(deployment, "c", LONG + "2", second=3, dag_id="other")
        rows = deployment.command("ls", "-o", "json", *arguments).rows
        assert [row["made by"].rsplit("/", 1)[-1] for row in rows] == tasks

    def test_a_table_shows_short_digests_and_sizes_for_people(self, deployment: Deployment) -> None:
        saved = told(deployment, "a", LONG)
        text = deployment.command("ls", "-o", "plain").text
        assert saved.digest[:12] in text
        assert saved.digest not in text
        assert "2.0 kB" in text

    def test_a_bad_date_is_refused(self, deployment: Deployment) -> None:
        done = deployment.command("ls", "--since", "yesterday")
        assert done.status == 1
        assert "yesterday" in done.err


class TestShow:
    def test_producers_consumers_members_pointers_and_preview_are_told(self, deployment: Deployment) -> None:
        saved = told(deployment, "a", {"x": np.arange(500.0), "small": 1})
        deployment.tell(task_event("COMPLETE", "b", reads={"v": saved}))
        pointers.set_pointer(deployment.store, "m@p", saved, by="me")
        table = told(deployment, "t", pd.DataFrame({"n": range(300)}))
        (row,) = deployment.command("show", saved.digest[:12], "-o", "json").rows
        assert (row["written by"], row["read by"]) == (["flow/run1/a"], ["flow/run1/b"])
        assert (row["members"], row["parts"], row["pointers"]) == (2, 1, ["m@p"])
        assert row["state"].startswith("stored, ")
        (row,) = deployment.command("show", table.digest, "-o", "json").rows
        assert (row["preview"]["kind"], row["preview"]["rows"]) == ("table", 300)
        assert "flow/run1/a" in deployment.command("show", saved.digest).text

    def test_why_finds_the_xcom_of_the_collection_that_a_member_is_of(self, deployment: Deployment) -> None:
        member = np.arange(700.0)
        inner, outer = deployment.save(member), deployment.save([[member, LONG], 1])
        deployment.run("flow", "r", tasks=["a"])
        deployment.xcom("flow", "r", "a", outer.to_json())
        (row,) = deployment.command("show", inner.digest, "--why", "-o", "json").rows
        assert row["needed by"] == [f"xcom.value of flow/r/a/return_value, as a part of {outer.digest}"]

    def test_nothing_needs_what_is_garbage(self, deployment: Deployment) -> None:
        (row,) = deployment.command("show", deployment.save(LONG).digest, "--why", "-o", "json").rows
        assert row["needed by"] == []

    def test_a_lost_member_is_told(self, deployment: Deployment) -> None:
        saved = told(deployment, "a", [np.arange(700.0), LONG])
        member = deployment.repository.members(saved)[0].digest
        deployment.store.delete(member)
        (row,) = deployment.command("show", saved.digest, "-o", "json").rows
        assert row["problem"] == f"it is not whole: artifact {member} is missing"
        assert deployment.command("show", member, "-o", "json").rows[0]["state"].startswith("missing from ")


class TestGet:
    @pytest.mark.parametrize("value", [LONG, b"\0\1" * 900, np.arange(5000.0), b"" + bytes(9_000_000), b""])
    def test_the_bytes_that_are_written_hash_to_the_digest_or_are_the_value(
        self, deployment: Deployment, tmp_path: Path, value: Any
    ) -> None:
        saved = told(deployment, "a", value)
        done = deployment.command("get", saved.digest, "-o", str(tmp_path / "got"))
        assert done.status == 0, done.err
        data = (tmp_path / "got").read_bytes()
        if saved.in_chunks:
            assert data == value
        else:
            assert hashlib.sha256(data).hexdigest() == saved.digest

    def test_standard_output_gets_them_by_default(self, deployment: Deployment) -> None:
        saved = told(deployment, "a", default_rng(1).bytes(6_000_000))
        assert deployment.command("get", saved.digest).out == deployment.repository.load(saved)

    def test_files_and_folders_come_back_as_they_were(self, deployment: Deployment, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "a.bin").write_bytes(default_rng(2).bytes(5_000_000))
        (folder / "b.txt").write_text("b")
        saved, single = told(deployment, "a", folder), told(deployment, "b", folder / "b.txt")
        target = tmp_path / "out"
        target.mkdir()
        assert deployment.command("get", saved.digest, "-o", str(target)).status == 0
        assert (target / "data" / "deep" / "a.bin").read_bytes() == (folder / "deep" / "a.bin").read_bytes()
        assert deployment.command("get", saved.digest, "-o", str(target / "renamed")).status == 0
        assert (target / "renamed" / "b.txt").read_text() == "b"
        assert deployment.command("get", single.digest, "-o", "-").out == b"b"
        done = deployment.command("get", saved.digest, "-o", "-")
        assert done.status == 1
        assert "is a folder" in done.err
        assert sorted(path.name for path in target.iterdir()) == ["data", "renamed"]

    def test_nothing_is_overwritten_without_force_and_a_folder_never(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        saved = told(deployment, "a", LONG)
        target = tmp_path / "mine.txt"
        target.write_text("precious")
        done = deployment.command("get", saved.digest, "-o", str(target))
        assert (done.status, target.read_text()) == (1, "precious")
        assert "--force" in done.err
        assert deployment.command("get", saved.digest, "-o", str(target), "--force").status == 0
        assert target.read_text() == LONG
        taken = tmp_path / "out" / f"{saved.digest[:12]}.txt"
        taken.mkdir(parents=True)
        assert deployment.command("get", saved.digest, "-o", str(tmp_path / "out"), "--force").status == 1
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "nowhere")
        assert deployment.command("get", saved.digest, "-o", str(link)).status == 1
        assert not (tmp_path / "nowhere").exists()

    def test_damaged_bytes_are_not_written(self, deployment: Deployment, tmp_path: Path) -> None:
        small, large = told(deployment, "a", LONG), told(deployment, "b", default_rng(3).bytes(6_000_000))
        chunk = json.loads(blob(deployment, large.digest).read_bytes())["chunks"][0][0]
        for digest in (small.digest, chunk):
            path = blob(deployment, digest)
            data = bytearray(path.read_bytes())
            data[100] ^= 1
            path.chmod(0o644)
            path.write_bytes(data)
        for saved in (small, large):
            for target in (str(tmp_path / "x"), "-"):
                done = deployment.command("get", saved.digest, "-o", target)
                assert (done.status, done.out) == (1, b"")
                assert "corrupted" in done.err
        assert list(tmp_path.glob("*x*")) + list(tmp_path.glob(".sematic*")) == []

    def test_a_pickle_is_written_and_not_loaded(self, deployment: Deployment, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> Any:
                return (os.mkdir, (str(tmp_path / "pwned"),))

        data = pickle.dumps(Evil())
        saved = deployment.save(data)
        record = json.dumps(saved.to_json() | {"codec": "pickle/1"})
        assert deployment.command("get", record, "-o", "-").out == data
        assert deployment.command("show", record).status == 0
        assert not (tmp_path / "pwned").exists()


class TestPut:
    def test_a_file_is_stored_as_it_is_and_found_by_its_pointer(self, deployment: Deployment, tmp_path: Path) -> None:
        (tmp_path / "holidays.csv").write_text("2026-12-25\n")
        done = deployment.command(
            "put", str(tmp_path / "holidays.csv"), "--pointer", "data/holidays@current", "-o", "json"
        )
        ref = ArtifactRef.from_json(done.rows[0])
        assert ref.codec == "files/1"
        assert deployment.command("get", "data/holidays@current").out == b"2026-12-25\n"
        assert deployment.collect() >= {ref.digest}

    @pytest.mark.parametrize("form", ["bytes", "text", "json", "npy", "parquet"])
    def test_a_value_in_a_file_gets_the_digest_that_a_step_would_give_it(
        self, deployment: Deployment, tmp_path: Path, form: str
    ) -> None:
        path, data = tmp_path / "value", io.BytesIO()
        np.save(data, np.arange(9.0))
        content = {
            "bytes": b"\0bytes",
            "text": LONG.encode(),
            "json": b'{ "b": [1, 2.5], "a": null }',
            "npy": data.getvalue(),
        }
        expected: Any = {"bytes": b"\0bytes", "text": LONG, "json": {"a": None, "b": [1, 2.5]}, "npy": np.arange(9.0)}
        if form == "parquet":
            import pyarrow as pa
            import pyarrow.parquet

            expected = {"parquet": pa.table({"n": [1, 2]})}
            pyarrow.parquet.write_table(expected["parquet"], path)
        else:
            path.write_bytes(content[form])
        done = deployment.command("put", str(path), "--as", form, "-o", "json")
        assert done.status == 0, done.err
        assert done.rows[0]["digest"] == deployment.repository.save(expected[form]).digest
        assert "no pointer names it" in done.err

    def test_what_is_of_another_format_is_refused(self, deployment: Deployment, tmp_path: Path) -> None:
        path = tmp_path / "value"
        path.write_bytes(b'{"x": NaN} \xff')
        for form in ("json", "npy", "parquet", "text"):
            done = deployment.command("put", str(path), "--as", form)
            assert (done.status, f"cannot be read as {form}" in done.err) == (1, True), done.err
        np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
        assert deployment.command("put", str(tmp_path / "objects.npy"), "--as", "npy").status == 1
        assert deployment.command("put", str(tmp_path / "none")).status == 1
        assert deployment.blobs() == set()

    @pytest.mark.parametrize(
        "name", ["production", "../x@y", "a/../b@c", "a b@c", "/a@b", "a@b/c", "a@", "@b", "a=b@c", "a@b@c", ".a@b"]
    )
    def test_a_name_that_no_pointer_can_have_is_refused_before_anything_is_stored(
        self, deployment: Deployment, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "f").write_text("f")
        done = deployment.command("put", str(tmp_path / "f"), f"--pointer={name}")
        assert done.status == 1
        assert "is no name of a pointer" in done.err
        assert deployment.blobs() == set()

    def test_standard_input_is_stored(self, deployment: Deployment) -> None:
        arguments = [
            sys.executable,
            "-m",
            "sematic_airflow_provider.cli",
            "artifacts",
            "put",
            "-",
            "--as",
            "bytes",
            "-o",
            "json",
        ]
        done = subprocess.run(arguments, input=b"\0from a pipe", capture_output=True, check=True)
        ref = ArtifactRef.from_json(json.loads(done.stdout)[0])
        assert deployment.repository.load(ref) == b"\0from a pipe"


class TestPoint:
    def test_a_pointer_moves_and_remembers(self, deployment: Deployment) -> None:
        refs = [told(deployment, f"t{number}", f"{number}{LONG}") for number in range(12)]
        for ref in refs:
            assert deployment.command("point", "models/x@production", ref.digest).status == 0
        rows = deployment.command("point", "models/x@production", "-o", "json").rows
        assert [row["digest"] for row in rows] == [ref.digest for ref in reversed(refs)][:10]
        assert [row["version"] for row in rows][:2] == ["now", "-1"]
        (row,) = deployment.command("point", "-o", "json").rows
        assert (row["pointer"], row["digest"]) == ("models/x@production", refs[-1].digest)

    def test_what_is_not_whole_cannot_be_named_and_the_pointer_stays(self, deployment: Deployment) -> None:
        good, bad = told(deployment, "a", LONG), told(deployment, "b", [np.arange(700.0), LONG])
        assert deployment.command("point", "x@y", good.digest).status == 0
        deployment.store.delete(deployment.repository.members(bad)[0].digest)
        done = deployment.command("point", "x@y", bad.digest)
        assert done.status == 1
        assert deployment.repository.members(bad)[0].digest in done.err
        pointer = pointers.read_pointer(deployment.store, "x@y")
        assert pointer is not None
        assert pointer.ref.digest == good.digest

    def test_a_pointer_that_is_not_there_is_told(self, deployment: Deployment) -> None:
        assert deployment.command("point", "x@y").status == 1
        assert deployment.command("get", "x@y").status == 1


class TestVerify:
    def damage(self, deployment: Deployment, digest: str) -> None:
        path = blob(deployment, digest)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)

    def test_what_is_whole_is_whole(self, deployment: Deployment) -> None:
        saved = told(deployment, "a", [np.arange(700.0), [LONG, default_rng(1).bytes(6_000_000)], 1])
        for arguments in ([saved.digest], ["--all"], ["--all", "--sample", "50"]):
            done = deployment.command("verify", *arguments, "-o", "json")
            assert (done.status, done.rows) == (0, []), done.err
        done = deployment.command("verify", "--all")
        assert f"{len(deployment.blobs())} blobs" in done.err
        assert done.out == b""

    def test_damage_and_loss_anywhere_below_are_found(self, deployment: Deployment) -> None:
        saved = told(deployment, "a", [np.arange(700.0), [LONG], default_rng(1).bytes(6_000_000)])
        array, inner, large = deployment.repository.members(saved)
        text = deployment.repository.members(inner)[0] if inner.codec == "tree/1" else inner
        chunk = json.loads(blob(deployment, large.digest).read_bytes())["chunks"][2][0]
        self.damage(deployment, text.digest)
        self.damage(deployment, array.digest)
        deployment.store.delete(chunk)
        for arguments in ([saved.digest], ["--all"]):
            done = deployment.command("verify", *arguments, "-o", "json")
            assert done.status == 1
            states = {row["digest"]: row["state"] for row in done.rows}
            assert states == {text.digest: "corrupted", array.digest: "corrupted", chunk: "missing"}

    def test_a_manifest_that_is_none_is_told(self, deployment: Deployment) -> None:
        saved = deployment.save(LONG)
        deployment.run("flow", "r", tasks=["a"])
        deployment.xcom("flow", "r", "a", saved.to_json() | {"codec": "tree/1"})
        (row,) = deployment.command("verify", "--all", "-o", "json").rows
        assert (row["digest"], row["state"]) == (saved.digest, "unreadable")
        assert "flow/r/a" in row["detail"]

    def test_a_lost_output_is_told_with_where_it_is_named_and_a_collected_one_is_no_damage(
        self, deployment: Deployment
    ) -> None:
        lost, collected = told(deployment, "a", LONG), deployment.save(LONG + "2")
        deployment.collect()
        deployment.run("flow", "r", tasks=["a"])
        deployment.xcom("flow", "r", "a", collected.to_json())
        assert deployment.command("verify", "--all").status == 0
        deployment.store.delete(lost.digest)
        done = deployment.command("verify", "--all", "-o", "json")
        assert {row["digest"]: row["state"] for row in done.rows} == {
            lost.digest: "missing",
            collected.digest: "deleted",
        }
        assert done.status == 1
        assert deployment.command("verify", collected.digest).status == 0

    def test_small_values_that_stand_in_their_refs_need_not_be_stored(self, deployment: Deployment) -> None:
        saved = told(deployment, "a", 5)
        deployment.store.delete(saved.digest)
        nested = told(deployment, "b", [1, LONG, np.arange(500.0)])
        assert deployment.command("verify", "--all").status == 0
        assert deployment.command("verify", saved.digest, nested.digest).status == 0

    def test_one_that_was_interrupted_goes_on_where_it_was_and_forgets_nothing(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        saved = sorted(told(deployment, f"t{number}", f"{number}{LONG}").digest for number in range(6))
        self.damage(deployment, saved[5])
        kept = tmp_path / "progress.json"
        problem = {"digest": saved[0], "state": "corrupted", "detail": "found before"}
        record = {"store": deployment.store.url, "after": saved[2], "blobs": 3, "bytes": 99, "problems": [problem]}
        kept.write_text(json.dumps(record))
        done = deployment.command("verify", "--all", "--resume", str(kept), "-o", "json")
        assert {row["digest"] for row in done.rows} == {saved[0], saved[5]}
        assert "6 blobs" in done.err
        assert not kept.exists()
        kept.write_text(json.dumps(record | {"store": "/elsewhere"}))
        assert deployment.command("verify", "--all", "--resume", str(kept)).status == 1

    def test_it_must_be_said_what_to_verify(self, deployment: Deployment) -> None:
        assert deployment.command("verify").status == 1
        assert deployment.command("verify", "--all", "--jobs", "0").status == 2


class TestDu:
    def test_equal_values_count_once_in_what_is_stored_and_each_time_in_what_was_written(
        self, deployment: Deployment
    ) -> None:
        data = default_rng(4).bytes(9_000_000)
        first = told(deployment, "a", data)
        deployment.tell(task_event("COMPLETE", "a", dag_run_id="run2", writes={"return_value": first}))
        told(deployment, "b", data + default_rng(5).bytes(1_000_000), dag_id="other")
        rows = {row["group"]: row for row in deployment.command("du", "-o", "json").rows}
        flow, other, total, store = rows["flow"], rows["other"], rows["(all of these)"], rows["(the store)"]
        assert (flow["artifacts"], flow["writes"], total["artifacts"], total["writes"]) == (1, 2, 2, 3)
        assert 18_000_000 < flow["written"] < 18_010_000
        assert 9_000_000 < flow["stored"] < 9_005_000
        assert 10_000_000 < total["stored"] < 14_500_000 < other["stored"] + flow["stored"]
        assert total["saved"] == total["written"] - total["stored"]
        assert store["stored"] == sum(path.stat().st_size for path in Path(deployment.store.url).glob("blobs/*/*"))

    def test_a_collection_counts_with_its_members(self, deployment: Deployment) -> None:
        told(deployment, "a", [np.arange(10_000.0), np.arange(10_000.0)])
        (row,) = [
            row for row in deployment.command("du", "--by", "codec", "-o", "json").rows if row["group"] == "tree/1"
        ]
        assert 160_000 < row["written"] < 162_000
        assert 80_000 < row["stored"] < 81_000

    def test_every_grouping_and_a_table_work(self, deployment: Deployment) -> None:
        told(deployment, "a", LONG)
        for by, group in {
            "dag": "flow",
            "type": "builtins.str",
            "codec": "text/1",
            "name": "flow.a.return_value",
        }.items():
            assert group in {row["group"] for row in deployment.command("du", "--by", by, "-o", "json").rows}
        assert "2.0 kB" in deployment.command("du", "-o", "plain").text


def test_airflow_itself_has_the_commands(migrated_home: str) -> None:
    done = run_airflow("sematic", "artifacts", "gc", "--help")
    assert "--keep-days" in done.stdout
    assert run_airflow("sematic", "artifacts", "ls", "-o", "json").stdout.strip().endswith("]")
