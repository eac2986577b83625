"""The API's answers. docs/lineage-api.md explains them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["running", "success", "failed", "skipped", "upstream_failed", "removed", "unknown"]


CacheStatus = Literal["hit", "miss", "off", "refreshed"]


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class RunNodeAnswer(_Answer):
    """A run in the graph."""

    id: str
    kind: Literal["run"]
    label: str
    locked: bool
    run_id: str | None
    state: State | None
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
    cache: CacheStatus | None
    parent: str | None = Field(None, description="id of the run that it is part of, as a query is of its task")
    integration: str | None = Field(None, description="who told: AIRFLOW, SPARK, DBT, …")


class ArtifactNodeAnswer(_Answer):
    """An artifact in the graph."""

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


class DatasetNodeAnswer(_Answer):
    """A data set in the graph."""

    id: str
    kind: Literal["dataset"]
    label: str
    locked: bool
    namespace: str | None
    name: str | None
    version: str | None
    dataset_type: str | None = None


class GroupNodeAnswer(_Answer):
    """Several runs drawn as one, where the graph was asked to be collapsed. ``state`` is the worst of its members' states."""

    id: str
    kind: Literal["group"]
    label: str
    locked: bool
    level: Literal["mapped", "group", "dag"]
    dag_id: str | None
    dag_run_id: str | None
    task_id: str | None
    count: int
    members: list[str]
    states: dict[State, int]
    state: State | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None


NodeAnswer = Annotated[RunNodeAnswer | ArtifactNodeAnswer | DatasetNodeAnswer, Field(discriminator="kind")]
DataAnswer = Annotated[ArtifactNodeAnswer | DatasetNodeAnswer, Field(discriminator="kind")]


class EdgeAnswer(_Answer):
    """A read or write."""

    source: str
    target: str
    kind: Literal["read", "write"]
    label: str


class MoreAnswer(_Answer):
    """Nodes with neighbours that are not shown."""

    upstream: list[str]
    downstream: list[str]


GraphNodeAnswer = Annotated[
    RunNodeAnswer | ArtifactNodeAnswer | DatasetNodeAnswer | GroupNodeAnswer, Field(discriminator="kind")
]


class GraphAnswer(_Answer):
    """A part of the lineage. There are groups among the nodes only where the graph was asked to be collapsed."""

    focus: list[str]
    nodes: list[GraphNodeAnswer]
    edges: list[EdgeAnswer]
    truncated: bool
    more: MoreAnswer


class ColumnNodeAnswer(_Answer):
    """A column; ``field`` is null where the whole data set is meant."""

    id: str
    label: str
    locked: bool
    namespace: str | None
    name: str | None
    field: str | None


class ColumnEdgeAnswer(_Answer):
    """A column flows into a column."""

    source: str
    target: str
    transformations: list[str] = Field(description="as producers told them, such as DIRECT/IDENTITY")


class ColumnGraphAnswer(_Answer):
    """Columns around one."""

    focus: str
    nodes: list[ColumnNodeAnswer]
    edges: list[ColumnEdgeAnswer]
    truncated: bool
    more: MoreAnswer


class PageAnswer(_Answer):
    """``next`` is the cursor of the next page, null after the last one."""

    next: str | None


class RunsAnswer(PageAnswer):
    """A page of runs."""

    items: list[RunNodeAnswer]


class JobAnswer(_Answer):
    """A job, and its latest run."""

    namespace: str
    name: str
    integration: str | None
    latest: RunNodeAnswer


class JobsAnswer(PageAnswer):
    """A page of jobs."""

    items: list[JobAnswer]


class ArtifactsAnswer(PageAnswer):
    """A page of artifacts."""

    items: list[ArtifactNodeAnswer]


class DatasetsAnswer(PageAnswer):
    """A page of data sets, or of versions of one: what is stored here as an artifact, and what is not."""

    items: list[DataAnswer]


class DagCountAnswer(_Answer):
    """A Dag, how many of its runs used the thing, and when the last of them started."""

    dag_id: str
    runs: int
    last_started_at: dt.datetime | None


class DagCountsAnswer(PageAnswer):
    """A page of Dags."""

    items: list[DagCountAnswer]


class AffectedCountsAnswer(_Answer):
    """How many there are in all, as far as was looked."""

    runs: int
    inferences: int
    models: int
    predictions: int
    outputs: int
    dags: int


class AffectedAnswer(_Answer):
    """What used something. ``inferences`` are runs that read a model and wrote none; ``predictions`` are what they wrote."""

    focus: list[str]
    truncated: bool
    counts: AffectedCountsAnswer
    runs: RunsAnswer
    inferences: RunsAnswer
    models: DatasetsAnswer
    predictions: DatasetsAnswer
    outputs: DatasetsAnswer
    dags: DagCountsAnswer


class ChangeAnswer(_Answer):
    """One thing that is not equal in two runs; null where a run has no such thing. ``task`` is which task, where Dag runs are compared."""

    what: Literal[
        "job", "task", "input", "code", "parameter", "configuration", "package", "git", "image", "environment", "hardware",
        "seed", "output", "metric", "error", "state", "duration",
    ]  # fmt: skip
    name: str
    before: Any
    after: Any
    task: str | None


class DifferenceAnswer(_Answer):
    """What changed between two runs. ``missing`` says what could not be compared, and why."""

    before: list[RunNodeAnswer]
    after: list[RunNodeAnswer]
    changes: list[ChangeAnswer]
    missing: list[str]


class DetailAnswer(_Answer):
    """Why a request was refused."""

    detail: str | list[dict[str, Any]]


class PortAnswer(_Answer):
    """What was read as an argument, or written as an output."""

    label: str
    node: DataAnswer


class ErrorAnswer(_Answer):
    """What a run failed with."""

    message: str
    stack_trace: str | None


class TryAnswer(_Answer):
    """One try of a task instance."""

    run_id: str
    try_number: int
    state: State


class RunAnswer(_Answer):
    """All about one run."""

    node: RunNodeAnswer
    inputs: list[PortAnswer]
    outputs: list[PortAnswer]
    step: dict[str, Any] | None
    source: str | None
    provenance: dict[str, Any] | None
    cache: dict[str, Any] | None
    resources: dict[str, Any] | None
    metrics: dict[str, float | str]
    error: ErrorAnswer | None
    tries: list[TryAnswer]
    event_count: int


class FieldAnswer(_Answer):
    """A column."""

    name: str
    type: str | None = None


class ArtifactAnswer(_Answer):
    """All about one artifact. ``deterministic``, ``depends_on`` and ``pickle`` are what its codec promises, see ``promises``."""

    node: ArtifactNodeAnswer
    producers: list[RunNodeAnswer]
    consumers: list[RunNodeAnswer]
    schema_fields: list[FieldAnswer]
    statistics: dict[str, Any]
    first_seen: dt.datetime
    deterministic: bool | None
    depends_on: list[str]
    pickle: bool


class AcceptedAnswer(_Answer):
    """An event was taken in; ``new`` is false where it was known."""

    new: bool


class FailedEventAnswer(_Answer):
    """An event that was refused."""

    index: int
    reason: str
    retriable: bool


class SummaryAnswer(_Answer):
    """Counts of a batch."""

    received: int
    successful: int
    failed: int
    retriable: int
    non_retriable: int


class BatchAnswer(_Answer):
    """As the OpenLineage API has it."""

    status: Literal["success", "partial_success"]
    summary: SummaryAnswer
    failed_events: list[FailedEventAnswer]
