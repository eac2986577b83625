"""Which task instance this process runs."""

from __future__ import annotations

from typing import Any

from sematic_airflow_provider.lineage.capture import StepKey


def step_key(task_instance: Any) -> StepKey:
    """The key of this try of this task instance."""
    map_index = task_instance.map_index
    return StepKey(
        dag_id=task_instance.dag_id,
        run_id=task_instance.run_id,
        task_id=task_instance.task_id,
        map_index=-1 if map_index is None else map_index,
        try_number=task_instance.try_number or 0,
    )


def current_step_key() -> StepKey | None:
    """The key of the task instance whose context is entered, None outside one."""
    from airflow.sdk import get_current_context

    try:
        return step_key(get_current_context()["ti"])
    except RuntimeError:
        return None
