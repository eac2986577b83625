"""A graph as notebooks want it: as frames, for networkx, and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.client.models import (
    ArtifactNode,
    Change,
    DatasetNode,
    Edge,
    GroupNode,
    Model,
    More,
    Node,
    RunNode,
)
from sematic_airflow_provider.errors import MissingExtraError, NodeNotFoundError
from sematic_airflow_provider.lineage import graph as lineage
from sematic_airflow_provider.lineage.exports.picture import MOST_NODES, svg

if TYPE_CHECKING:
    import networkx
    import pandas as pd

_EXTRA = "client"
AnyNode = RunNode | ArtifactNode | DatasetNode | GroupNode


class Graph(Model):
    """A part of the lineage. A notebook shows it as a picture."""

    focus: list[str]
    nodes: list[Node]
    edges: list[Edge]
    truncated: bool
    more: More

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self.nodes)

    def node(self, node_id: str) -> AnyNode:
        """The node of an id.

        Raises:
            NodeNotFoundError: it is not in this graph.
        """
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise NodeNotFoundError(f"there is no node {node_id} in this graph of {len(self.nodes)} nodes")

    @property
    def runs(self) -> list[RunNode]:
        """The runs."""
        return [node for node in self.nodes if isinstance(node, RunNode)]

    @property
    def artifacts(self) -> list[ArtifactNode]:
        """The artifacts."""
        return [node for node in self.nodes if isinstance(node, ArtifactNode)]

    @property
    def datasets(self) -> list[DatasetNode]:
        """The data sets that are no artifacts."""
        return [node for node in self.nodes if isinstance(node, DatasetNode)]

    @property
    def groups(self) -> list[GroupNode]:
        """Runs that are drawn as one, where the graph was asked to be collapsed."""
        return [node for node in self.nodes if isinstance(node, GroupNode)]

    def into(self, node_id: str) -> list[AnyNode]:
        """The nodes whose edges end in this one: of a run what it read, of data what wrote them."""
        return [self.node(source) for source in dict.fromkeys(e.source for e in self.edges if e.target == node_id)]

    def out_of(self, node_id: str) -> list[AnyNode]:
        """The nodes in which edges of this one end: of a run what it wrote, of data what read them."""
        return [self.node(target) for target in dict.fromkeys(e.target for e in self.edges if e.source == node_id)]

    def nodes_frame(self) -> pd.DataFrame:
        """The nodes as a frame, one row each, by id; columns that a kind of node has not are empty.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        frame = frame_of([node.model_dump() for node in self.nodes], ["id", "kind", "label", "locked"])
        for column in ("started_at", "ended_at"):
            if column in frame:
                frame[column] = _pandas().to_datetime(frame[column], utc=True)
        return frame.set_index("id")

    def edges_frame(self) -> pd.DataFrame:
        """The edges as a frame: source, target, kind, label.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return frame_of([edge.model_dump() for edge in self.edges], ["source", "target", "kind", "label"])

    def to_networkx(self) -> networkx.MultiDiGraph[str]:
        """The graph for networkx: nodes by id with their fields, edges keyed by kind and label.

        Raises:
            MissingExtraError: networkx is not installed.
        """
        try:
            import networkx
        except ImportError as error:
            raise MissingExtraError("networkx graphs of the lineage", _EXTRA) from error
        made: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(focus=list(self.focus), truncated=self.truncated)
        for node in self.nodes:
            made.add_node(node.id, **node.model_dump(exclude={"id"}))
        for edge in self.edges:
            key = f"{edge.kind} {edge.label}".strip()
            made.add_edge(edge.source, edge.target, key=key, kind=edge.kind, label=edge.label)
        return made

    def svg(self, most: int = MOST_NODES) -> str:
        """The graph as a picture (SVG) of so many nodes at most: those nearest to what it is about."""
        return svg(self._plain(), most=most)

    def _repr_svg_(self) -> str:
        """For notebooks."""
        return self.svg()

    def _plain(self) -> lineage.LineageGraph:
        return lineage.LineageGraph(
            focus=tuple(self.focus),
            nodes=tuple(_plain_node(node) for node in self.nodes),
            edges=tuple(lineage.Edge(e.source, e.target, e.kind, e.label) for e in self.edges),  # type: ignore[arg-type]
            truncated=self.truncated,
            more_upstream=tuple(self.more.upstream),
            more_downstream=tuple(self.more.downstream),
        )


class Difference(Model):
    """What changed between two runs. ``missing`` says what could not be compared, and why."""

    before: list[RunNode]
    after: list[RunNode]
    changes: list[Change]
    missing: list[str]

    def frame(self) -> pd.DataFrame:
        """The changes as a frame: what, name, before, after, task.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return frame_of([one.model_dump() for one in self.changes], ["what", "name", "before", "after", "task"])


def frame_of(records: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Records as a frame; with these columns even where there are none.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    return _pandas().DataFrame(records, columns=None if records else columns)


def _pandas() -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("frames of the lineage", _EXTRA) from error
    return pd


_KINDS = {"run": lineage.RunNode, "artifact": lineage.ArtifactNode, "dataset": lineage.DatasetNode}


def _plain_node(node: AnyNode) -> lineage.Node:
    """As the picture takes it: a group is drawn as one run."""
    if isinstance(node, GroupNode):
        return lineage.RunNode(
            id=node.id,
            label=node.label,
            run_id=None,
            state=node.state,
            job_namespace=None,
            job_name=f"{node.count} runs",
            dag_id=node.dag_id,
            dag_run_id=node.dag_run_id,
            task_id=node.task_id,
            map_index=None,
            try_number=None,
            started_at=node.started_at,
            ended_at=node.ended_at,
            locked=node.locked,
        )
    kind = _KINDS[node.kind]
    known = {name: value for name, value in node.model_dump().items() if name in kind.__dataclass_fields__}  # type: ignore[attr-defined]
    if "names" in known:
        known["names"] = tuple(known["names"])
    return kind(**known)
