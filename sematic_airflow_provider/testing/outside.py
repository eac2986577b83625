"""Which tasks need more than this process: they are named before anything runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sematic_airflow_provider.errors import StepError

_INSIDE = (
    "airflow.providers.standard.operators.python",
    "airflow.providers.standard.operators.empty",
    "airflow.providers.standard.operators.smooth",
    "airflow.providers.standard.operators.branch",
    "airflow.providers.standard.operators.weekday",
    "airflow.providers.standard.operators.datetime",
    "airflow.providers.standard.decorators",
)
_OTHER_PROCESSES = (
    "BaseSensorOperator",
    "BashOperator",
    "PythonVirtualenvOperator",
    "ExternalPythonOperator",
)


def check_runnable(dag: Any, selected: Collection[str], faked: Collection[str], allowed: Collection[str]) -> None:
    """See that every selected task runs in this process, is faked, or may do as it likes; and that each gets what it takes.

    Raises:
        StepError: with all tasks that do not, and what to write.
    """
    outside = {
        task_id: reason
        for task_id in selected
        if task_id not in faked and task_id not in allowed and (reason := _needs(dag.get_task(task_id)))
    }
    if outside:
        told = "; ".join(f"{task_id} ({reason})" for task_id, reason in outside.items())
        first = next(iter(outside))
        raise StepError(
            f"these tasks of {dag.dag_id} reach the outside world: {told}. Say what stands in for them, fakes={{{first!r}: …}} "
            f"(a function, or the value itself), or let them, allow=[{first!r}]"
        )
    _check_inputs(dag, selected, faked)


def _needs(task: Any) -> str | None:
    """What a task is, where it needs the outside world; None where it does not."""
    operator_class = task.operator_class if task.is_mapped else type(task)
    names = [f"{base.__module__}.{base.__name__}" for base in operator_class.__mro__]
    if any(base.__name__ in _OTHER_PROCESSES for base in operator_class.__mro__):
        return str(operator_class.__name__)
    for name in names:
        if name.startswith(_INSIDE):
            return None
        if name.startswith("airflow.providers."):
            return str(operator_class.__name__)
    return None  # the user's own operator, in Python


def _check_inputs(dag: Any, selected: Collection[str], faked: Collection[str]) -> None:
    from airflow.sdk.definitions.xcom_arg import XComArg

    if len(selected) == len(dag.task_dict):
        return
    for task_id in selected:
        task = dag.get_task(task_id)
        fields = [task._get_specified_expand_input()] if task.is_mapped else []
        if task_id not in faked:
            fields += (
                [task.partial_kwargs] if task.is_mapped else [getattr(task, n, None) for n in task.template_fields]
            )
        missing = sorted({op.task_id for f in fields for op, _ in XComArg.iter_xcom_references(f)} - set(selected))
        if missing:
            raise StepError(
                f"{task_id} takes the output of {', '.join(missing)}, which this run leaves out: give it in fakes={{{missing[0]!r}: …}}"
            )
