"""Runs that go together: what a task starts, queries and Spark jobs, is part of it, and what is part of a task came from what the task read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.lookups import chunks
from sematic_airflow_provider.db.models import RunRow

_LEVELS: Final = 4  # a task starts an application, that a job, that a stage
_MOST: Final = 2000


class RunFacts(NamedTuple):
    """What a walk has to know of a run."""

    run_id: str
    parent_run_id: str | None
    root_run_id: str | None
    dag_id: str | None
    task_id: str | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    state: str

    @property
    def is_dag_run(self) -> bool:
        """Whether it is the run of a Dag, whose tasks have nothing in common but that."""
        return self.dag_id is not None and self.task_id is None


_RUNS: Final = RunRow.__table__.c  # not the mapped class: that costs more than the database does
FACTS: Final = tuple(_RUNS[name] for name in RunFacts._fields)
_FACTS: Final = select(*FACTS)


def run_facts(session: Session, run_ids: Sequence[str]) -> dict[str, RunFacts]:
    """Facts of these runs, by their ids."""
    found: dict[str, RunFacts] = {}
    for chunk in chunks(run_ids):
        found.update(
            (row[0], RunFacts(*row)) for row in session.connection().execute(_FACTS.where(_RUNS.run_id.in_(chunk)))
        )
    return found


def families(
    session: Session, run_ids: Sequence[str], facts: dict[str, RunFacts]
) -> tuple[list[tuple[str, str]], set[str]]:
    """Pairs of a run asked about and one that goes with it: all that is part of it, and what it is part of, up to its task.

    Also gives the runs that have more parts than these. Facts that are learnt are kept in ``facts``: those of the runs asked about are.
    """
    found: list[RunFacts] = []
    for chunk in chunks(run_ids):
        query = _FACTS.where(or_(_RUNS.run_id.in_(chunk), _RUNS.parent_run_id.in_(chunk)))
        found += [RunFacts(*row) for row in session.connection().execute(query.limit(_MOST + len(chunk) + 1))]
    asked = set(run_ids)
    facts.update((run.run_id, run) for run in found if run.run_id in asked)
    own = [facts[run_id] for run_id in run_ids if run_id in facts]
    whole = [run.run_id for run in own if not run.is_dag_run]
    pairs, cut = _descendants(session, whole, [run for run in found if run.parent_run_id in asked], facts)
    known = set(pairs)
    pairs += [pair for pair in _ancestors(session, own, facts) if pair not in known]
    return pairs, cut


def _children(session: Session, run_ids: Sequence[str]) -> list[RunFacts]:
    found: list[RunFacts] = []
    for chunk in chunks(run_ids):
        query = _FACTS.where(_RUNS.parent_run_id.in_(chunk)).limit(_MOST + 1)
        found += [RunFacts(*row) for row in session.connection().execute(query)]
    return found


def _descendants(
    session: Session, run_ids: Sequence[str], children: list[RunFacts], facts: dict[str, RunFacts]
) -> tuple[list[tuple[str, str]], set[str]]:
    owner = {run_id: run_id for run_id in run_ids}
    pairs: list[tuple[str, str]] = []
    for _ in range(_LEVELS):
        level: list[str] = []
        for child in children:
            parent = child.parent_run_id or ""
            # met already; or a Dag run that a task triggered, which is no part of it
            if child.run_id in owner or child.is_dag_run or parent not in owner:
                continue
            owner[child.run_id] = owner[parent]
            facts[child.run_id] = child
            pairs.append((owner[parent], child.run_id))
            level.append(child.run_id)
        if len(pairs) > _MOST:
            return pairs[:_MOST], {run for run, _ in pairs[_MOST:]}
        if not level:
            break
        children = _children(session, level)
    return pairs, set()


def _ancestors(session: Session, runs: Sequence[RunFacts], facts: dict[str, RunFacts]) -> Iterator[tuple[str, str]]:
    climbing: dict[str, str | None] = {
        run.run_id: run.parent_run_id for run in runs if run.task_id is None and run.parent_run_id
    }
    for _ in range(_LEVELS):
        if not climbing:
            return
        unknown = sorted({parent for parent in climbing.values() if parent and parent not in facts})
        facts |= run_facts(session, unknown)
        following: dict[str, str | None] = {}
        for run_id, parent_id in climbing.items():
            parent = facts.get(parent_id or "")
            if parent is None or parent.is_dag_run or parent.run_id == run_id:
                continue
            yield run_id, parent.run_id
            if parent.task_id is None and parent.parent_run_id:
                following[run_id] = parent.parent_run_id
        climbing = following
