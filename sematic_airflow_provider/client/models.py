"""What the lineage API answers, typed. The fields are those of its OpenAPI document, which a test compares; what a newer server adds is kept as it is."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """One answer, or a part of one; it cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="allow")


class RunNode(Model):
    """A run. All but ``id``, ``kind`` and ``label`` is None where it is locked: of a Dag that you may not read."""

    id: str
    kind: Literal["run"]
    label: str
    locked: bool
    run_id: str | None
    state: str | None
    job_namespace: str | None
    job_name: str | None
    dag_id: str | None
    dag_run_id: str | None
    task_id: str | None
    map_index: int | None
    try_number: int | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    duration_s: float | None
    cache: str | None
    parent: str | None = None
    integration: str | None = None


class ArtifactNode(Model):
    """An artifact; ``size`` in bytes, ``names`` the outputs that wrote it."""

    id: str
    kind: Literal["artifact"]
    label: str
    locked: bool
    digest: str | None
    codec: str | None
    type: str | None
    size: int | None
    names: list[str]
    dataset_type: str | None
    value: Any
    has_value: bool


class DatasetNode(Model):
    """A version of a data set that is no artifact of ours."""

    id: str
    kind: Literal["dataset"]
    label: str
    locked: bool
    namespace: str | None
    name: str | None
    version: str | None
    dataset_type: str | None = None


class GroupNode(Model):
    """Several runs as one, where the graph was asked to be collapsed; ``states`` counts them."""

    id: str
    kind: Literal["group"]
    label: str
    locked: bool
    level: str
    dag_id: str | None
    dag_run_id: str | None
    task_id: str | None
    count: int
    members: list[str]
    states: dict[str, int]
    state: str | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None


Node = Annotated[RunNode | ArtifactNode | DatasetNode | GroupNode, Field(discriminator="kind")]
Data = Annotated[ArtifactNode | DatasetNode, Field(discriminator="kind")]


class Edge(Model):
    """A read or write, in the direction in which the data flow; ``label`` is the argument or the output."""

    source: str
    target: str
    kind: str
    label: str


class More(Model):
    """Ids of nodes with neighbours that are not in the graph."""

    upstream: list[str]
    downstream: list[str]


class Port(Model):
    """What was read as an argument, or written as an output."""

    label: str
    node: Data


class RunError(Model):
    """What a run failed with."""

    message: str
    stack_trace: str | None


class Try(Model):
    """One try of a task instance."""

    run_id: str
    try_number: int
    state: str


class RunDetails(Model):
    """All that was told of one run. ``step``, ``provenance``, ``cache`` and ``resources`` are as docs/lineage-api.md has them."""

    node: RunNode
    inputs: list[Port]
    outputs: list[Port]
    step: dict[str, Any] | None
    source: str | None
    provenance: dict[str, Any] | None
    cache: dict[str, Any] | None
    resources: dict[str, Any] | None
    metrics: dict[str, float | str]
    error: RunError | None
    tries: list[Try]
    event_count: int


class Job(Model):
    """A job, and its latest run."""

    namespace: str
    name: str
    integration: str | None
    latest: RunNode


class Change(Model):
    """One thing that is not equal in two runs; None where a run has no such thing. ``task`` is which task, where Dag runs are compared."""

    what: str
    name: str
    before: Any
    after: Any
    task: str | None


class ColumnNode(Model):
    """A column of a data set; ``field`` is None where the whole data set is meant."""

    id: str
    label: str
    locked: bool
    namespace: str | None
    name: str | None
    field: str | None


class ColumnEdge(Model):
    """A column flows into a column; ``transformations`` as producers told them, such as DIRECT/IDENTITY."""

    source: str
    target: str
    transformations: list[str]


class ColumnGraph(Model):
    """Columns around one."""

    focus: str
    nodes: list[ColumnNode]
    edges: list[ColumnEdge]
    truncated: bool
    more: More


class DagCount(Model):
    """A Dag, how many of its runs used the thing, and when the last of them started."""

    dag_id: str
    runs: int
    last_started_at: dt.datetime | None


class AffectedCounts(Model):
    """How many there are in all, as far as was looked."""

    runs: int
    inferences: int
    models: int
    predictions: int
    outputs: int
    dags: int


class RunPage(Model):
    """A page of runs; ``next`` is the cursor of the next one."""

    next: str | None
    items: list[RunNode]


class JobPage(Model):
    """A page of jobs."""

    next: str | None
    items: list[Job]


class ArtifactPage(Model):
    """A page of artifacts."""

    next: str | None
    items: list[ArtifactNode]


class DataPage(Model):
    """A page of data sets, or of versions of one."""

    next: str | None
    items: list[Data]


class DagPage(Model):
    """A page of Dags."""

    next: str | None
    items: list[DagCount]


class Affected(Model):
    """What used something: the first of each kind. ``inferences`` are runs that read a model and wrote none; ``predictions`` are what they wrote."""

    focus: list[str]
    truncated: bool
    counts: AffectedCounts
    runs: RunPage
    inferences: RunPage
    models: DataPage
    predictions: DataPage
    outputs: DataPage
    dags: DagPage


class Column(Model):
    """A column of a table."""

    name: str
    type: str | None = None


class ArtifactDetails(Model):
    """All that was told of one artifact."""

    node: ArtifactNode
    producers: list[RunNode]
    consumers: list[RunNode]
    schema_fields: list[Column]
    statistics: dict[str, Any]
    first_seen: dt.datetime
    deterministic: bool | None
    depends_on: list[str]
    pickle: bool


class Refused(Model):
    """An event that the server did not take, by its place among those that were posted."""

    index: int
    reason: str
    retriable: bool


class Posted(Model):
    """What came of posting events: how many there were, and which were refused, with reasons."""

    received: int
    refused: list[Refused]
