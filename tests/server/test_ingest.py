"""Events of every kind, from the official client and from others, into the API; and what is none."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from sematic_airflow_provider.db.latest import latest_dataset_facets, latest_event, latest_job_facets
from sematic_airflow_provider.db.models import DatasetRow, EventRow, FlowRow, IoRow, JobRow, RunRow
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.lineage.naming import dataset_key, job_key
from tests.events import task_event
from tests.lineage.hostile import EVENTS, broken
from tests.producers import dataset_event, dbt_event, flink_event, job_event, spark_event
from tests.server.conftest import KEY

API = "/sematic/api/v1"
VERSIONS = ["1-0-0", "1-0-1", "1-0-2", "1-0-3", "1-0-4", "1-0-5", "1-1-0", "1-1-1", "2-0-0", "2-0-1", "2-0-2"]
_FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
_FEW = settings(max_examples=10, deadline=None, suppress_health_check=_FIXTURES)
_MANY = settings(max_examples=500, deadline=None, suppress_health_check=_FIXTURES)
_BODIES = st.one_of(st.binary(max_size=60), st.lists(broken(), max_size=4).map(json.dumps).map(str.encode))
Header = dict[str, str]


@pytest.fixture(scope="module")
def url(client: TestClient) -> Iterator[str]:
    """The same application on a real socket."""
    import uvicorn

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(client.app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def _post(client: TestClient, event: Any, worker: Header, path: str = "/lineage") -> Any:
    return client.post(API + path, content=json.dumps(event), headers={**worker, "Content-Type": "application/json"})


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_the_official_client_delivers_events_of_all_its_classes(url: str, compression: str | None) -> None:
    from openlineage.client import OpenLineageClient, event_v2, run
    from openlineage.client.facet_v2 import column_lineage_dataset, documentation_job, schema_dataset

    transport = {
        "type": "http",
        "url": url,
        "endpoint": "sematic/api/v1/lineage",
        "auth": {"type": "api_key", "apiKey": KEY},
        "compression": compression,
        "retry": {"total": 0},
    }
    client = OpenLineageClient(config={"transport": transport})
    mine = f"official_{compression}"
    moment, run_id = "2026-05-01T00:00:00Z", "01a207f9-1b4b-7ad8-b8d2-43699d6136e1"
    lineage = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={"b": column_lineage_dataset.Fields(inputFields=[column_lineage_dataset.InputField(mine, "in", "a")])}
    )
    schema = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields("b", "int")])
    documented = {"documentation": documentation_job.DocumentationJobFacet(description="of a job")}
    client.emit(
        event_v2.RunEvent(
            eventTime=moment,
            run=event_v2.Run(run_id),
            job=event_v2.Job(mine, "new"),
            eventType=event_v2.RunState.COMPLETE,
            inputs=[event_v2.InputDataset(mine, "in")],
            outputs=[event_v2.OutputDataset(mine, "out", facets={"columnLineage": lineage, "schema": schema})],
        )
    )
    client.emit(event_v2.JobEvent(eventTime=moment, job=event_v2.Job(mine, "new", facets=documented)))
    client.emit(
        event_v2.DatasetEvent(eventTime=moment, dataset=event_v2.StaticDataset(mine, "out", facets={"schema": schema}))
    )
    old_job, old_data = run.Job(mine, "old"), run.Dataset(mine, "old")
    client.emit(run.RunEvent(run.RunState.START, moment, run.Run(run_id), old_job, "https://me", inputs=[old_data]))
    client.emit(
        run.JobEvent(
            moment, "https://me", "https://openlineage.io/spec/1-1-1/OpenLineage.json#/$defs/JobEvent", old_job
        )
    )
    client.emit(
        run.DatasetEvent(
            moment, "https://me", "https://openlineage.io/spec/1-1-1/OpenLineage.json#/$defs/DatasetEvent", old_data
        )
    )
    with lineage_session() as session:
        jobs = set(session.scalars(select(JobRow.name).where(JobRow.namespace == mine)))
        data = set(session.scalars(select(DatasetRow.name).where(DatasetRow.namespace == mine)))
        flows = session.execute(
            select(FlowRow.in_field, FlowRow.out_field).where(FlowRow.out_key == dataset_key(mine, "out"))
        ).all()
        facets = latest_job_facets(session, job_key(mine, "new"))
        columns = latest_dataset_facets(session, dataset_key(mine, "out"))
    assert (jobs, data) == ({"new", "old"}, {"in", "out", "old"})
    assert [tuple(flow) for flow in flows] == [("a", "b")]
    assert facets["documentation"]["description"] == "of a job"
    assert columns["schema"]["fields"][0]["name"] == "b"


@pytest.mark.parametrize("version", VERSIONS)
def test_events_of_every_version_of_the_specification_are_accepted(
    client: TestClient, worker: Header, version: str
) -> None:
    place = "definitions" if version.startswith("1") else "$defs"
    for kind, event in (
        ("RunEvent", task_event("START", "versions")),
        ("JobEvent", job_event()),
        ("DatasetEvent", dataset_event()),
    ):
        told = event | {"schemaURL": f"https://openlineage.io/spec/{version}/OpenLineage.json#/{place}/{kind}"}
        assert _post(client, told, worker).json() == {"new": True}
    assert _post(client, [told, told], worker, "/lineage/batch").status_code == 204


def test_events_of_spark_dbt_and_flink_become_runs_with_reads_and_writes(client: TestClient, worker: Header) -> None:
    events = [
        spark_event("START"),
        spark_event(second=30),
        dbt_event("START"),
        dbt_event(),
        flink_event("START"),
        flink_event(),
    ]
    assert _post(client, events, worker, "/lineage/batch").status_code == 204
    with lineage_session() as session:
        runs = {
            row.integration: (
                row.state,
                {(io.direction, io.name) for io in session.scalars(select(IoRow).where(IoRow.run_id == row.run_id))},
            )
            for row in session.scalars(select(RunRow).where(RunRow.integration.in_(["SPARK", "DBT", "FLINK"])))
        }
        flows = set(
            session.scalars(
                select(FlowRow.out_field).where(FlowRow.out_key == dataset_key("s3://lake", "silver/orders"))
            )
        )
    assert runs == {
        "SPARK": ("success", {("read", "raw.orders"), ("read", "raw.rates"), ("write", "silver/orders")}),
        "DBT": ("success", {("read", "raw.orders"), ("write", "shop.public.orders")}),
        "FLINK": ("running", {("read", "clicks"), ("write", "clicks_by_user")}),
    }
    assert flows == {"id", "total"}


def test_the_latest_event_of_a_job_or_data_set_is_the_whole_picture(client: TestClient, worker: Header) -> None:
    """By their own times, whatever came first; what was deleted is no more."""
    name = {"namespace": "pictures", "name": "one"}
    told = [
        (2, {"documentation": {"description": "b"}, "ownership": {"_deleted": True}, "sql": None}),
        (1, {"sql": {"query": "a"}}),
    ]
    for second, facets in told:
        assert _post(client, job_event(second, facets) | {"job": {**name, "facets": facets}}, worker).status_code == 201
        assert _post(client, dataset_event(second) | {"dataset": {**name, "facets": facets}}, worker).status_code == 201
    with lineage_session() as session:
        assert latest_job_facets(session, job_key("pictures", "one")) == {"documentation": {"description": "b"}}
        assert latest_dataset_facets(session, dataset_key("pictures", "one")) == {"documentation": {"description": "b"}}
        assert latest_event(session, job_key("pictures", "none")) is None


@pytest.mark.parametrize(
    "change",
    [
        {"producer": None, "schemaURL": None, "eventType": None},
        {"eventTime": "2026-01-01T00:00:00"},
        {"inputs": None, "outputs": None},
        {"inputs": [{"namespace": "n", "name": "d", "facets": None, "inputFacets": None}]},
        {"inputs": [{"namespace": "n", "name": "d", "facets": {"schema": None, "unknown": {"x": [1, {"y": 2**70}]}}}]},
        {"dataset": None},
        {"unknown": {"a": [None, True, 1e300]}},
    ],
)
def test_what_producers_leave_out_or_add_is_accepted(
    client: TestClient, worker: Header, change: dict[str, Any]
) -> None:
    event = task_event("COMPLETE", "lenient", facets={"sql": None, "mine_own": {"kept": "as it is"}}) | change
    assert _post(client, event, worker).status_code == 201
    assert _post(client, event, worker).json() == {"new": False}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 422, "no JSON"),
        (b"\xff\xfe", 422, "no JSON"),
        (b"[" * 1_000_000, 422, "no JSON"),
        (b'{"x":' * 500_000, 422, "no JSON"),
        (b"9" * 100_000, 422, "no JSON"),
        (b'{"eventTime": 1e999}', 422, "no JSON"),
        (b"{}", 422, "eventTime"),
        (
            json.dumps(task_event("START", "x") | {"job": {"namespace": "n", "name": "\ud800"}}).encode(),
            422,
            "surrogates",
        ),
        (json.dumps(task_event("START", "nul\0")).encode(), 422, "NUL"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(
    client: TestClient, worker: Header, body: bytes, status: int, says: str
) -> None:
    answer = client.post(f"{API}/lineage", content=body, headers=worker)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text[:300]


def test_a_bad_event_of_a_batch_is_named_and_the_others_are_kept(client: TestClient, worker: Header) -> None:
    good = task_event("START", "of_a_batch")
    bad = task_event("START", "x") | {"outputs": [{"namespace": "n"}]}
    answer = _post(client, [good, bad, 5], worker, "/lineage/batch")
    assert answer.status_code == 200
    assert answer.json()["summary"]["successful"] == 1
    assert [failed["index"] for failed in answer.json()["failed_events"]] == [1, 2]
    assert "outputs[0].name" in answer.json()["failed_events"][0]["reason"]
    with lineage_session() as session:
        assert session.scalar(select(RunRow.state).where(RunRow.run_id == good["run"]["runId"])) == "running"


def test_bodies_that_are_too_large_are_refused_whatever_they_unpack_to(client: TestClient, worker: Header) -> None:
    bomb = gzip.compress(b" " * (40 << 20))
    for path, limit in (("/lineage", 4 << 20), ("/lineage/batch", 32 << 20)):
        answer = client.post(API + path, content=bomb, headers={**worker, "Content-Encoding": "gzip"})
        assert (answer.status_code, str(limit) in answer.text) == (413, True)
        assert client.post(API + path, content=b" " * (limit + 1), headers=worker).status_code == 413
    many = client.post(f"{API}/lineage/batch", content=b"[" + b"0," * 20_000 + b"0]", headers=worker)
    assert many.status_code == 413


def test_gzip_in_several_parts_is_read_and_a_torn_one_refused(client: TestClient, worker: Header) -> None:
    text = json.dumps(task_event("START", "zipped")).encode()
    header = {**worker, "Content-Encoding": "gzip"}
    whole = gzip.compress(text[:50]) + gzip.compress(text[50:])
    assert client.post(f"{API}/lineage", content=whole, headers=header).status_code == 201
    assert client.post(f"{API}/lineage", content=whole[:-9], headers=header).status_code == 422
    assert client.post(f"{API}/lineage", content=text, headers={**worker, "Content-Encoding": "br"}).status_code == 415


def test_an_event_of_thousands_of_inputs_is_taken_in(client: TestClient, worker: Header) -> None:
    event = task_event("COMPLETE", "wide")
    event["inputs"] = [{"namespace": "wide", "name": f"t{number}"} for number in range(1000)]
    assert _post(client, event, worker).status_code == 201
    with lineage_session() as session:
        assert len(session.scalars(select(IoRow.id).where(IoRow.run_id == event["run"]["runId"])).all()) == 1000


def _check_event(client: TestClient, worker: Header, event: Any) -> None:
    answer = _post(client, event, worker)
    assert answer.status_code in (201, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["detail"]


def _check_batch(client: TestClient, worker: Header, body: bytes) -> None:
    answer = client.post(f"{API}/lineage/batch", content=body, headers=worker)
    assert answer.status_code in (200, 204, 422), answer.text


@_FEW
@given(event=st.one_of(EVENTS, broken()))
def test_whatever_is_posted_is_taken_in_or_refused(client: TestClient, worker: Header, event: Any) -> None:
    _check_event(client, worker, event)


@_FEW
@given(body=_BODIES)
def test_whatever_a_batch_is_it_is_taken_in_or_refused(client: TestClient, worker: Header, body: bytes) -> None:
    _check_batch(client, worker, body)


@pytest.mark.thorough
@_MANY
@given(event=st.one_of(EVENTS, broken()))
def test_many_events_are_taken_in_or_refused(client: TestClient, worker: Header, event: Any) -> None:
    _check_event(client, worker, event)


@pytest.mark.thorough
@_MANY
@given(body=_BODIES)
def test_many_batches_are_taken_in_or_refused(client: TestClient, worker: Header, body: bytes) -> None:
    _check_batch(client, worker, body)


def test_the_log_keeps_each_event_as_it_was(client: TestClient, worker: Header) -> None:
    from sematic_airflow_provider.db.packed import texts

    event = task_event(
        "COMPLETE", "kept", facets={"mine": {"deep": [{"text": "é\U0001f600" * 200, "n": [1.5, -0.0, 10**30]}]}}
    )
    assert _post(client, event, worker).status_code == 201
    with lineage_session() as session:
        packed = session.scalars(select(EventRow.payload).where(EventRow.run_id == event["run"]["runId"])).one()
        assert packed is not None
        assert json.loads(texts(session, [packed])[0]) == event
