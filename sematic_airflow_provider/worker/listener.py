"""Task listener: tells lineage about artifacts that tasks other than ours read and wrote (``@task``, classic operators).

In the scheduler and the other processes that fork, it loads what their children need of this package.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

from sematic_airflow_provider.lineage import capture

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: Any) -> None:
    """Called before the scheduler makes its executor's workers, and by each task process, which loads only what its task needs."""
    from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

    if isinstance(component, TaskRunnerMarker):
        return
    from sematic_airflow_provider.worker.preload import preload

    try:
        preload()
    except Exception:  # a broad edge too: the scheduler starts, and tasks say what is wrong
        log.exception("what task processes need could not be loaded before they are forked")


@hookimpl(tryfirst=True)
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """Before the OpenLineage provider reports the end: after it, an event would come too late."""
    _tell(task_instance)


@hookimpl(tryfirst=True)
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:
    """A task that failed has read what it has read."""
    _tell(task_instance)


def _tell(task_instance: Any) -> None:
    step = capture.current()
    if step is None or not hasattr(task_instance, "get_template_context"):
        return  # nothing was read or written, or this is not a task process (a state set by hand)
    from sematic_airflow_provider.worker.context import step_key
    from sematic_airflow_provider.worker.operator import SematicOperator

    if isinstance(task_instance.task, SematicOperator) or not step.key.same_instance(step_key(task_instance)):
        return  # steps of ours tell for themselves
    if not (step.reads or step.writes):
        return
    try:
        from airflow.providers.openlineage.api import emit_dataset_lineage

        from sematic_airflow_provider.worker.openlineage import input_of, metrics_facet, output_of

        emit_dataset_lineage(
            inputs=[input_of(ref) for ref in step.reads.values()],
            outputs=[output_of(ref, {}) for ref in step.writes.values()],
            task_instance=task_instance,
            additional_run_facets=metrics_facet(step.metrics),
        )
    except Exception:  # the one broad edge: failing to describe a task must not fail it
        log.exception("the lineage of %s could not be told", task_instance.task_id)
