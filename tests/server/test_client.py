"""The client, against Airflow's own application with our plugin in it, over a socket."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import open_repository
from sematic_airflow_provider.client import ArtifactNode, LineageClient, LineageRequestError, models
from sematic_airflow_provider.client.graph import Difference, Graph
from sematic_airflow_provider.errors import ArtifactNotFoundError, ConfigurationError, NodeNotFoundError
from tests.events import pipeline, ref, run_id, task_event

MODEL = ref("x", "train").digest
RUN = run_id("flow", "run1", "train", -1, 1)
ANSWERS = {
    "RunNodeAnswer": models.RunNode,
    "ArtifactNodeAnswer": models.ArtifactNode,
    "DatasetNodeAnswer": models.DatasetNode,
    "EdgeAnswer": models.Edge,
    "MoreAnswer": models.More,
    "GraphAnswer": Graph,
    "PortAnswer": models.Port,
    "ErrorAnswer": models.RunError,
    "TryAnswer": models.Try,
    "RunAnswer": models.RunDetails,
    "FieldAnswer": models.Column,
    "ArtifactAnswer": models.ArtifactDetails,
    "FailedEventAnswer": models.Refused,
    "GroupNodeAnswer": models.GroupNode,
    "ColumnNodeAnswer": models.ColumnNode,
    "ColumnEdgeAnswer": models.ColumnEdge,
    "ColumnGraphAnswer": models.ColumnGraph,
    "RunsAnswer": models.RunPage,
    "JobAnswer": models.Job,
    "JobsAnswer": models.JobPage,
    "ArtifactsAnswer": models.ArtifactPage,
    "DatasetsAnswer": models.DataPage,
    "DagCountAnswer": models.DagCount,
    "DagCountsAnswer": models.DagPage,
    "AffectedCountsAnswer": models.AffectedCounts,
    "AffectedAnswer": models.Affected,
    "ChangeAnswer": models.Change,
    "DifferenceAnswer": Difference,
}
Bearer = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def url(client: TestClient) -> Iterator[str]:
    """Where the application can be reached."""
    server = uvicorn.Server(uvicorn.Config(client.app, port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def reader(url: str, bearer: Bearer, stored: Any) -> Iterator[LineageClient]:
    """A client of somebody who may read."""
    with LineageClient(url, token=bearer("viewer")["Authorization"].removeprefix("Bearer ")) as opened:
        yield opened


@pytest.fixture
def poster(url: str, worker: dict[str, str]) -> Iterator[LineageClient]:
    """A client of a worker."""
    with LineageClient(url, token=worker["Authorization"].removeprefix("Bearer ")) as opened:
        yield opened


@pytest.mark.parametrize("name", ANSWERS)
def test_models_are_those_of_the_openapi_document(client: TestClient, bearer: Bearer, name: str) -> None:
    document = client.get("/sematic/api/v1/openapi.json", headers=bearer("viewer")).json()
    told = document["components"]["schemas"][name]
    ours = ANSWERS[name].model_json_schema(mode="serialization")
    names = {answer: model.__name__ for answer, model in ANSWERS.items()}
    assert _shapes(ours["properties"], {}) == _shapes(told["properties"], names)


def _shapes(properties: dict[str, Any], names: dict[str, str]) -> dict[str, str]:
    """What kind of value each property has, without wording and without which texts there may be."""
    return {name: json.dumps(_shape(schema, names), sort_keys=True) for name, schema in properties.items()}


def _shape(schema: Any, names: dict[str, str]) -> Any:
    if isinstance(schema, list):
        return [_shape(one, names) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return names.get(name, name)
    loose = {"title", "description", "default", "discriminator", "additionalProperties", "propertyNames"}
    if schema.get("type") == "string" and "format" not in schema:
        loose |= {"enum", "const"}
    return {key: _shape(value, names) for key, value in schema.items() if key not in loose}


def test_graphs_of_dags_runs_tasks_and_artifacts(reader: LineageClient) -> None:
    whole = reader.graph_of_dag("flow", "run1")
    assert {run.label for run in whole.runs} == {"flights", "weather", "join", "train", "predict"}
    assert reader.graph_of_task("flow", "train", "run1", depth=1).runs[0].run_id == RUN
    assert reader.graph_of_task("flow", "train", depth=0).focus == [f"run:{RUN}"]
    around = reader.graph_of_artifact(MODEL, depth=1, direction="downstream")
    assert [(edge.kind, edge.label) for edge in around.edges] == [("read", "model")]
    (node,) = (node for node in around.artifacts if node.digest == MODEL)
    assert (around.into(around.runs[0].id), around.out_of(node.id)) == ([node], around.runs)
    with pytest.raises(NodeNotFoundError):
        around.node("run:none")


def test_graphs_of_any_node_of_data_sets_and_columns_and_collapsed_ones(
    reader: LineageClient, poster: LineageClient
) -> None:
    event = task_event("COMPLETE", "copy", dag_id="tables")
    from_a = {"namespace": "db", "name": "raw", "field": "a"}
    flow = {"inputFields": [from_a | {"transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}]}]}
    event["inputs"] = [{"namespace": "db", "name": "raw"}]
    event["outputs"] = [{"namespace": "db", "name": "clean", "facets": {"columnLineage": {"fields": {"b": flow}}}}]
    mapped = [
        task_event(
            "COMPLETE",
            "many",
            dag_id="tables",
            map_index=n,
            writes={"return_value": ref("tables.many.return_value", str(n))},
        )
        for n in range(3)
    ]
    poster.post([event, *mapped])
    graph = reader.graph_of_dataset("db", "raw")
    assert {node.name for node in graph.datasets} == {"raw", "clean"}
    assert {node.id for node in reader.graph_of_node(graph.datasets[0].id).nodes} == {node.id for node in graph.nodes}
    assert reader.graph_of_run(graph.runs[0].run_id or "", depth=0).focus == [graph.runs[0].id]
    columns = reader.graph_of_column("db", "clean", "b", direction="upstream")
    assert [(edge.source, edge.target) for edge in columns.edges] == [
        (node.id, columns.focus) for node in columns.nodes if node.field == "a"
    ]
    (group,) = reader.graph_of_dag("tables", collapse="mapped").groups
    assert (group.label, group.count, group.states) == ("many [3]", 3, {"success": 3})
    assert "many [3]" in reader.graph_of_dag("tables", collapse="mapped").svg()
    exported = reader.export_dataset("db", "raw", "prov-json")
    assert json.loads(exported)["entity"].keys() == {node.id for node in graph.datasets}


def test_lists_are_fetched_page_by_page(reader: LineageClient, poster: LineageClient) -> None:
    poster.post(
        [
            task_event(
                "COMPLETE",
                f"t{n}",
                dag_id="listed",
                second=n,
                writes={"return_value": ref(f"listed.t{n}.return_value")},
            )
            for n in range(7)
        ]
    )
    listing = reader.runs(dag_id="listed", limit=3)
    assert [run.task_id for run in listing] == [f"t{n}" for n in (6, 5, 4, 3, 2, 1, 0)]
    assert [len(page.items) for page in listing.pages()] == [3, 3, 1]
    assert [run.task_id for run in listing.first(2)] == ["t6", "t5"]
    assert list(listing.frame()["task_id"]) == [f"t{n}" for n in (6, 5, 4, 3, 2, 1, 0)]
    assert len(reader.runs(dag_id="none").frame()) == 0
    assert [job.name for job in reader.jobs(dag_id="listed", name="t3")] == ["listed.t3"]
    (artifact,) = reader.artifacts(name="listed.t3")
    assert artifact.digest == ref("listed.t3.return_value").digest
    assert [found.id for found in reader.artifacts(digest=(artifact.digest or "")[:12])] == [artifact.id]
    assert [data.id for data in reader.datasets(name="listed.t3")] == [artifact.id]
    assert [data.id for data in reader.versions("default", "listed.t3.return_value")] == [artifact.id]
    since = dt.datetime(2026, 1, 1, 0, 0, 5, tzinfo=dt.timezone.utc)
    assert [run.task_id for run in reader.runs(dag_id="listed", since=since, has_error=False)] == ["t6", "t5"]


def test_what_changed_and_what_was_affected(reader: LineageClient, poster: LineageClient) -> None:
    poster.post(pipeline("compared", "one", "one") + pipeline("compared", "two", "two"))
    one, two = (run_id("compared", run, "train", -1, 1) for run in ("one", "two"))
    difference = reader.difference(one, two)
    assert {change.what for change in difference.changes} >= {"input", "output"}
    assert len(difference.frame()) == len(difference.changes)
    assert {change.task for change in reader.difference_of_dag_runs("compared", "one", "two").changes} >= {
        "train",
        "predict",
    }
    affected = reader.affected(f"artifact:{ref('x', 'trainone').digest}")
    assert [run.task_id for run in affected.runs.items] == ["predict"]
    assert affected.counts.runs == 1


def test_details_of_runs_and_artifacts(reader: LineageClient) -> None:
    run = reader.run(RUN)
    assert (run.node.label, [port.label for port in run.inputs], run.event_count) == ("train", ["table"], 2)
    artifact = reader.artifact(MODEL)
    assert [producer.run_id for producer in artifact.producers] == [RUN]
    assert artifact.first_seen.year == 2026
    assert reader.preview(MODEL)["kind"] == "text"
    assert reader.picture(MODEL).startswith(b"\x89PNG")


def test_frames_networkx_and_pictures(reader: LineageClient) -> None:
    import networkx

    graph = reader.graph_of_dag("flow", "run1")
    nodes, edges = graph.nodes_frame(), graph.edges_frame()
    assert len(nodes) == len(graph) == len(graph.nodes)
    assert nodes.loc[f"run:{RUN}", "task_id"] == "train"
    assert str(nodes["started_at"].dtype).startswith("datetime64")
    assert set(edges["kind"]) == {"read", "write"}
    made = graph.to_networkx()
    assert networkx.is_directed_acyclic_graph(made)
    assert (made.number_of_nodes(), made.number_of_edges()) == (len(graph.nodes), len(graph.edges))
    sources = {made.nodes[node]["label"] for node in networkx.ancestors(made, f"artifact:{MODEL}")}
    assert sources == {"flights", "weather", "join", "train"}
    picture = graph._repr_svg_()
    assert picture.startswith("<svg")
    assert picture.count("<rect") == len(graph.nodes)


def test_an_export_can_be_posted_elsewhere(reader: LineageClient, poster: LineageClient, tmp_path: Path) -> None:
    lines = reader.export_dag_run("flow", "run1", "openlineage", tmp_path / "lineage.jsonl")
    assert (tmp_path / "lineage.jsonl").read_bytes() == lines
    posted = poster.post(lines.splitlines())
    assert (posted.received, posted.refused) == (len(lines.splitlines()), [])
    assert b"wasGeneratedBy" in reader.export(f"artifact:{MODEL}", "prov-json")
    assert MODEL in reader.report(f"artifact:{MODEL}")


def test_events_are_posted_in_batches_and_the_refused_are_named(
    poster: LineageClient, reader: LineageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sematic_airflow_provider.client import lineage_client

    monkeypatch.setattr(lineage_client, "_MOST_EVENTS", 4)
    events: list[Any] = pipeline("posted", seed="posted")
    events.insert(6, {"eventTime": "2026-01-01T00:00:00Z"})
    posted = poster.post(events)
    assert (posted.received, [one.index for one in posted.refused]) == (11, [6])
    assert "run" in posted.refused[0].reason
    assert len(reader.graph_of_dag("posted").runs) == 5
    assert poster.post(task_event("START", "one", dag_id="posted")).received == 1


def test_names_may_hold_what_separates_paths(poster: LineageClient, reader: LineageClient) -> None:
    run = "manual__2026-01-01T00:00:00+00:00 ?#%&é"
    poster.post(
        task_event("COMPLETE", "t", dag_id="odd", dag_run_id=run, writes={"return_value": ref("odd.t.return_value")})
    )
    assert reader.graph_of_dag("odd", run).runs[0].dag_run_id == run


def test_a_value_is_loaded_from_the_store(
    url: str, bearer: Bearer, poster: LineageClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    monkeypatch.delenv("AIRFLOW__SEMATIC__STORE", raising=False)
    repository = open_repository(str(tmp_path), create=True)
    table = pd.DataFrame({"a": range(1000)})
    saved: ArtifactRef = repository.save(table, name="loading.make.return_value")
    small = repository.save([1, 2.5], name="loading.make.small")
    poster.post(task_event("COMPLETE", "make", dag_id="loading", writes={"return_value": saved}))
    value = {**task_event("COMPLETE", "make", dag_id="loading", writes={"small": small}, second=1)}
    value["outputs"][0]["facets"]["sematic_artifact"] |= {"hasValue": True, "value": [1, 2.5]}
    poster.post(value)
    token = bearer("viewer")["Authorization"].removeprefix("Bearer ")
    with LineageClient(url, token=token, store=str(tmp_path)) as client:
        pd.testing.assert_frame_equal(client.load(saved.digest), table)
    with LineageClient(url, token=token) as client:
        assert client.load(small.digest) == [1, 2.5]
        with pytest.raises(ConfigurationError, match="store="):
            client.load(saved.digest)
    open_repository(str(tmp_path / "other"), create=True)
    with LineageClient(url, token=token, store=str(tmp_path / "other")) as client, pytest.raises(ArtifactNotFoundError):
        client.load(saved.digest)


def test_a_name_and_password_get_a_token_and_a_new_one_when_it_runs_out(
    url: str, stored: Any, migrated_home: str
) -> None:
    passwords = json.loads(Path(migrated_home, "simple_auth_manager_passwords.json.generated").read_text())
    with LineageClient(url, username="viewer", password=passwords["viewer"]) as client:
        assert client.run(RUN).node.run_id == RUN
        client._connection._token = "run out"
        assert client.run(RUN).node.run_id == RUN
    with LineageClient(url, username="viewer", password="wrong") as client:
        with pytest.raises(LineageRequestError, match="/auth/token answered 401") as raised:
            client.run(RUN)
        assert raised.value.status == 401


def test_errors_name_url_status_and_reason(reader: LineageClient, url: str, poster: LineageClient) -> None:
    for ask, status, words in (
        (lambda: reader.run(run_id("none")), 404, "no lineage of a run"),
        (lambda: reader.artifact("nonsense"), 422, "pattern"),
        (lambda: poster.run(RUN), 403, ""),
        (lambda: LineageClient(url).run(RUN), 401, "sign in"),
    ):
        with pytest.raises(LineageRequestError) as raised:
            ask()  # type: ignore[no-untyped-call]
        assert raised.value.status == status
        assert raised.value.url.startswith(url)
        assert f"answered {status}" in str(raised.value)
        assert words in str(raised.value)


class _Busy(BaseHTTPRequestHandler):
    """A server that is busy a few times, and then answers."""

    statuses: list[int]
    seen: list[float]

    def do_GET(self) -> None:
        self.seen.append(time.monotonic())
        status = self.statuses.pop(0) if self.statuses else 200
        body = json.dumps(
            {"focus": [], "nodes": [], "edges": [], "truncated": False, "more": {"upstream": [], "downstream": []}}
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def busy() -> Iterator[tuple[str, type[_Busy]]]:
    handler = type("Handler", (_Busy,), {"statuses": [], "seen": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.thorough
def test_a_busy_server_is_asked_again_with_longer_pauses(busy: tuple[str, type[_Busy]]) -> None:
    url, handler = busy
    handler.statuses[:] = [503, 502]
    with LineageClient(url, token="t", attempts=3) as client:
        assert len(client.graph_of_dag("flow")) == 0
    pauses = [b - a for a, b in zip(handler.seen, handler.seen[1:], strict=False)]
    assert len(pauses) == 2
    assert pauses[0] >= 0.25
    assert pauses[1] >= 0.5
    handler.statuses[:] = [503, 503]
    with LineageClient(url, token="t", attempts=2) as client, pytest.raises(LineageRequestError, match="answered 503"):
        client.graph_of_dag("flow")
    handler.statuses[:] = [500]
    with LineageClient(url, token="t") as client, pytest.raises(LineageRequestError, match="answered 500"):
        client.graph_of_dag("flow")


def test_a_server_that_is_away_is_told_with_its_url() -> None:
    with (
        LineageClient("http://127.0.0.1:9", token="t", attempts=1) as client,
        pytest.raises(LineageRequestError, match=r"http://127\.0\.0\.1:9/.* cannot be reached, in 1 attempt") as raised,
    ):
        client.graph_of_dag("flow")
    assert raised.value.status is None


def test_a_page_of_airflow_is_no_answer(url: str, client: TestClient) -> None:
    with (
        LineageClient(f"{url}/elsewhere", token="x") as lost,
        pytest.raises(LineageRequestError, match=r"text/html, not with JSON: is .*/elsewhere the URL"),
    ):
        lost.run(RUN)


def test_an_answer_of_another_server_is_no_graph(busy: tuple[str, type[_Busy]]) -> None:
    url, _ = busy
    with LineageClient(url, token="t") as client, pytest.raises(LineageRequestError, match="does not know: node"):
        client.run(RUN)


def test_url_and_token_come_from_airflowctl(
    url: str, bearer: Bearer, stored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="airflowctl auth login"):
        LineageClient.from_airflowctl()
    (tmp_path / "staging.json").write_text(json.dumps({"api_url": url}))
    with pytest.raises(ConfigurationError, match="AIRFLOW_CLI_TOKEN"):
        LineageClient.from_airflowctl("staging")
    monkeypatch.setenv("AIRFLOW_CLI_TOKEN", bearer("viewer")["Authorization"].removeprefix("Bearer "))
    with LineageClient.from_airflowctl("staging") as client:
        assert client.run(RUN).node.run_id == RUN


@pytest.mark.parametrize("options", [{"username": "a"}, {"attempts": 0}])
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"password|attempts"):
        LineageClient("http://airflow", **options)
    with pytest.raises(ValueError, match="http://"):
        LineageClient("airflow.example:8080")


def test_a_token_is_shown_nowhere(url: str) -> None:
    assert "secret" not in repr(LineageClient(url, token="secret"))


def test_a_locked_node_is_a_node(reader: LineageClient) -> None:
    assert ArtifactNode.model_validate(
        {"id": "artifact:0", "kind": "artifact", "label": "locked", "locked": True, "digest": None, "codec": None, "type": None,
         "size": None, "names": [], "dataset_type": None, "value": None, "has_value": False, "new_in_a_later_server": 1}
    ).locked  # fmt: skip


def test_the_client_loads_neither_airflow_nor_what_is_heavy() -> None:
    code = (
        "import sys, sematic_airflow_provider.client\n"
        "print([name for name in ('airflow', 'sqlalchemy', 'fastapi', 'pandas', 'numpy', 'networkx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
