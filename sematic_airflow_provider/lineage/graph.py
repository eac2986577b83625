"""The lineage graph: runs and data, joined by reads and writes, walked from where one stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple, Protocol

Direction = Literal["both", "upstream", "downstream"]

LOCKED: Final = "locked"


@dataclass(frozen=True, slots=True)
class RunNode:
    """One try of one task instance, or a run of another producer. ``parent`` is the id of the run that it is part of, as a query is of its task."""

    id: str
    label: str
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
    cache: str | None = None
    locked: bool = False
    parent: str | None = None
    integration: str | None = None
    kind: Literal["run"] = "run"

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class ArtifactNode:
    """An artifact; ``names`` are the outputs that wrote it, in any run."""

    id: str
    label: str
    digest: str | None
    codec: str | None
    type: str | None
    size: int | None
    names: tuple[str, ...]
    dataset_type: str | None
    value: Any
    has_value: bool
    locked: bool = False
    kind: Literal["artifact"] = "artifact"


@dataclass(frozen=True, slots=True)
class DatasetNode:
    """A data set that is no artifact of ours: a table, a file, whatever a producer named."""

    id: str
    label: str
    namespace: str | None
    name: str | None
    version: str | None
    locked: bool = False
    dataset_type: str | None = None
    kind: Literal["dataset"] = "dataset"


Node = RunNode | ArtifactNode | DatasetNode


@dataclass(frozen=True, slots=True)
class Edge:
    """``read`` goes from data to run, ``write`` from run to data: always in the direction in which the data flow."""

    source: str
    target: str
    kind: Literal["read", "write"]
    label: str


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """A part of the lineage. ``more_upstream`` and ``more_downstream`` name nodes with neighbours that are not in it."""

    focus: tuple[str, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    truncated: bool
    more_upstream: tuple[str, ...]
    more_downstream: tuple[str, ...]


class Stop(NamedTuple):
    """A node that a walk has come to. ``via`` says how, where that decides where it goes on: then each way there is a stop of its own."""

    node_id: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """The edges that a hop found.

    ``cut`` names the nodes asked about that have more edges than these. ``parts`` are pairs of a run asked about and a run that goes with it, as a query
    with its task; edges of both are among the edges. ``vias`` tells of the far ends of edges how they were come to.
    """

    edges: Sequence[Edge]
    cut: frozenset[str] = frozenset()
    parts: Sequence[tuple[str, str]] = ()
    vias: Mapping[Edge, str] = field(default_factory=dict)


class Neighbours(Protocol):
    """What the walk asks for, once for each hop and direction."""

    def into(self, stops: Sequence[Stop]) -> Hop:
        """Edges that end in these nodes."""

    def out_of(self, stops: Sequence[Stop]) -> Hop:
        """Edges that start in these nodes."""


@dataclass(slots=True)
class Walk:
    """The ids and edges of a subgraph."""

    focus: tuple[str, ...]
    ids: dict[str, None] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    truncated: bool = False
    more_upstream: set[str] = field(default_factory=set)
    more_downstream: set[str] = field(default_factory=set)


def walk(
    seeds: Sequence[str], neighbours: Neighbours, *, depth: int, direction: Direction = "both", max_nodes: int = 500
) -> Walk:
    """Walk from the seeds: upstream hops only go on upstream, downstream hops only downstream.

    Args:
        seeds: ids of the nodes to start from; they count towards ``max_nodes``.
        neighbours: where edges come from.
        depth: how many edges to follow in each direction.
        direction: which directions.
        max_nodes: how many nodes to take; what lies beyond is marked as more.
    """
    found = Walk(tuple(seeds), dict.fromkeys(seeds[:max_nodes]), truncated=len(seeds) > max_nodes)
    ways = [way for way in ("upstream", "downstream") if direction in ("both", way)]
    frontiers = {way: [Stop(node_id) for node_id in found.ids] for way in ways}
    visited = {way: set(frontiers[way]) for way in ways}
    for hop in range(depth + 1):
        for way in ways:
            if not frontiers[way]:
                continue
            upstream = way == "upstream"
            found_here = neighbours.into(frontiers[way]) if upstream else neighbours.out_of(frontiers[way])
            more = found.more_upstream if upstream else found.more_downstream
            more.update(found_here.cut)
            is_last = hop == depth
            for near, part in found_here.parts:
                _take(found, part, near, more, is_last, max_nodes)
            following: dict[Stop, None] = {}
            for edge in sorted(found_here.edges, key=lambda e: (e.source, e.target, e.kind, e.label)):
                near, far = (edge.target, edge.source) if upstream else (edge.source, edge.target)
                if near not in found.ids or not _take(found, far, near, more, is_last, max_nodes):
                    continue
                found.edges[edge] = None
                stop = Stop(far, found_here.vias.get(edge, ""))
                if stop not in visited[way] and Stop(far) not in visited[way]:
                    visited[way].add(stop)
                    following[stop] = None
            frontiers[way] = [] if is_last else list(following)
    return found


def _take(found: Walk, node_id: str, near: str, more: set[str], is_last: bool, max_nodes: int) -> bool:
    """Whether a node is in the subgraph, now that another one leads to it."""
    if node_id in found.ids:
        return True
    if is_last or len(found.ids) >= max_nodes:
        more.add(near)
        found.truncated = found.truncated or not is_last
        return False
    found.ids[node_id] = None
    return True


def run_label(task_id: str | None, job_name: str) -> str:
    """What stands in the node of a run: the task without its groups, or the job's name."""
    return (task_id or job_name).rsplit(".", 1)[-1]


def artifact_label(names: Sequence[str], digest: str) -> str:
    """What stands in the node of an artifact: the task that wrote it, and the output unless it is the only one."""
    if not names:
        return digest[:12]
    parts = names[0].split(".")
    if len(parts) < 3:
        return names[0]
    return parts[-2] if parts[-1] == "return_value" else f"{parts[-2]}.{parts[-1]}"


def lock(node: Node) -> Node:
    """The node as someone sees it who may not read what it is of."""
    if isinstance(node, RunNode):
        return replace(
            node,
            label=LOCKED,
            locked=True,
            run_id=None,
            state=None,
            job_namespace=None,
            job_name=None,
            dag_id=None,
            dag_run_id=None,
            task_id=None,
            map_index=None,
            try_number=None,
            started_at=None,
            ended_at=None,
            cache=None,
            parent=None,
            integration=None,
        )
    if isinstance(node, ArtifactNode):
        return ArtifactNode(node.id, LOCKED, None, None, None, None, (), None, None, has_value=False, locked=True)
    return replace(node, label=LOCKED, namespace=None, name=None, version=None, dataset_type=None, locked=True)


def assemble(found: Walk, nodes: Mapping[str, Node]) -> LineageGraph:
    """The graph of a walk, with the nodes that its ids stand for. Edges of locked runs tell no names of arguments."""
    edges = dict.fromkeys(
        replace(edge, label="") if nodes[edge.source].locked or nodes[edge.target].locked else edge
        for edge in found.edges
        if edge.source in nodes and edge.target in nodes
    )
    return LineageGraph(
        focus=tuple(seed for seed in found.focus if seed in nodes),
        nodes=tuple(nodes[node_id] for node_id in found.ids if node_id in nodes),
        edges=tuple(edges),
        truncated=found.truncated,
        more_upstream=tuple(sorted(found.more_upstream & set(nodes))),
        more_downstream=tuple(sorted(found.more_downstream & set(nodes))),
    )
