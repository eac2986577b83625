"""Columns of data sets, joined by which flows into which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sematic_airflow_provider.artifacts.digest import digest_record
from sematic_airflow_provider.lineage.naming import short_key


class Column(NamedTuple):
    """A column of the data set of this key; an empty field is the whole data set."""

    key: str
    field: str

    @property
    def id(self) -> str:
        """Its id in a graph, which tells nothing of its name."""
        return f"column:{short_key(digest_record('column', {'data set': self.key, 'field': self.field}))}"


@dataclass(frozen=True, slots=True)
class ColumnNode:
    """A column; ``field`` is None where the whole data set is meant."""

    id: str
    label: str
    namespace: str | None
    name: str | None
    field: str | None
    locked: bool = False


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """A column flows into a column; ``transformations`` such as ``DIRECT/IDENTITY``, as producers told them."""

    source: str
    target: str
    transformations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnGraph:
    """Columns around one. ``more_upstream`` and ``more_downstream`` name those with neighbours that are not in it."""

    focus: str
    nodes: tuple[ColumnNode, ...]
    edges: tuple[ColumnEdge, ...]
    truncated: bool
    more_upstream: tuple[str, ...]
    more_downstream: tuple[str, ...]
