"""What is exported: a part of the graph, with what its runs and data have told. What the asker may not read has left no trace in it but ids."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sematic_airflow_provider.lineage.exports.facts import RunFacts
from sematic_airflow_provider.lineage.graph import ArtifactNode, DatasetNode, Edge, LineageGraph, Node, RunNode


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What was told of an artifact or data set besides its node: columns with name and type, counts, and when it was first told of."""

    fields: tuple[tuple[str, str], ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    first_seen: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """The newest link of the hash chain over the event log."""

    number: int
    sealed_at: dt.datetime
    hash: str


@dataclass(frozen=True)
class Subgraph:
    """A part of the lineage; ``runs`` and ``data`` are by node id, and have no entry for what is locked.

    ``dag_run`` are Dag and run where it is that of a Dag run.
    """

    title: str
    graph: LineageGraph
    runs: Mapping[str, RunFacts]
    data: Mapping[str, DataFacts]
    made_at: dt.datetime
    seal: Seal | None = None
    dag_run: tuple[str, str] | None = None

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes by their ids."""
        return {node.id: node for node in self.graph.nodes}

    @cached_property
    def run_nodes(self) -> list[RunNode]:
        """The runs, in the order in which they started; those that did not tell when, last."""
        runs = [node for node in self.graph.nodes if isinstance(node, RunNode)]
        late = dt.datetime.max.replace(tzinfo=dt.timezone.utc)
        return sorted(runs, key=lambda run: (run.started_at or late, run.id))

    @property
    def data_nodes(self) -> list[ArtifactNode | DatasetNode]:
        """Artifacts and data sets, in the order of the walk."""
        return [node for node in self.graph.nodes if not isinstance(node, RunNode)]

    def facts(self, run_id: str) -> RunFacts:
        """What a run has told; nothing where it is locked."""
        return self.runs.get(run_id, RunFacts())

    def reads(self, run_id: str) -> list[tuple[str, str]]:
        """Label and node id of what a run read."""
        return [(edge.label, edge.source) for edge in self.into(run_id)]

    def writes(self, run_id: str) -> list[tuple[str, str]]:
        """Label and node id of what a run wrote."""
        return [(edge.label, edge.target) for edge in self.out_of(run_id)]

    def into(self, node_id: str) -> list[Edge]:
        """The edges that end in a node."""
        return self._ends[0].get(node_id, [])

    def out_of(self, node_id: str) -> list[Edge]:
        """The edges that start in a node."""
        return self._ends[1].get(node_id, [])

    @cached_property
    def _ends(self) -> tuple[dict[str, list[Edge]], dict[str, list[Edge]]]:
        into: dict[str, list[Edge]] = {}
        out_of: dict[str, list[Edge]] = {}
        for edge in self.graph.edges:
            into.setdefault(edge.target, []).append(edge)
            out_of.setdefault(edge.source, []).append(edge)
        return into, out_of
