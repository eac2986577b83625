"""Which Dag and which of its tasks are meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.testing.mapping import is_mapped


def dag_of(dag: Any) -> Any:
    """The Dag itself, made where a function that makes one was given.

    Raises:
        StepError: it is neither.
    """
    from airflow.sdk import DAG

    made = dag() if callable(dag) and not isinstance(dag, DAG) else dag
    if not isinstance(made, DAG):
        raise StepError(f"run_dag takes a Dag, or a function that makes one, not {type(made).__name__}")
    made.check_cycle()
    return made


def task_id_of(dag: Any, name: str) -> str:
    """The id of the task that is meant: groups may be left out."""
    if name in dag.task_dict:
        return name
    found = [task_id for task_id in dag.task_dict if task_id.rsplit(".", 1)[-1] == name]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise StepError(f"{name!r} may be any of {', '.join(found)}: give the whole id")
    near = difflib.get_close_matches(name, dag.task_dict, n=3) or list(dag.task_dict)
    raise StepError(f"the Dag {dag.dag_id} has no task {name!r}; it has {', '.join(near)}")


def selection(
    dag: Any, upto: str | Sequence[str] | None, only: str | Sequence[str] | None, faked: Collection[str]
) -> list[str]:
    """The ids of the tasks to run."""
    if upto is None and only is None:
        return list(dag.task_dict)
    if upto is not None and only is not None:
        raise StepError("give upto or only, not both")
    named = [task_id_of(dag, name) for name in _names(upto if upto is not None else only)]
    chosen, pending = set(named), list(named)
    while pending:  # upstream tasks; what a faked task depends on is not needed
        task = dag.get_task(pending.pop())
        if task.task_id in faked and task.task_id not in named and not is_mapped(task):
            continue
        for upstream_id in task.upstream_task_ids - chosen:
            if upto is not None or upstream_id in faked:
                chosen.add(upstream_id)
                pending.append(upstream_id)
    teardowns = {
        following
        for task_id in chosen
        if dag.get_task(task_id).is_setup
        for following in dag.get_task(task_id).downstream_task_ids
        if dag.get_task(following).is_teardown
    }
    return [task_id for task_id in dag.task_dict if task_id in chosen | teardowns]


def _names(given: str | Sequence[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())
