"""LineageClient: what an Airflow knows of its lineage, for notebooks and services."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from sematic_airflow_provider.client.connection import Connection
from sematic_airflow_provider.client.graph import Difference, Graph
from sematic_airflow_provider.client.listing import Listing
from sematic_airflow_provider.client.models import (
    Affected,
    ArtifactDetails,
    ArtifactNode,
    ArtifactPage,
    ColumnGraph,
    DataPage,
    DatasetNode,
    Job,
    JobPage,
    Model,
    Posted,
    Refused,
    RunDetails,
    RunNode,
    RunPage,
)
from sematic_airflow_provider.client.signed_in import signed_in
from sematic_airflow_provider.client.values import load_value
from sematic_airflow_provider.errors import LineageRequestError

Direction = Literal["both", "upstream", "downstream"]
Format = Literal["openlineage", "prov-json", "ro-crate", "svg"]
M = TypeVar("M", bound=Model)

_MOST_EVENTS: Final = 500
_MOST_BYTES: Final = 16 << 20


class LineageClient:
    """What an Airflow knows of its lineage.

    ``with LineageClient("https://airflow.example", token=…) as client: client.graph_of_dag("flight_delays")``. Its methods raise ``LineageRequestError``,
    with ``url`` and ``status``, where the server refuses or cannot be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        store: str | None = None,
        timeout: float = 30.0,
        attempts: int = 5,
        verify: bool | str = True,
    ) -> None:
        """Nothing is asked until a method is.

        Args:
            url: of Airflow's API server.
            token: a token of an Airflow user; to post events only, ``[sematic] lineage_api_key``.
            username: instead of a token, a name and
            password: that Airflow gives a token for.
            store: where artifacts are, to ``load`` them: a folder, or a URL such as ``s3://bucket/path``; else ``AIRFLOW__SEMATIC__STORE``.
            timeout: seconds for one request.
            attempts: how often a request is sent at most, while the server is away or busy.
            verify: whether certificates are checked, or the path of those to trust.

        Raises:
            ValueError: an argument cannot be used.
        """
        self._connection = Connection(
            url, token=token, username=username, password=password, timeout=timeout, attempts=attempts, verify=verify
        )
        self._store = store or os.environ.get("AIRFLOW__SEMATIC__STORE") or None

    @classmethod
    def from_airflowctl(cls, environment: str = "production", **options: Any) -> LineageClient:
        """A client for the Airflow that ``airflowctl auth login`` has signed in to.

        Raises:
            ConfigurationError: nobody has signed in here.
        """
        url, token = signed_in(environment)
        return cls(url, token=token, **options)

    def __enter__(self) -> LineageClient:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self.close()

    def __repr__(self) -> str:
        """Without the token."""
        return f"LineageClient({self._connection.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    # Graphs

    def graph_of_dag(self, dag_id: str, dag_run_id: str | None = None, **extent: Any) -> Graph:
        """The graph of a Dag run; of the latest one that has lineage, where none is named.

        ``extent``, here and below: ``depth`` (edges to follow), ``direction`` (``both``, ``upstream``, ``downstream``), ``max_nodes``, and ``collapse``
        (``mapped``, ``group``, ``dag``: what is drawn as one).
        """
        run = f"/runs/{_part(dag_run_id)}" if dag_run_id is not None else ""
        return self._graph(f"/dags/{_part(dag_id)}{run}/graph", extent)

    def graph_of_task(
        self, dag_id: str, task_id: str, dag_run_id: str | None = None, map_index: int | None = None, **extent: Any
    ) -> Graph:
        """The graph of a task in the latest Dag run that has it, or of a task instance."""
        if dag_run_id is None:
            return self._graph(f"/dags/{_part(dag_id)}/tasks/{_part(task_id)}/graph", extent)
        path = f"/dags/{_part(dag_id)}/runs/{_part(dag_run_id)}/tasks/{_part(task_id)}/graph"
        return self._graph(path, {**extent, "map_index": map_index})

    def graph_of_artifact(self, digest: str, **extent: Any) -> Graph:
        """The graph of an artifact: where it came from, and what came of it."""
        return self._graph(f"/artifacts/{_part(digest)}/graph", extent)

    def graph_of_run(self, run_id: str, **extent: Any) -> Graph:
        """The graph of a run of any producer, by its OpenLineage id."""
        return self._graph(f"/runs/{_part(run_id)}/graph", extent)

    def graph_of_node(self, node_id: str, **extent: Any) -> Graph:
        """The graph of a node of another graph."""
        return self._graph(f"/nodes/{_part(node_id)}/graph", extent)

    def graph_of_dataset(self, namespace: str, name: str, version: str | None = None, **extent: Any) -> Graph:
        """The graph of a data set, by the name that its producers give it: of all its versions, or of one."""
        return self._graph("/datasets/graph", {"namespace": namespace, "name": name, "version": version, **extent})

    def graph_of_column(self, namespace: str, name: str, field: str, **extent: Any) -> ColumnGraph:
        """From which columns a column came, and into which it went."""
        params = {"namespace": namespace, "name": name, "field": field, **extent}
        return self._read(ColumnGraph, "/columns/graph", params)

    # Lists

    def runs(self, **filters: Any) -> Listing[RunNode]:
        """Runs, by when they started.

        ``filters``: ``name`` (a part of it), ``namespace``, ``state``, ``integration``, ``dag_id``, ``dag_run_id``, ``task_id``, ``cache``, ``has_error``,
        ``since``, ``until`` (times); ``limit`` is the size of a page.
        """
        return self._list(RunPage, "/runs", filters, "runs")

    def jobs(self, **filters: Any) -> Listing[Job]:
        """Jobs, by when their latest run started; ``filters`` as for runs, about that run."""
        return self._list(JobPage, "/jobs", filters, "jobs")

    def artifacts(self, **filters: Any) -> Listing[ArtifactNode]:
        """Artifacts, by when they were first told of.

        ``filters``: ``name``, ``namespace``, ``digest`` (how it begins), ``type``, ``since``, ``until``, ``limit``.
        """
        return self._list(ArtifactPage, "/artifacts", filters, "artifacts")

    def datasets(self, **filters: Any) -> Listing[ArtifactNode | DatasetNode]:
        """Data sets and outputs, each with its newest version; ``filters`` as for artifacts."""
        return self._list(DataPage, "/datasets", filters, "data sets")

    def versions(self, namespace: str, name: str, **filters: Any) -> Listing[ArtifactNode | DatasetNode]:
        """The versions of a data set, or the artifacts that an output was."""
        params = {"namespace": namespace, "name": name, **filters}
        return self._list(DataPage, "/datasets/versions", params, f"versions of {name}")

    # What changed, and what was affected

    def difference(self, run_id: str, other_run_id: str) -> Difference:
        """What changed from one run to another."""
        return self._read(Difference, f"/runs/{_part(run_id)}/difference/{_part(other_run_id)}")

    def difference_of_dag_runs(self, dag_id: str, dag_run_id: str, other_dag_run_id: str) -> Difference:
        """What changed from one run of a Dag to another, task by task."""
        path = f"/dags/{_part(dag_id)}/runs/{_part(dag_run_id)}/difference/{_part(other_dag_run_id)}"
        return self._read(Difference, path)

    def affected(self, node_id: str, **options: Any) -> Affected:
        """What used an artifact or a version of a data set, or what a run wrote. ``options``: ``limit``, ``max_nodes``."""
        return self._read(Affected, f"/nodes/{_part(node_id)}/affected", options)

    # Details

    def run(self, run_id: str) -> RunDetails:
        """All that was told of one run, by its OpenLineage id."""
        return self._read(RunDetails, f"/runs/{_part(run_id)}")

    def artifact(self, digest: str) -> ArtifactDetails:
        """All that was told of one artifact."""
        return self._read(ArtifactDetails, f"/artifacts/{_part(digest)}")

    def preview(self, digest: str) -> dict[str, Any]:
        """What an artifact looks like, as docs/previews.md has it."""
        found: dict[str, Any] = self._connection.ask("GET", f"/artifacts/{_part(digest)}/preview").json()
        return found

    def picture(self, digest: str) -> bytes:
        """The PNG of an artifact that is a figure or an image."""
        return self._connection.ask("GET", f"/artifacts/{_part(digest)}/preview.png").content

    def load(self, digest: str, *, allow_pickle: bool = False) -> Any:
        """The value of an artifact, read from the store, and verified.

        Args:
            digest: which artifact.
            allow_pickle: whether codecs may be used that run code which stands in the artifact.

        Raises:
            ConfigurationError: it is not known where artifacts are.
            ArtifactNotFoundError, ArtifactCorruptedError, StoreError: the store has it not, or cannot be read from here.
            NoCodecError, MissingExtraError: what reads it is not installed here, or not allowed.
        """
        return load_value(self.artifact(digest).node, self._store, allow_pickle=allow_pickle)

    # Exports

    def export(self, node_id: str, form: Format, path: str | Path | None = None, **extent: Any) -> bytes:
        """What is around a node of a graph, in one of the forms; also written to a file where a path is given."""
        answer = self._connection.ask("GET", f"/nodes/{_part(node_id)}/export", {"format": form, **extent})
        return _kept(answer.content, path)

    def export_dag_run(
        self, dag_id: str, dag_run_id: str, form: Format, path: str | Path | None = None, **extent: Any
    ) -> bytes:
        """What is around a Dag run, in one of the forms; also written to a file where a path is given."""
        where = f"/dags/{_part(dag_id)}/runs/{_part(dag_run_id)}/export"
        return _kept(self._connection.ask("GET", where, {"format": form, **extent}).content, path)

    def export_dataset(
        self,
        namespace: str,
        name: str,
        form: Format,
        path: str | Path | None = None,
        version: str | None = None,
        **extent: Any,
    ) -> bytes:
        """What is around a data set, in one of the forms; also written to a file where a path is given."""
        params = {"namespace": namespace, "name": name, "version": version, "format": form, **extent}
        return _kept(self._connection.ask("GET", "/datasets/export", params).content, path)

    def report(self, node_id: str, path: str | Path | None = None, **extent: Any) -> str:
        """The report on a node of a graph: one HTML page; also written to a file where a path is given."""
        return _kept(self._connection.ask("GET", f"/nodes/{_part(node_id)}/report", extent).content, path).decode()

    # Events

    def post(self, events: Mapping[str, Any] | str | bytes | Iterable[Mapping[str, Any] | str | bytes]) -> Posted:
        """Post OpenLineage events: one or many, each a mapping or its JSON text, such as the lines of an export. Known ones are not taken twice."""
        refused: list[Refused] = []
        count = 0
        for batch in _batches([events] if isinstance(events, (Mapping, str, bytes)) else events):
            answer = self._connection.ask("POST", "/lineage/batch", content=b"[" + b",".join(batch) + b"]")
            told = answer.json()["failed_events"] if answer.content else []
            refused += [Refused.model_validate({**one, "index": one["index"] + count}) for one in told]
            count += len(batch)
        return Posted(received=count, refused=refused)

    # Insides

    def _graph(self, path: str, extent: Mapping[str, Any]) -> Graph:
        return self._read(Graph, path, extent)

    def _list(self, model: type[Any], path: str, filters: Mapping[str, Any], what: str) -> Listing[Any]:
        return Listing(lambda cursor: self._read(model, path, {**filters, "cursor": cursor}), what)

    def _read(self, model: type[M], path: str, params: Mapping[str, Any] | None = None) -> M:
        answer = self._connection.ask("GET", path, params)
        media_type = answer.headers.get("Content-Type", "nothing").partition(";")[0]
        if media_type != "application/json":  # Airflow answers with its own page to whatever it does not know
            raise LineageRequestError(
                f"{answer.url} answered with {media_type}, not with JSON: is {self._connection.url} the URL of an Airflow API server with this provider?",
                str(answer.url),
                answer.status_code,
            )
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            problem = error.errors()[0]
            raise LineageRequestError(
                f"{answer.url} answered what this version of sematic-airflow-provider does not know: "
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}",
                str(answer.url),
                answer.status_code,
            ) from error


def _part(text: str) -> str:
    """A part of a path: names may hold whatever separates them."""
    return quote(text, safe="")


def _kept(data: bytes, path: str | Path | None) -> bytes:
    if path is not None:
        Path(path).write_bytes(data)
    return data


def _batches(events: Iterable[Mapping[str, Any] | str | bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for event in events:
        data = (
            event
            if isinstance(event, bytes)
            else event.encode()
            if isinstance(event, str)
            else json.dumps(event).encode()
        )
        if not data.strip():
            continue
        if batch and (len(batch) == _MOST_EVENTS or size + len(data) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(data)
        size += len(data)
    if batch:
        yield batch
