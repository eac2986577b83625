"""What a walk through the lineage asks the tables: a few queries for each hop, each by index, whatever the size of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.edges import Io, Window, edges_of
from sematic_airflow_provider.db.families import RunFacts, families, run_facts
from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import DataRow, FlowRow, IoRow, RunRow
from sematic_airflow_provider.db.packed import facets
from sematic_airflow_provider.lineage.graph import Edge, Hop, Stop
from sematic_airflow_provider.lineage.moments import SLACK, Moment, reads_that_saw, seen_until, writes_seen
from sematic_airflow_provider.lineage.told_inputs import told_inputs

_RUN_EDGES: Final = 20_000
FAN_OUT: Final = 50
_WRITES: Final = 8  # of a data set without versions, around a moment

_OF_RUN: Final = "by "  # how a walk came to a data set without versions: by what this run read or wrote
_OF_DATA: Final = "through "  # how a walk came to a run that says which inputs its outputs came from
_IOS: Final = IoRow.__table__.c  # not the mapped classes: those cost more than the database does
_FLOWS: Final = FlowRow.__table__.c
_DATA: Final = DataRow.__table__.c
_IO: Final = select(*(_IOS[name] for name in Io._fields))
_IO_AND_DATA: Final = _IO.add_columns(_DATA.digest, _DATA.version).join(
    DataRow.__table__, _DATA.node_id == _IOS.node_id
)


class StoredNeighbours:
    """The neighbours that a walk asks for.

    Small values are equal all over: every ``None``, every empty list is one artifact. So from an artifact or data set the walk goes first to the runs
    of the Dag runs it has already met. Where there are some, other runs of their Dags only happened to meet an equal value, and are cut; runs of other
    Dags are followed, the latest ``FAN_OUT`` of them. From the seeds it goes to all, up to ``widest``.

    Of a data set without versions, a table, the walk follows what the run it comes from has seen or shown: see ``lineage/moments.py``. A run that says
    which inputs an output came from is followed only there.
    """

    def __init__(self, session: Session, seeds: Iterable[str], widest: int) -> None:
        self._session = session
        self._seeds = set(seeds)
        self._widest = widest
        self._dag_runs: set[str] = set()
        self._facts: dict[str, RunFacts] = {}
        self._versionless: dict[str, bool] = {}
        # by direction and data set: whether it is told what flows into or out of it
        self._flows: dict[str, dict[str, bool]] = {}
        self._moments: dict[tuple[str, str, str], Moment] = {}  # by data, run and direction

    def into(self, stops: Sequence[Stop]) -> Hop:
        """What wrote these data, and what these runs read."""
        return self._hop(stops, of_data="write", of_runs="read")

    def out_of(self, stops: Sequence[Stop]) -> Hop:
        """What read these data, and what these runs wrote."""
        return self._hop(stops, of_data="read", of_runs="write")

    def _hop(self, stops: Sequence[Stop], *, of_data: str, of_runs: str) -> Hop:
        runs = [stop for stop in stops if stop.node_id.startswith("run:")]
        data = [stop for stop in stops if not stop.node_id.startswith("run:")]
        parts, cut = self._parts(runs)
        of_these = self._of_runs(runs, parts, of_runs)
        self._dag_runs.update(io.dag_run_key for io in of_these if io.dag_run_key)
        vias = self._data_vias(of_these)
        timed = [stop for stop in data if stop.via]
        near, cut_here = self._of_data([stop.node_id for stop in data if not stop.via], of_data)
        cut |= cut_here
        for stop in timed:
            self._asked_of(stop, of_data)
        seen, cut_here = self._of_moments(timed, of_data)
        cut |= cut_here
        found = list(dict.fromkeys([*near, *seen]))
        self._dag_runs.update(io.dag_run_key for io in found if io.dag_run_key)
        vias |= self._run_vias(found, of_data)
        edges = list(dict.fromkeys(map(edge_of, [*of_these, *found])))
        return Hop(edges, frozenset(cut), tuple((f"run:{run}", f"run:{part}") for run, part in parts), vias)

    # Runs

    def _parts(self, runs: Sequence[Stop]) -> tuple[list[tuple[str, str]], set[str]]:
        if not runs:
            return [], set()
        parts, cut = families(self._session, [stop.node_id.removeprefix("run:") for stop in runs], self._facts)
        return parts, {f"run:{run_id}" for run_id in cut}

    def _of_runs(self, stops: Sequence[Stop], parts: Sequence[tuple[str, str]], direction: str) -> list[Io]:
        whole = {stop.node_id.removeprefix("run:") for stop in stops if not stop.via}
        bound = {stop.node_id.removeprefix("run:"): stop for stop in stops if stop.via}
        run_ids = list(dict.fromkeys([*whole, *bound, *(part for _, part in parts)]))
        found: list[Io] = []
        for chunk in chunks(run_ids):
            query = _IO_AND_DATA.where(_IOS.run_id.in_(chunk), _IOS.direction == direction).limit(_RUN_EDGES)
            for *row, digest, version in self._session.connection().execute(query):
                found.append(Io(*row))
                self._versionless[found[-1].node_id] = digest is None and version is None
        for io in found:
            self._moments[io.node_id, io.run_id, direction] = self._moment(io)
        if not bound:
            return found
        allowed = self._told_inputs(list(bound))
        own = set(whole) | {part for _, part in parts}
        vias: dict[str, list[str]] = {}
        for stop in stops:
            if stop.via:
                vias.setdefault(stop.node_id.removeprefix("run:"), []).append(stop.via.removeprefix(_OF_DATA))
        return [
            io
            for io in found
            if io.run_id in own
            or any(_goes(allowed[io.run_id], key, io.dataset_key, direction) for key in vias[io.run_id])
        ]

    def _told_inputs(self, run_ids: Sequence[str]) -> Mapping[str, Mapping[str, frozenset[str]]]:
        found: dict[str, Mapping[str, frozenset[str]]] = {}
        for chunk in chunks(run_ids):
            rows = self._session.execute(select(RunRow.run_id, RunRow.facets).where(RunRow.run_id.in_(chunk))).all()
            for row, told in zip(rows, facets(self._session, [row.facets for row in rows]), strict=True):
                found[row.run_id] = told_inputs(told)
        return found

    def _run_vias(self, found: Sequence[Io], direction: str) -> dict[Edge, str]:
        """Of the edges to runs, those whose data some run says to come from, or to have become, certain others."""
        known = self._flows.setdefault(direction, {})
        keys = sorted({io.dataset_key for io in found} - known.keys())
        known.update(dict.fromkeys(keys, False))
        column = _FLOWS.out_key if direction == "write" else _FLOWS.in_key
        for chunk in chunks(keys):
            query = select(column).where(column.in_(chunk), _FLOWS.out_field == "", _FLOWS.in_field == "").distinct()
            known.update(dict.fromkeys(self._session.connection().scalars(query), True))
        return {edge_of(io): f"{_OF_DATA}{io.dataset_key}" for io in found if known[io.dataset_key]}

    # Data

    def _of_data(self, node_ids: Sequence[str], direction: str) -> tuple[list[Io], set[str]]:
        found: list[Io] = []
        cut: set[str] = set()
        asked = [node_id for node_id in node_ids if node_id in self._seeds]
        for node_id, latest in zip(asked, self._latest(asked, direction, self._widest + 1), strict=True):
            found += latest[: self._widest]
            if len(latest) > self._widest:
                cut.add(node_id)
        others = [node_id for node_id in node_ids if node_id not in self._seeds]
        latest_of = dict(zip(others, self._latest(others, direction, FAN_OUT + 1), strict=True))
        own_of = self._of_met_dag_runs(latest_of, direction)
        if direction == "read":
            self._know([io.run_id for own in own_of.values() for io in own])
        for node_id, latest in latest_of.items():
            own = own_of.get(node_id, [])
            met = set(own)
            rest = [io for io in latest[:FAN_OUT] if io not in met]
            followed = self._others(own, rest, direction)
            if len(latest) > FAN_OUT or len(followed) < len(rest):
                cut.add(node_id)
            found += [*own, *followed]
        return found, cut

    def _latest(self, node_ids: Sequence[str], direction: str, limit: int) -> list[list[Io]]:
        return edges_of(self._session, [Window(node_id) for node_id in node_ids], direction, limit, self._facts)

    def _of_met_dag_runs(self, latest_of: Mapping[str, Sequence[Io]], direction: str) -> dict[str, list[Io]]:
        """The edges of the Dag runs that the walk has met; only of nodes with many edges they are not all among the latest."""
        found: dict[str, list[Io]] = {}
        for node_id, latest in latest_of.items():
            own = [io for io in latest if io.dag_run_key in self._dag_runs]
            if own:
                found[node_id] = own
        many = [node_id for node_id, latest in latest_of.items() if len(latest) > FAN_OUT]
        for keys in chunks(sorted(self._dag_runs)):
            for chunk in chunks(many):
                query = _IO.where(_IOS.node_id.in_(chunk), _IOS.direction == direction, _IOS.dag_run_key.in_(keys))
                for row in self._session.connection().execute(query.limit(_RUN_EDGES)):
                    io = Io(*row)
                    if io not in found.setdefault(io.node_id, []):
                        found[io.node_id].append(io)
        return found

    def _others(self, own: Sequence[Io], rest: Sequence[Io], direction: str) -> Sequence[Io]:
        """Of the other edges those to follow: none to other writers, nor to other runs of the same Dags."""
        if not own:
            return rest
        if direction == "write":
            return []
        dags = {self._facts[io.run_id].dag_id for io in own if io.run_id in self._facts}
        return [io for io in rest if io.run_id not in self._facts or self._facts[io.run_id].dag_id not in dags]

    # Data sets without versions

    def _data_vias(self, found: Sequence[Io]) -> dict[Edge, str]:
        return {edge_of(io): f"{_OF_RUN}{io.run_id}" for io in found if self._versionless.get(io.node_id)}

    def _asked_of(self, stop: Stop, of_data: str) -> Moment:
        came = "read" if of_data == "write" else "write"
        return self._moments[stop.node_id, stop.via.removeprefix(_OF_RUN), came]

    def _of_moments(self, stops: Sequence[Stop], direction: str) -> tuple[list[Io], set[str]]:
        if not stops:
            return [], set()
        asked = [self._asked_of(stop, direction) for stop in stops]
        return self._writes_seen(stops, asked) if direction == "write" else self._reads_that_saw(stops, asked)

    def _writes_seen(self, stops: Sequence[Stop], reads: Sequence[Moment]) -> tuple[list[Io], set[str]]:
        windows = [Window(stop.node_id, high=read.at + SLACK) for stop, read in zip(stops, reads, strict=True)]
        writes_of = edges_of(self._session, windows, "write", _WRITES, self._facts)
        found: list[Io] = []
        for read, writes in zip(reads, writes_of, strict=True):
            seen = {write.run_id for write in writes_seen(read, map(self._moment, writes))}
            found += [io for io in writes if io.run_id in seen]
        return found, set()

    def _reads_that_saw(self, stops: Sequence[Stop], writes: Sequence[Moment]) -> tuple[list[Io], set[str]]:
        pairs = list(zip(stops, writes, strict=True))
        after = [Window(stop.node_id, low=write.at) for stop, write in pairs]
        later_of = edges_of(self._session, after, "write", _WRITES + 1, self._facts, earliest_first=True)
        moments = [[self._moment(io) for io in later] for later in later_of]
        windows = []
        for (stop, write), later in zip(pairs, moments, strict=True):
            until = seen_until(write, later)
            windows.append(Window(stop.node_id, write.at, until) if until else Window(stop.node_id, write.at))
        reads_of = edges_of(self._session, windows, "read", FAN_OUT + 1, self._facts)
        found: list[Io] = []
        cut: set[str] = set()
        for (stop, write), later, reads in zip(pairs, moments, reads_of, strict=True):
            saw = {read.run_id for read in reads_that_saw(write, map(self._moment, reads), later)}
            found += [io for io in reads[:FAN_OUT] if io.run_id in saw]
            if len(reads) > FAN_OUT:
                cut.add(stop.node_id)
        return found, cut

    def _know(self, run_ids: Iterable[str]) -> None:
        unknown = sorted(set(run_ids) - self._facts.keys())
        if unknown:
            self._facts |= run_facts(self._session, unknown)

    def _moment(self, io: Io) -> Moment:
        run = self._facts.get(io.run_id)
        if run is None:
            return Moment(io.run_id, io.at, io.at, None, False, io.dag_run_key)
        began = min(run.started_at or io.at, io.at)
        return Moment(io.run_id, io.at, began, run.ended_at, run.state in _FAILED, io.dag_run_key)


_FAILED: Final = ("failed", "upstream_failed", "removed", "skipped")


def edge_of(io: Io) -> Edge:
    """A read or write as an edge of the graph."""
    run = f"run:{io.run_id}"
    return (
        Edge(io.node_id, run, "read", io.label) if io.direction == "read" else Edge(run, io.node_id, "write", io.label)
    )


def _goes(told: Mapping[str, frozenset[str]], came: str, goes: str, direction: str) -> bool:
    """Whether the run says that one came from the other; also where it says nothing of the output."""
    output, source = (came, goes) if direction == "read" else (goes, came)
    return output not in told or source in told[output]
