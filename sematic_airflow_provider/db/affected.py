"""What used an artifact, a data set or a run's outputs: runs, models, inferences, Dags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import IoRow
from sematic_airflow_provider.db.nodes import Readable, everything
from sematic_airflow_provider.db.queries import Extent
from sematic_airflow_provider.lineage.affected import MODEL, Affected, grouped

_DEPTH: Final = 50


def affected(session: Session, seeds: Sequence[str], max_nodes: int, readable: Readable = everything) -> Affected:
    """Everything downstream of these nodes, up to so many nodes."""
    graph = queries.graph(session, seeds, Extent(_DEPTH, "downstream", max_nodes), readable)
    runs = [node.run_id for node in graph.nodes if node.kind == "run" and node.run_id is not None]
    readers: set[str] = set()
    for chunk in chunks(runs):
        query = select(IoRow.run_id).where(
            IoRow.run_id.in_(chunk), IoRow.direction == "read", IoRow.dataset_type == MODEL
        )
        readers.update(f"run:{run_id}" for run_id in session.scalars(query))
    return grouped(graph, readers)
