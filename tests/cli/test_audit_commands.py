"""``airflow sematic audit`` and ``airflow sematic lineage prune``, on a database and a store."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.pointers import set_pointer
from sematic_airflow_provider.db.anchors import Anchors, anchors
from sematic_airflow_provider.db.models import EventRow, RunRow, SealRow, UnsealedRow
from sematic_airflow_provider.db.seals import head, seal
from tests.cli.deployment import Deployment
from tests.events import pipeline, ref, run_id, task_event


def _seal_anew(session: Session) -> None:
    session.execute(insert(UnsealedRow).from_select(["event_id"], select(EventRow.id)))
    seal(session)


def _verify(deployment: Deployment, *arguments: str) -> tuple[int, Any]:
    done = deployment.sematic("audit", "verify", "--output", "json", *arguments)
    return done.status, done.rows[0]


def test_a_whole_log_is_told_to_be_whole(deployment: Deployment) -> None:
    deployment.tell(*pipeline())
    status, found = _verify(deployment, "--projection")
    assert (status, found["whole"], found["events"], found["first"]) == (0, True, 10, None)
    assert found["projection"] == {"different": 0, "told": []}
    done = deployment.sematic("audit", "verify")
    assert done.text.strip() == "whole"
    assert "10 events under 1 seals were verified" in done.err


def test_the_first_broken_entry_is_named_and_the_status_is_1(deployment: Deployment) -> None:
    deployment.tell(*pipeline())
    with deployment.session() as session:
        run = session.scalars(select(EventRow.run_id).where(EventRow.id == 4)).one()
        session.execute(update(EventRow).where(EventRow.id == 4).values(payload=None))
        session.execute(delete(EventRow).where(EventRow.id == 7))
    status, found = _verify(deployment)
    assert status == 1
    assert found["broken"] == {"removed": 2}
    first = found["first"]
    assert (first["wrong"], first["event"], first["run"], first["seal"]) == ("removed", 4, run, 1)
    assert first["at"] is not None
    done = deployment.sematic("audit", "verify")
    assert done.status == 1
    assert "BROKEN" in done.err
    assert "whole" not in done.text


def test_the_head_that_was_kept_proves_that_the_chain_was_made_anew(deployment: Deployment) -> None:
    deployment.tell(*pipeline())
    (kept,) = deployment.sematic("audit", "head", "--output", "json").rows
    assert kept["events"] == 10
    assert _verify(deployment, "--anchor", kept["head"])[1]["anchors"] == 1
    with deployment.session() as session:
        session.execute(delete(SealRow))
        session.execute(delete(EventRow).where(EventRow.id == 10))
        _seal_anew(session)
    assert _verify(deployment)[0] == 0
    status, found = _verify(deployment, "--anchor", kept["head"])
    assert (status, found["first"]["wrong"]) == (1, "seal altered")


def test_an_anchor_that_is_none_is_refused(deployment: Deployment) -> None:
    done = deployment.sematic("audit", "verify", "--anchor", "12:abc")
    assert done.status == 1
    assert "--anchor takes NUMBER:HASH" in done.err


def test_hashes_in_the_store_are_compared(deployment: Deployment) -> None:
    deployment.tell(*pipeline())
    with deployment.session() as session:
        left = Anchors(deployment.store).leave(head(session))
    assert left is not None
    assert _verify(deployment)[1]["anchors"] == 1
    with deployment.session() as session:
        session.execute(delete(SealRow))
        session.execute(delete(EventRow))
    status, found = _verify(deployment)
    assert (status, found["first"]["wrong"]) == (1, "chain cut")
    assert left.where in found["first"]["what"]
    assert _verify(deployment, "--without-store")[0] == 0


def test_anchors_are_written_once_and_neither_too_often_nor_for_the_same_seal(deployment: Deployment) -> None:
    store, made = deployment.store, Anchors(deployment.store)
    assert made.leave(None) is None
    deployment.tell(*pipeline())
    with deployment.session() as session:
        first = head(session)
    assert first is not None
    assert made.leave(first) is not None
    later = first._replace(number=2, hash="ab" * 32)
    assert made.leave(later) is None  # within the hour
    assert made.leave(later, deployment.days_ago(-1)) is not None
    assert made.leave(later, deployment.days_ago(-2)) is None
    assert made.leave(later._replace(number=1500)) is not None  # many seals
    other = Anchors(store)  # after a restart
    assert other.leave(later._replace(number=1501)) is None
    assert other.leave(later._replace(number=1501), deployment.days_ago(-3)) is not None
    assert made.leave(later._replace(number=1502), deployment.days_ago(-3)) is None  # another process has left one
    assert [one.number for one in anchors(store)] == [1, 2, 1500, 1501]


def test_an_anchor_that_somebody_spoiled_is_no_proof(deployment: Deployment) -> None:
    deployment.tell(*pipeline())
    with deployment.session() as session:
        left = Anchors(deployment.store).leave(head(session))
    assert left is not None
    deployment.store.write_document(left.where, b"{}")
    assert _verify(deployment)[0] == 1


def test_a_collection_of_artifacts_takes_no_anchor_for_a_name_of_one(deployment: Deployment) -> None:
    unneeded = deployment.save({"x": list(range(500))}).digest
    folder = f"audit/{'0' * 16}"
    deployment.store.create_document(f"{folder}/000000000001.json", json.dumps({"hash": unneeded}).encode())
    assert unneeded not in deployment.collect()


def test_rows_that_do_not_say_what_the_events_say_are_told(deployment: Deployment) -> None:
    deployment.tell(*pipeline())
    altered = run_id("flow", "run1", "train", -1, 1)
    with deployment.session() as session:
        session.execute(update(RunRow).where(RunRow.run_id == altered).values(state="failed"))
    assert _verify(deployment)[0] == 0
    status, found = _verify(deployment, "--projection")
    assert status == 1
    assert found["projection"] == {
        "different": 1,
        "told": [{"run_id": altered, "what": "its row says another state"}],
    }


def test_prune_removes_old_events_and_spares_what_pointers_need(deployment: Deployment) -> None:
    model = deployment.save({"weights": [1, 2]}, "best.train.model")
    table = ref("best.fetch.return_value", "table")
    deployment.tell(
        *pipeline(),
        task_event("COMPLETE", "fetch", dag_id="best", writes={"return_value": table}),
        task_event("COMPLETE", "train", dag_id="best", reads={"table": table}, writes={"model": model}),
    )
    set_pointer(deployment.store, "models/delay@production", model, by="ann")
    dry = deployment.sematic("lineage", "prune", "--keep-days", "30", "--dry-run", "--output", "json")
    assert [row["count"] for row in dry.rows] == [10, 5, 2, 0]
    assert "dry run" in dry.err
    done = deployment.sematic("lineage", "prune", "--keep-days", "30", "--output", "json")
    assert [row["count"] for row in done.rows][:3] == [10, 5, 2]
    with deployment.session() as session:
        kept = select(func.count()).where(EventRow.kind == "run", EventRow.payload.is_not(None))
        assert session.scalar(kept) == 2
    status, found = _verify(deployment, "--projection")
    assert (status, found["removed_by_retention"]) == (0, 10)
    assert list(found["policies"].values()) == [10]


def test_prune_wants_to_know_how_long_events_are_kept(deployment: Deployment) -> None:
    done = deployment.sematic("lineage", "prune")
    assert done.status == 1
    assert "lineage_keep_days" in done.err


def test_a_collection_finds_all_names_that_rolled_up_runs_need(deployment: Deployment) -> None:
    table, model = deployment.save({"rows": [1]}, "flow.fetch.return_value"), deployment.save([2], "flow.train.model")
    code, packages = deployment.save("def fit(): ...", "code"), deployment.save({"numpy": "2"}, "packages")
    unneeded = deployment.save("nobody needs this")
    event = task_event("COMPLETE", "train", reads={"table": table}, writes={"model": model})
    event["run"]["facets"]["sematic_step"]["code"] = code.to_json()
    event["run"]["facets"]["sematic_provenance"] = {"packages": packages.to_json()}
    deployment.tell(event, task_event("START", "train"))
    assert deployment.sematic("lineage", "prune", "--keep-days", "30").status == 0
    left = deployment.collect()
    assert {table.digest, model.digest, code.digest, packages.digest} <= left
    assert unneeded.digest not in left
