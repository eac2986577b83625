"""From which columns a column came, and into which it went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import DataRow, DatasetRow, FlowRow
from sematic_airflow_provider.db.nodes import Readable, everything, nodes
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.errors import NodeNotFoundError
from sematic_airflow_provider.lineage.columns import Column, ColumnEdge, ColumnGraph, ColumnNode
from sematic_airflow_provider.lineage.naming import dataset_key

_FLOWS: Final = 5_000  # of one hop
_AT_ONCE: Final = 60  # data sets of one statement
_VERSIONS: Final = 5  # of a data set, looked at for who may read it


class _Flow(NamedTuple):
    out_key: str
    out_field: str
    in_key: str
    in_field: str
    kind: str


def column_graph(
    session: Session, namespace: str, name: str, column: str, extent: Extent, readable: Readable = everything
) -> ColumnGraph:
    """The columns around a column. Where only a whole data set is told, it is a node without a field, and stands for all of its columns.

    Raises:
        NodeNotFoundError: no event has told of this column.
    """
    start = Column(dataset_key(namespace, name), column)
    found: dict[Column, None] = {start: None}
    kinds: dict[tuple[Column, Column], set[str]] = {}
    more: dict[str, set[Column]] = {"upstream": set(), "downstream": set()}
    truncated = False
    for way in ("upstream", "downstream"):
        if extent.direction not in ("both", way):
            continue
        frontier, visited = [start], {start}
        for hop in range(extent.depth + 1):
            flows = _flows(session, frontier, way)
            truncated = truncated or len(flows) > _FLOWS
            following: dict[Column, None] = {}
            for flow in flows[:_FLOWS]:
                source, target = Column(flow.in_key, flow.in_field), Column(flow.out_key, flow.out_field)
                far = source if way == "upstream" else target
                for near in _meant(frontier, target if way == "upstream" else source):
                    if far not in found and (hop == extent.depth or len(found) >= extent.max_nodes):
                        more[way].add(near)
                        truncated = truncated or hop < extent.depth
                        continue
                    found[far] = None
                    ends = (far, near) if way == "upstream" else (near, far)
                    kinds.setdefault(ends, set()).add(flow.kind)
                    if far not in visited:
                        visited.add(far)
                        following[far] = None
            frontier = list(following)
            if not frontier or hop == extent.depth:
                break
    if not kinds and not any(more.values()):
        raise NodeNotFoundError(f"no lineage of a column {column} of {name} in {namespace}")
    shown = _nodes(session, list(found), readable)
    return ColumnGraph(
        focus=start.id,
        nodes=tuple(shown.values()),
        edges=tuple(
            ColumnEdge(source.id, target.id, tuple(sorted(filter(None, told))))
            for (source, target), told in sorted(kinds.items())
            if source != target
        ),
        truncated=truncated,
        more_upstream=tuple(sorted(one.id for one in more["upstream"])),
        more_downstream=tuple(sorted(one.id for one in more["downstream"])),
    )


def _flows(session: Session, columns: Sequence[Column], way: str) -> list[_Flow]:
    """Into these columns, or out of them. What is told of a whole data set is told of each column."""
    key, field = (FlowRow.out_key, FlowRow.out_field) if way == "upstream" else (FlowRow.in_key, FlowRow.in_field)
    of_key: dict[str, set[str]] = {}
    for column in columns:
        of_key.setdefault(column.key, set()).add(column.field)
    found: list[_Flow] = []
    for chunk in chunks(sorted(of_key), _AT_ONCE):
        wanted = [
            key == one if "" in of_key[one] else and_(key == one, field.in_([*sorted(of_key[one])[:400], ""]))
            for one in chunk
        ]
        query = select(FlowRow.out_key, FlowRow.out_field, FlowRow.in_key, FlowRow.in_field, FlowRow.kind)
        found += [_Flow(*row) for row in session.execute(query.where(or_(*wanted)).limit(_FLOWS + 1))]
    return sorted(found)


def _meant(frontier: Iterable[Column], told: Column) -> list[Column]:
    """Which of the columns asked about a flow is of."""
    return [
        column
        for column in frontier
        if column.key == told.key and (column.field == told.field or not column.field or not told.field)
    ]


def _nodes(session: Session, columns: Sequence[Column], readable: Readable) -> dict[Column, ColumnNode]:
    keys = sorted({column.key for column in columns})
    names: dict[str, tuple[str, str]] = {}
    for chunk in chunks(keys):
        query = select(DatasetRow.dataset_key, DatasetRow.namespace, DatasetRow.name)
        names.update(
            (key, (ns, name)) for key, ns, name in session.execute(query.where(DatasetRow.dataset_key.in_(chunk)))
        )
    open_keys = readable_datasets(session, keys, readable)
    found: dict[Column, ColumnNode] = {}
    for column in columns:
        namespace, name = names.get(column.key, (None, None))
        if column.key in open_keys and name is not None:
            label = f"{name.rsplit('/', 1)[-1]}.{column.field}" if column.field else name.rsplit("/", 1)[-1]
            found[column] = ColumnNode(column.id, label, namespace, name, column.field or None)
        else:
            found[column] = ColumnNode(column.id, "locked", None, None, None, locked=True)
    return found


def readable_datasets(session: Session, keys: Sequence[str], readable: Readable) -> set[str]:
    """Which of these data sets may be read, because some version may be; those that no run touched, only by who may read what is of no Dag."""
    found: set[str] = set()
    of_node: dict[str, str] = {}
    for key in keys:
        query = select(DataRow.node_id).where(DataRow.dataset_key == key)
        ids = session.scalars(query.order_by(DataRow.first_seen.desc()).limit(_VERSIONS)).all()
        of_node.update(dict.fromkeys(ids, key))
        if not ids and readable(None):
            found.add(key)
    shown = nodes(session, list(of_node), readable)
    return found | {of_node[node_id] for node_id, node in shown.items() if not node.locked}
