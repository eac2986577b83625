"""Task listener: tells lineage about tasks other than ours (``@task``, classic operators), and what their artifacts were.

In the scheduler and the other processes that fork, it loads what their children need of this package.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
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


@hookimpl(wrapper=True)
def on_task_instance_success(previous_state: Any, task_instance: Any) -> Generator[None, Any, Any]:
    """Around the OpenLineage provider, which reports the end: after that, an event would come too late."""
    return (yield from _around(task_instance, "success"))


@hookimpl(wrapper=True)
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> Generator[None, Any, Any]:
    """A task that failed has read what it has read."""
    return (yield from _around(task_instance, "failed"))


@hookimpl(wrapper=True)
def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> Generator[None, Any, Any]:
    """The provider reports a task that was skipped as one that succeeded."""
    return (yield from _around(task_instance, "skipped"))


def _around(task_instance: Any, state: str) -> Generator[None, Any, Any]:
    in_task = hasattr(
        task_instance, "get_template_context"
    )  # else a state set by hand, in the API server or the scheduler
    if in_task:
        _tell(task_instance, state)
    try:
        return (yield)
    finally:
        if in_task:
            forget_hook_lineage()


def _tell(task_instance: Any, state: str) -> None:
    try:
        from sematic_airflow_provider.worker.context import step_key
        from sematic_airflow_provider.worker.operator import SematicOperator
        from sematic_airflow_provider.worker.telling import tell_of_skip, tell_of_task

        step = capture.current()
        if step is not None and not step.key.same_instance(step_key(task_instance)):
            step = None  # of a task that ran before in this process
        if not isinstance(task_instance.task, SematicOperator):
            tell_of_task(task_instance, step, state)
        elif state == "skipped":
            tell_of_skip(task_instance)  # all else steps of ours tell for themselves
    except Exception:  # the one broad edge: failing to describe a task must not fail it
        log.exception("the lineage of %s could not be told", task_instance.task_id)


def forget_hook_lineage() -> None:
    """What hooks told of a task that has ended is not told again of the next: ``airflow dags test`` runs all tasks in one process."""
    try:
        from airflow.sdk import lineage

        if lineage.get_hook_lineage_collector.cache_info().currsize:  # else there is none, and making one takes seconds
            collector = lineage.get_hook_lineage_collector()
            for name in ("_inputs", "_outputs", "_input_counts", "_output_counts", "_extra", "_extra_counts"):
                getattr(collector, name).clear()
    except (ImportError, AttributeError):
        log.debug("this Airflow keeps the lineage of hooks elsewhere", exc_info=True)
