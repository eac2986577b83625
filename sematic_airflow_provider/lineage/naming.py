"""Logical names of outputs: stable over runs, so that the history of an output falls out by name."""

from __future__ import annotations

RETURN_KEY = "return_value"


def output_name(dag_id: str, task_id: str, key: str = RETURN_KEY) -> str:
    """``dag_id.task_id.key``: the OpenLineage dataset name of what a task pushes under this XCom key."""
    return f"{dag_id}.{task_id}.{key}"
