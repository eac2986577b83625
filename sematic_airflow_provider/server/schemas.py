"""The API's answers. docs/lineage-api.md explains them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["running", "success", "failed", "skipped", "upstream_failed", "removed", "unknown"]


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
    cache: Literal["hit", "miss", "off", "refreshed"] | None


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


class GraphAnswer(_Answer):
    """A part of the lineage."""

    focus: list[str]
    nodes: list[NodeAnswer]
    edges: list[EdgeAnswer]
    truncated: bool
    more: MoreAnswer


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
