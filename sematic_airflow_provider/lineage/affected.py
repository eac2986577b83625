"""What came of something: a walk downstream, sorted by what people ask for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from sematic_airflow_provider.lineage.graph import ArtifactNode, DatasetNode, LineageGraph, Node, RunNode

MODEL: Final = "MODEL"
Data = ArtifactNode | DatasetNode


@dataclass(frozen=True, slots=True)
class DagCount:
    """A Dag, how many of its runs used the thing, and when the last of them started."""

    dag_id: str
    runs: int
    last_started_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Affected:
    """What used something, directly or not.

    ``inferences`` are those of the ``runs`` that read a model and wrote none, ``predictions`` what they wrote; ``models`` and ``outputs`` are what other runs
    wrote. What the asker may not read stands among them, locked. ``truncated``: there is more than was looked at.
    """

    runs: tuple[RunNode, ...]
    inferences: tuple[RunNode, ...]
    models: tuple[Data, ...]
    predictions: tuple[Data, ...]
    outputs: tuple[Data, ...]
    dags: tuple[DagCount, ...]
    truncated: bool


def grouped(graph: LineageGraph, model_readers: Collection[str] = ()) -> Affected:
    """What is in a graph that was walked downstream.

    Args:
        graph: the walk; its focus is not among what came of it.
        model_readers: ids of runs that are known to read a model, also one that is not in the graph.
    """
    nodes = {node.id: node for node in graph.nodes}
    models = {node.id for node in graph.nodes if not isinstance(node, RunNode) and node.dataset_type == MODEL}
    readers = {edge.target for edge in graph.edges if edge.kind == "read" and edge.source in models} | set(
        model_readers
    )
    trainers = {edge.source for edge in graph.edges if edge.kind == "write" and edge.target in models}
    focus = set(graph.focus)
    runs = [node for node in graph.nodes if isinstance(node, RunNode) and node.id not in focus]
    inferring = {run.id for run in runs if run.id in readers - trainers}
    predicted = {edge.target for edge in graph.edges if edge.kind == "write" and edge.source in inferring} - models
    data = [node for node in graph.nodes if not isinstance(node, RunNode) and node.id not in focus]
    return Affected(
        runs=_latest_first(runs),
        inferences=_latest_first(run for run in runs if run.id in inferring),
        models=_by_label(node for node in data if node.id in models),
        predictions=_by_label(node for node in data if node.id in predicted),
        outputs=_by_label(node for node in data if node.id not in models | predicted),
        dags=_dags(runs),
        truncated=graph.truncated or any(one in nodes for one in graph.more_downstream),
    )


def _latest_first(runs: Iterable[RunNode]) -> tuple[RunNode, ...]:
    never = dt.datetime.min.replace(tzinfo=dt.timezone.utc)
    return tuple(sorted(runs, key=lambda run: (run.started_at or never, run.id), reverse=True))


def _by_label(nodes: Iterable[Node]) -> tuple[Data, ...]:
    return tuple(
        sorted(
            (node for node in nodes if not isinstance(node, RunNode)),
            key=lambda node: (node.locked, node.label, node.id),
        )
    )


def _dags(runs: Iterable[RunNode]) -> tuple[DagCount, ...]:
    of_dag: dict[str, list[RunNode]] = {}
    for run in runs:
        if run.dag_id is not None:
            of_dag.setdefault(run.dag_id, []).append(run)
    return tuple(
        DagCount(dag_id, len(some), max((run.started_at for run in some if run.started_at), default=None))
        for dag_id, some in sorted(of_dag.items())
    )
