"""Edges of many nodes at once: one query by index for each hop, kind of node and few hundred nodes, whatever the size of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, select, union_all
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.models import IoRow, RunRow
from sematic_airflow_provider.lineage.graph import Edge, Hop

CHUNK: Final = 400  # below the number of variables that every database takes in one statement
_COMPOUND: Final = 100  # parts of a union: SQLite takes 500
_RUN_EDGES: Final = 20_000
FAN_OUT: Final = 50


class _Io(NamedTuple):
    run_id: str
    node_id: str
    direction: str
    label: str
    dag_run_key: str
    dag_id: str | None

    @property
    def edge(self) -> Edge:
        run = f"run:{self.run_id}"
        return (
            Edge(self.node_id, run, "read", self.label)
            if self.direction == "read"
            else Edge(run, self.node_id, "write", self.label)
        )


_IO: Final = select(IoRow.run_id, IoRow.node_id, IoRow.direction, IoRow.label, IoRow.dag_run_key, RunRow.dag_id).join(
    RunRow, RunRow.run_id == IoRow.run_id
)


class StoredNeighbours:
    """The neighbours that a walk asks for.

    Small values are equal all over: every ``None``, every empty list is one artifact. So from an artifact or data set the walk goes first to the runs
    of the Dag runs it has already met. Where there are some, other runs of their Dags only happened to meet an equal value, and are cut; runs of other
    Dags are followed, the latest ``FAN_OUT`` of them. From the seeds it goes to all, up to ``widest``.
    """

    def __init__(self, session: Session, seeds: Iterable[str], widest: int) -> None:
        self._session = session
        self._seeds = set(seeds)
        self._widest = widest
        self._dag_runs: set[str] = set()

    def into(self, node_ids: Sequence[str]) -> Hop:
        """What wrote these data, and what these runs read."""
        return self._hop(node_ids, of_data="write", of_runs="read")

    def out_of(self, node_ids: Sequence[str]) -> Hop:
        """What read these data, and what these runs wrote."""
        return self._hop(node_ids, of_data="read", of_runs="write")

    def _hop(self, node_ids: Sequence[str], *, of_data: str, of_runs: str) -> Hop:
        runs = [i.removeprefix("run:") for i in node_ids if i.startswith("run:")]
        data = [i for i in node_ids if not i.startswith("run:")]
        found = list(self._of_runs(runs, of_runs))
        self._dag_runs.update(io.dag_run_key for io in found if io.dag_run_key)
        near: dict[str, list[_Io]] = {}
        for io in self._of_met_dag_runs(data, of_data):
            near.setdefault(io.node_id, []).append(io)
        cut: set[str] = set()
        for node_id, latest, is_all in self._latest(data, of_data):
            own = near.get(node_id, []) if node_id not in self._seeds else []
            others = _others(own, latest, of_data)
            if not is_all or len(others) < sum(io not in own for io in latest):
                cut.add(node_id)
            found += [*own, *others]
        self._dag_runs.update(io.dag_run_key for io in found if io.dag_run_key)
        return Hop([io.edge for io in found], frozenset(cut))

    def _of_runs(self, run_ids: Sequence[str], direction: str) -> Iterator[_Io]:
        for chunk in chunks(run_ids):
            yield from self._rows(_IO.where(IoRow.run_id.in_(chunk), IoRow.direction == direction).limit(_RUN_EDGES))

    def _of_met_dag_runs(self, node_ids: Sequence[str], direction: str) -> Iterator[_Io]:
        for keys in chunks(sorted(self._dag_runs)):
            for chunk in chunks(node_ids):
                query = _IO.where(IoRow.node_id.in_(chunk), IoRow.direction == direction, IoRow.dag_run_key.in_(keys))
                yield from self._rows(query.limit(_RUN_EDGES))

    def _latest(self, node_ids: Sequence[str], direction: str) -> Iterator[tuple[str, list[_Io], bool]]:
        """For each node its latest edges, and whether they are all."""
        for part in chunks(node_ids, _COMPOUND):
            limits = {node_id: self._widest if node_id in self._seeds else FAN_OUT for node_id in part}
            parts = [
                _IO.where(IoRow.node_id == node_id, IoRow.direction == direction)
                .order_by(IoRow.id.desc())
                .limit(limit + 1)
                .subquery()
                for node_id, limit in limits.items()
            ]
            rows = sorted(self._rows(union_all(*(select(part) for part in parts))), key=lambda io: io.node_id)
            for node_id, group in groupby(rows, key=lambda io: io.node_id):
                latest = list(group)
                yield node_id, latest[: limits[node_id]], len(latest) <= limits[node_id]

    def _rows(self, query: Select[Any] | Any) -> Iterator[_Io]:
        return (_Io(*row) for row in self._session.execute(query))


def _others(own: Sequence[_Io], latest: Sequence[_Io], direction: str) -> list[_Io]:
    """Of the latest edges, those to follow besides the ones of the Dag runs met: none to other writers, nor to other runs of the same Dags."""
    if not own:
        return list(latest)
    if direction == "write":
        return []
    dags = {io.dag_id for io in own}
    return [io for io in latest if io not in own and io.dag_id not in dags]


def chunks(items: Sequence[str], size: int = CHUNK) -> Iterator[Sequence[str]]:
    """The items in parts that fit into one statement."""
    return (items[start : start + size] for start in range(0, len(items), size))
