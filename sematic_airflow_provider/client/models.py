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


Node = Annotated[RunNode | ArtifactNode | DatasetNode, Field(discriminator="kind")]
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
