"""Collections on a real Airflow database and store: what must stay, what goes, and when nothing does."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider.artifacts import pointers, retention
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from tests.cli.deployment import Deployment
from tests.events import task_event

LONG = "x" * 2000


def text(number: int) -> str:
    return f"value {number} " + LONG


class TestWhatIsRecorded:
    def test_only_what_nothing_names_goes_when_no_limit_is_set(self, deployment: Deployment) -> None:
        kept, lost = deployment.save(text(1)), deployment.save(text(2))
        deployment.run("flow", "old", began=4000, tasks=["a"])
        deployment.xcom("flow", "old", "a", kept.to_json())
        assert deployment.collect() == {kept.digest}
        assert lost.digest not in deployment.blobs()

    def test_a_dry_run_is_the_default_and_deletes_nothing(self, deployment: Deployment) -> None:
        lost = deployment.save(text(1))
        done = deployment.command("gc", "-o", "json")
        assert done.status == 0
        assert deployment.blobs() == {lost.digest}
        (total,) = [row for row in done.rows if (row["what"], row["group"]) == ("to be deleted", "all")]
        assert (total["blobs"], total["bytes"]) == (1, lost.size)
        assert "dry run" in done.err

    def test_an_xcom_under_any_key_keeps_what_it_names_however_deep_it_stands_there(
        self, deployment: Deployment
    ) -> None:
        refs = [deployment.save(text(number)) for number in range(4)]
        deployment.run("flow", "r", tasks=["a"])
        deployment.xcom("flow", "r", "a", refs[0].to_json(), key="other key")
        deployment.xcom("flow", "r", "a", {"deep": [{"er": refs[1].to_json()}, json.dumps({"x": refs[2].to_json()})]})
        deployment.task("flow", "r", "mapped", map_index=3)
        deployment.xcom("flow", "r", "mapped", refs[3].to_json(), map_index=3)
        deployment.save(text(99))
        assert deployment.collect() == {ref.digest for ref in refs}

    def test_members_of_members_stay_with_the_manifest_that_an_xcom_names(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "large.bin").write_bytes(np.random.default_rng(1).bytes(6_000_000))
        ref = deployment.save({"deep": [[np.arange(1000.0)], folder], "text": LONG})
        whole = deployment.blobs()
        deployment.save(text(1))
        deployment.run("flow", "r", tasks=["a"])
        deployment.xcom("flow", "r", "a", ref.to_json())
        assert deployment.collect() == whole
        assert deployment.repository.load(ref)["text"] == LONG

    @pytest.mark.parametrize(
        ("table", "values"),
        [
            ("asset_event", {"asset_id": 7, "timestamp": "now", "extra": "ref"}),
            (
                "dag_run",
                {
                    "dag_id": "flow",
                    "run_id": "conf",
                    "run_type": "manual",
                    "state": "success",
                    "run_after": "now",
                    "conf": "ref",
                },
            ),
            (
                "rendered_task_instance_fields",
                {"dag_id": "flow", "run_id": "r", "task_id": "a", "rendered_fields": "ref"},
            ),
            ("variable", {"key": "pinned", "val": "text", "is_encrypted": False}),
            (
                "task_state_store",
                {"dag_run_id": 1, "dag_id": "flow", "run_id": "r", "task_id": "a", "key": "k", "value": "text"},
            ),
            ("trigger", {"classpath": "c", "kwargs": "text", "created_date": "now"}),
            ("dag_run_note", {"dag_run_id": 1, "content": "text", "created_at": "now", "updated_at": "now"}),
            (
                "backfill",
                {"dag_id": "flow", "from_date": "now", "to_date": "now", "dag_run_conf": "ref", "max_active_runs": 1},
            ),
            ("asset_state_store", {"asset_id": 1, "key": "k", "value": "text"}),
        ],
    )
    def test_a_row_of_another_table_keeps_what_it_names(
        self, deployment: Deployment, table: str, values: dict[str, Any]
    ) -> None:
        ref = deployment.save(text(1))
        deployment.run("flow", "r", tasks=["a"])
        deployment.add("asset", id=1, name="n", uri="u://n", group="g")
        filled = {"ref": {"sematic": ref.to_json()}, "text": f"see {ref.digest}", "now": deployment.now}
        deployment.add(table, **{k: filled.get(v, v) if isinstance(v, str) else v for k, v in values.items()})
        deployment.save(text(2))
        assert deployment.collect() == {ref.digest}

    def test_an_encrypted_variable_keeps_what_it_names_and_one_that_cannot_be_read_stops_everything(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from airflow.models import crypto
        from airflow.models.variable import Variable
        from cryptography.fernet import Fernet

        for key in (Fernet.generate_key().decode(), Fernet.generate_key().decode()):
            monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", key)
            crypto.get_fernet.cache_clear()
            ref = deployment.save(text(len(deployment.blobs())))
            if key and not deployment.command("gc").status:
                with deployment.session() as session:
                    session.add(Variable("pinned", f"the model is {ref.digest}"))
                assert ref.digest in deployment.collect()
        crypto.get_fernet.cache_clear()
        before = deployment.blobs()
        done = deployment.command("gc", "--delete")
        assert (done.status, deployment.blobs()) == (1, before)
        assert "variable.val of pinned is encrypted with another key" in done.err
        crypto.get_fernet.cache_clear()

    def test_lineage_keeps_what_a_run_read_and_wrote_its_code_and_its_packages(self, deployment: Deployment) -> None:
        read, wrote, code, packages = (deployment.save(text(number)) for number in range(4))
        step = {"function": "flow.a", "code": code.to_json(), "arguments": {"x": read.to_json()}, "outputs": {}}
        deployment.tell(
            task_event(
                "COMPLETE",
                "a",
                reads={"x": read.named("flow.z.return_value")},
                writes={"return_value": wrote.named("flow.a.return_value")},
                facets={"sematic_step": step, "sematic_provenance": {"packages": packages.to_json()}},
            )
        )
        deployment.save(text(9))
        assert deployment.collect() == {ref.digest for ref in (read, wrote, code, packages)}

    def test_events_that_wait_in_the_store_and_documents_of_any_kind_keep_what_they_name(
        self, deployment: Deployment
    ) -> None:
        waiting, result = deployment.save(text(1)), deployment.save(text(2))
        event = task_event("COMPLETE", "a", writes={"return_value": waiting.named("flow.a.return_value")})
        deployment.store.write_document("spool/1.json", json.dumps(event).encode())
        deployment.store.write_document("results/1.json", json.dumps({"outputs": {"k": result.to_json()}}).encode())
        assert deployment.collect() == {waiting.digest, result.digest}

    def test_an_event_that_moves_from_the_store_into_the_database_meanwhile_is_not_missed(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sematic_airflow_provider.db import roots
        from sematic_airflow_provider.db.spool import Drained, drain

        ref = deployment.save(text(1))
        event = task_event("COMPLETE", "a", writes={"return_value": ref.named("flow.a.return_value")})
        deployment.store.write_document("spool/1.json", json.dumps(event).encode())
        drained: list[Drained] = []

        def drained_after(name: str) -> None:
            real = getattr(roots, name)

            def read_then_drain(*arguments: Any) -> Any:
                found = list(real(*arguments))
                if not drained:
                    drained.append(drain(deployment.store))
                return iter(found)

            monkeypatch.setattr(roots, name, read_then_drain)

        for name in ("document_roots", "_of_lineage"):
            drained_after(name)
        assert {reference.digest for reference in roots.roots(deployment.store)} == {ref.digest}
        assert drained == [Drained(1, 0)]


class TestWhatRuns:
    def test_what_was_written_since_a_running_task_began_stays(self, deployment: Deployment) -> None:
        recent, older = deployment.save(text(1), days_old=19), deployment.save(text(2), days_old=25)
        deployment.run("flow", "long", began=20, state="running")
        deployment.task("flow", "long", "a", state="running", start_date=deployment.days_ago(20))
        done = deployment.command("gc", "--delete")
        assert deployment.blobs() == {recent.digest}
        assert older.digest not in deployment.blobs()
        assert "of run long of flow" in done.err

    def test_what_a_deferred_task_will_go_on_with_is_kept(self, deployment: Deployment) -> None:
        ref = deployment.save(text(1), days_old=100)
        deployment.run("flow", "r", began=1, state="running")
        deployment.task("flow", "r", "a", state="deferred", next_kwargs={"value": ref.to_json()})
        deployment.save(text(2), days_old=100)
        assert deployment.collect() == {ref.digest}

    @pytest.mark.parametrize("state", ["deferred", "up_for_retry", "up_for_reschedule", "queued", "restarting"])
    def test_a_task_that_waits_counts_as_running_even_in_a_run_that_has_ended(
        self, deployment: Deployment, state: str
    ) -> None:
        ref = deployment.save(text(1), days_old=19)
        deployment.run("flow", "r", began=20, state="failed")
        deployment.task("flow", "r", "a", state=state, start_date=deployment.days_ago(20))
        assert deployment.collect() == {ref.digest}

    def test_a_task_that_ended_a_moment_ago_may_still_tell_of_what_it_wrote(self, deployment: Deployment) -> None:
        ref = deployment.save(text(1), days_old=19)
        deployment.run("flow", "r", began=20, state="failed")
        deployment.task(
            "flow", "r", "a", state="success", start_date=deployment.days_ago(20), end_date=deployment.days_ago(0.01)
        )
        assert deployment.collect() == {ref.digest}

    def test_a_long_task_that_has_ended_long_ago_holds_nothing_back(self, deployment: Deployment) -> None:
        deployment.save(text(1), days_old=19)
        deployment.run("flow", "r", began=20, state="failed", tasks=["a"])
        assert deployment.collect() == set()

    def test_a_run_that_has_not_ended_is_kept_whatever_its_age(self, deployment: Deployment) -> None:
        ref = deployment.save(text(1), days_old=400)
        deployment.run("flow", "r", began=300, state="running", tasks=["a"])
        deployment.xcom("flow", "r", "a", ref.to_json())
        assert deployment.collect("--keep-days", "1", "--keep-last", "0") == {ref.digest}


class TestPolicies:
    def runs(self, deployment: Deployment, dag_id: str = "flow") -> dict[int, ArtifactRef]:
        """Runs that began 40, 30, 20 and 10 days ago, each with an artifact of its own in XCom and lineage."""
        made: dict[int, ArtifactRef] = {}
        for days in (40, 30, 20, 10):
            ref = made[days] = deployment.save(f"{dag_id} {days} {LONG}", f"{dag_id}.a.return_value", days_old=days)
            deployment.run(dag_id, f"r{days}", began=days, tasks=["a"])
            deployment.xcom(dag_id, f"r{days}", "a", ref.to_json())
            deployment.tell(
                task_event("COMPLETE", "a", dag_id=dag_id, dag_run_id=f"r{days}", writes={"return_value": ref})
            )
        return made

    @pytest.mark.parametrize(
        ("limits", "kept"),
        [
            (["--keep-days", "25"], {20, 10}),
            (["--keep-last", "3"], {30, 20, 10}),
            (["--keep-days", "15", "--keep-last", "2"], {20, 10}),
            (["--keep-days", "35", "--keep-last", "1"], {30, 20, 10}),
            (["--keep-last", "0"], set()),
            ([], {40, 30, 20, 10}),
        ],
    )
    def test_runs_go_by_age_and_number(self, deployment: Deployment, limits: list[str], kept: set[int]) -> None:
        made = self.runs(deployment)
        assert deployment.collect(*limits) == {made[days].digest for days in kept}

    def test_only_the_dags_that_are_named_lose_runs(self, deployment: Deployment) -> None:
        mine, others = self.runs(deployment), self.runs(deployment, "other")
        left = deployment.collect("--keep-last", "1", "--dag-id", "flow")
        assert left == {mine[10].digest, *(ref.digest for ref in others.values())}

    def test_each_dag_keeps_its_own_last_runs(self, deployment: Deployment) -> None:
        mine, others = self.runs(deployment), self.runs(deployment, "other")
        assert deployment.collect("--keep-last", "1") == {mine[10].digest, others[10].digest}

    def test_what_a_kept_run_read_of_an_expired_one_stays(self, deployment: Deployment) -> None:
        made = self.runs(deployment)
        deployment.run("reader", "new", began=1, tasks=["b"])
        deployment.tell(task_event("COMPLETE", "b", dag_id="reader", dag_run_id="new", reads={"x": made[40]}))
        assert deployment.collect("--keep-days", "5") == {made[40].digest}

    def test_a_run_that_only_lineage_remembers_expires_by_its_events(self, deployment: Deployment) -> None:
        ref = deployment.save(text(1), "gone.a.return_value", days_old=300)
        deployment.tell(
            task_event("START", "a", dag_id="gone"),
            task_event("COMPLETE", "a", dag_id="gone", second=60, writes={"return_value": ref}),
        )
        assert deployment.collect("--keep-days", "100000") == {ref.digest}
        assert deployment.collect("--keep-days", "30") == set()

    def test_dags_without_a_limit_are_refused(self, deployment: Deployment) -> None:
        done = deployment.command("gc", "--dag-id", "flow")
        assert done.status == 1
        assert "--keep-days or --keep-last" in done.err

    def test_the_last_event_of_an_asset_is_kept_and_older_ones_go_with_their_runs(self, deployment: Deployment) -> None:
        refs = {days: deployment.save(text(days), days_old=days) for days in (40, 30)}
        for days, ref in refs.items():
            deployment.run("flow", f"r{days}", began=days)
            deployment.add(
                "asset_event",
                asset_id=1,
                timestamp=deployment.days_ago(days),
                extra={"sematic": ref.to_json()},
                source_dag_id="flow",
                source_run_id=f"r{days}",
            )
        assert deployment.collect("--keep-days", "5") == {refs[30].digest}

    @pytest.mark.parametrize("waits", ["queue", "run"])
    def test_an_asset_event_that_a_dag_run_is_or_will_be_made_of_is_kept(
        self, deployment: Deployment, waits: str
    ) -> None:
        refs = {days: deployment.save(text(days), days_old=days) for days in (40, 30)}
        ids = {}
        deployment.add("asset", id=1, name="n", uri="u://n", group="g")
        for days, ref in refs.items():
            deployment.run("flow", f"r{days}", began=days)
            ids[days] = deployment.add(
                "asset_event",
                asset_id=1,
                timestamp=deployment.days_ago(days),
                extra={"sematic": ref.to_json()},
                source_dag_id="flow",
                source_run_id=f"r{days}",
            )
        if waits == "queue":
            deployment.add("dag_bundle", name="b")
            deployment.add(
                "dag",
                dag_id="reader",
                bundle_name="b",
                max_active_tasks=1,
                max_consecutive_failed_dag_runs=0,
                has_task_concurrency_limits=False,
            )
            deployment.add("asset_dag_run_queue", asset_id=1, target_dag_id="reader", created_at=deployment.now)
        else:
            run = deployment.add(
                "dag_run",
                dag_id="reader",
                run_id="q",
                run_type="asset_triggered",
                state="queued",
                run_after=deployment.now,
            )
            deployment.add("dagrun_asset_event", dag_run_id=run, event_id=ids[40])
        assert deployment.collect("--keep-days", "5") == {ref.digest for ref in refs.values()}

    def test_an_expired_artifact_says_when_it_was_deleted_and_what_to_do(
        self, deployment: Deployment, tmp_path: Path
    ) -> None:
        made = self.runs(deployment)
        deployment.collect("--keep-days", "25")
        shown = deployment.command("show", made[40].digest, "-o", "json")
        assert shown.rows[0]["state"].startswith("deleted by a collection on ")
        got = deployment.command("get", "flow/r40/a", "-o", str(tmp_path / "x"))
        assert got.status == 1
        assert "deleted by a collection on" in got.err
        assert made[40].digest in got.err
        assert deployment.store.url in got.err
        assert not (tmp_path / "x").exists()

    def test_what_is_saved_again_after_it_was_collected_is_whole(self, deployment: Deployment) -> None:
        made = self.runs(deployment)
        deployment.collect("--keep-days", "25")
        again = deployment.repository.save(f"flow 40 {LONG}")
        assert again.digest == made[40].digest
        assert deployment.repository.load(again) == f"flow 40 {LONG}"
        assert deployment.command("verify", again.digest).status == 0


class TestPointers:
    def test_a_pointer_keeps_what_it_names_and_named_before(self, deployment: Deployment) -> None:
        first, second = deployment.save([text(1), np.arange(500.0)]), deployment.save(text(2))
        whole = deployment.blobs()
        for ref in (first, second):
            pointers.set_pointer(deployment.store, "models/delay@production", ref, by="me")
        deployment.save(text(3))
        assert deployment.collect() == whole

    def test_the_runs_behind_a_pointer_are_kept_back_to_their_raw_data(self, deployment: Deployment) -> None:
        raw, table, model, unrelated, code = (
            deployment.save(text(n), f"flow.{name}.return_value", days_old=40)
            for n, name in enumerate(("load", "join", "train", "other", "code"))
        )
        deployment.run("flow", "old", began=40)
        facet = {"function": "flow.join", "code": code.to_json(), "arguments": {}, "outputs": {}}
        deployment.tell(
            task_event("COMPLETE", "load", dag_run_id="old", writes={"return_value": raw}),
            task_event(
                "COMPLETE",
                "join",
                dag_run_id="old",
                reads={"x": raw},
                writes={"return_value": table},
                facets={"sematic_step": facet},
            ),
            task_event("COMPLETE", "train", dag_run_id="old", reads={"x": table}, writes={"return_value": model}),
            task_event("COMPLETE", "other", dag_run_id="old", reads={"x": table}, writes={"return_value": unrelated}),
        )
        pointers.set_pointer(deployment.store, "models/delay@production", model, by="me")
        assert deployment.collect("--keep-days", "5") == {ref.digest for ref in (raw, table, model, code)}

    def test_a_pointer_that_is_forgotten_keeps_nothing(self, deployment: Deployment) -> None:
        ref = deployment.save(text(1))
        pointers.set_pointer(deployment.store, "a@b", ref, by="me")
        assert deployment.collect() == {ref.digest}
        assert deployment.command("point", "a@b", "--forget").status == 0
        assert deployment.collect() == set()


class TestWhileItRuns:
    def test_what_is_named_between_plan_and_sweep_is_spared(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        by_pointer, by_xcom, by_event, lost = (
            deployment.save([text(number), np.arange(900.0 + number)]) for number in range(4)
        )
        deployment.run("flow", "r", tasks=["a"])
        real = retention.plan

        def plan_then_record(*args: Any, **options: Any) -> Any:
            found = real(*args, **options)
            pointers.set_pointer(deployment.store, "late@one", by_pointer, by="me")
            deployment.xcom("flow", "r", "a", by_xcom.to_json(), days_old=0)
            deployment.tell(task_event("COMPLETE", "b", reads={"x": by_event.named("flow.z.return_value")}), days_old=0)
            return found

        monkeypatch.setattr(retention, "plan", plan_then_record)
        done = deployment.command("gc", "--delete", "-o", "json")
        assert done.status == 0, done.err
        for ref in (by_pointer, by_xcom, by_event):
            assert deployment.repository.load(ref)
        assert lost.digest not in deployment.blobs()
        assert next(row["blobs"] for row in done.rows if row["what"].startswith("spared")) == 9

    def test_a_run_that_is_cleared_between_plan_and_sweep_stops_the_sweep(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from airflow.models.dagrun import DagRun

        ref = deployment.save(text(1), days_old=40)
        deployment.run("flow", "r", began=40, tasks=["a"])
        deployment.xcom("flow", "r", "a", ref.to_json())
        real = retention.plan

        def plan_then_clear(*args: Any, **options: Any) -> Any:
            found = real(*args, **options)
            with deployment.session() as session:
                session.query(DagRun).update({"_state": "queued"})
            return found

        monkeypatch.setattr(retention, "plan", plan_then_clear)
        done = deployment.command("gc", "--delete", "--keep-days", "5")
        assert done.status == 1
        assert "run r of flow was to be let go of, and has been cleared meanwhile" in done.err
        assert deployment.blobs() == {ref.digest}

    def test_clearing_a_task_and_deleting_its_xcoms_deletes_no_bytes(self, deployment: Deployment) -> None:
        from airflow.models.xcom import XComModel
        from airflow.sdk.bases.xcom import BaseXCom

        from sematic_airflow_provider.worker.xcom import SematicXComBackend

        ref = deployment.save(text(1))
        for run in ("one", "two"):
            deployment.run("flow", run, tasks=["a"])
            deployment.xcom("flow", run, "a", ref.to_json())
        assert SematicXComBackend.purge is not BaseXCom.purge
        with deployment.session() as session:
            row = session.query(XComModel).filter_by(run_id="one").one()
            SematicXComBackend.purge(row)
            XComModel.clear(dag_id="flow", task_id="a", run_id="one", session=session)
        assert deployment.blobs() == {ref.digest}
        assert deployment.collect() == {ref.digest}
        with deployment.session() as session:
            XComModel.clear(dag_id="flow", task_id="a", run_id="two", session=session)
        assert deployment.blobs() == {ref.digest}
        assert deployment.collect() == set()


class TestRefused:
    def test_another_airflow_on_the_same_store_is_told_and_nothing_is_deleted(self, deployment: Deployment) -> None:
        lost = deployment.save(text(1))
        record = {"database": "postgresql://other:5432/airflow", "registered_at": "2026-01-01T00:00:00+00:00"}
        deployment.store.write_document("owners/0123456789abcdef.json", json.dumps(record).encode())
        done = deployment.command("gc", "--delete")
        assert done.status == 1
        assert "postgresql://other:5432/airflow" in done.err
        assert deployment.blobs() == {lost.digest}
        assert deployment.command("gc").status == 0
        assert deployment.command("gc", "--delete", "--forget-owner", "0123456789abcdef").status == 0
        assert deployment.blobs() == set()

    def test_the_drain_registers_its_airflow(self, deployment: Deployment) -> None:
        from sematic_airflow_provider.db.owners import owners
        from sematic_airflow_provider.db.spool import drain

        drain(deployment.store)
        (owner,) = owners(deployment.store)
        assert str(deployment.database) in "/" + owner.database

    def test_an_unknown_codec_stops_everything_until_it_is_called_opaque(self, deployment: Deployment) -> None:
        ref = deployment.save(text(1))
        deployment.run("flow", "r", tasks=["a"])
        deployment.xcom("flow", "r", "a", ref.to_json() | {"codec": "theirs/3"})
        lost = deployment.save(text(2))
        done = deployment.command("gc", "--delete")
        assert (done.status, lost.digest in deployment.blobs()) == (1, True)
        assert "theirs/3" in done.err
        assert deployment.collect("--opaque-codec", "theirs/3") == {ref.digest}

    def test_a_lost_manifest_stops_everything(self, deployment: Deployment) -> None:
        ref = deployment.save([np.arange(500.0)])
        deployment.run("flow", "r", tasks=["a"])
        deployment.xcom("flow", "r", "a", ref.to_json())
        deployment.store.delete(ref.digest)
        before = deployment.blobs()
        done = deployment.command("gc", "--delete")
        assert (done.status, deployment.blobs()) == (1, before)
        assert ref.digest in done.err

    @pytest.mark.parametrize("hours", ["0", "23.9", "-5", "nan"])
    def test_a_grace_time_that_is_too_short_is_refused(self, deployment: Deployment, hours: str) -> None:
        deployment.save(text(1))
        assert deployment.command("gc", "--delete", f"--grace-hours={hours}").status == 2
        assert len(deployment.blobs()) == 1

    def test_a_database_without_our_tables_is_refused(self, deployment: Deployment) -> None:
        from sqlalchemy import text as sql

        deployment.save(text(1))
        with deployment.session() as session:
            session.execute(sql("drop table alembic_version_sematic"))
        done = deployment.command("gc", "--delete")
        assert done.status == 1
        assert "airflow db migrate" in done.err
        assert len(deployment.blobs()) == 1


def test_what_goes_is_grouped_by_codec_type_or_dag(deployment: Deployment) -> None:
    ref = deployment.save(text(1), "flow.a.return_value", days_old=40)
    deployment.run("flow", "r", began=40, tasks=["a"])
    deployment.tell(task_event("COMPLETE", "a", dag_run_id="r", writes={"return_value": ref}))
    deployment.save(np.arange(900.0))
    found = {}
    for by in ("codec", "type", "dag"):
        rows = deployment.command("gc", "--keep-days", "5", "--by", by, "-o", "json").rows
        found[by] = {row["group"] for row in rows if row["what"] == "to be deleted" and "(" not in row["group"]}
    assert found == {"codec": {"text/1", "all"}, "type": {"builtins.str", "all"}, "dag": {"flow", "all"}}


def test_the_clock_of_a_deleted_artifact_is_utc(deployment: Deployment) -> None:
    ref = deployment.save(text(1))
    deployment.collect()
    state = deployment.command("show", ref.digest, "-o", "json").rows[0]["state"]
    assert f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}" in state
