"""One try of one task instance, by Airflow's own task runner: rendering, execution, XComs, retry decision, callbacks."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from sematic_airflow_provider.lineage import capture
from sematic_airflow_provider.testing.logs import task_log
from sematic_airflow_provider.testing.supervisor import Supervisor
from sematic_airflow_provider.testing.surroundings import answering
from sematic_airflow_provider.worker.context import step_key

_VERSION = uuid.uuid5(uuid.NAMESPACE_URL, "sematic-airflow-provider/testing")
_CALLBACKS = {
    "success": "on_success_callback",
    "skipped": "on_skipped_callback",
    "up_for_retry": "on_retry_callback",
    "failed": "on_failure_callback",
}


@dataclass(slots=True)
class Attempt:
    """What came of it. ``state`` is Airflow's; ``captured`` what the task read, wrote and measured."""

    task_instance: Any
    state: str
    error: BaseException | None
    started: dt.datetime
    ended: dt.datetime
    captured: capture.Capture
    log: list[str]


def attempt(task: Any, supervisor: Supervisor, *, map_index: int, try_number: int, retries: int) -> Attempt:
    """Run a task instance once."""
    import structlog
    from airflow.sdk.api.datamodels._generated import TIRunContext
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, _run_task_state_change_callbacks, run

    dag_run = supervisor.dag_run
    started = dt.datetime.now(tz=dt.timezone.utc)
    context_from_server = TIRunContext.model_construct(
        dag_run=dag_run,
        task_reschedule_count=0,
        max_tries=retries,
        variables=[],
        connections=[],
        should_retry=try_number <= retries,
        xcom_keys_to_clear=supervisor.keys(task.task_id, map_index),
        next_method=None,
        next_kwargs=None,
        start_date=started,
    )
    name = f"{dag_run.dag_id}/{dag_run.run_id}/{task.task_id}/{map_index}/{try_number}"
    instance = RuntimeTaskInstance.model_construct(
        id=uuid.uuid5(_VERSION, name),
        task_id=task.task_id,
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        try_number=try_number,
        dag_version_id=_VERSION,
        map_index=map_index,
        queue="default",
        task=task,
        _ti_context_from_server=context_from_server,
        max_tries=retries,
        start_date=started,
        state="running",
    )
    supervisor.task = instance
    capture.forget()
    captured = capture.for_step(step_key(instance))
    with answering(supervisor), task_log() as lines:
        log = structlog.get_logger("task")
        context = instance.get_template_context()
        state, _, error = run(instance, context, log)
        if error is not None and _ends_the_test(error):
            raise error
        context["exception"] = error
        if state.value in _CALLBACKS:
            _run_task_state_change_callbacks(instance.task, _CALLBACKS[state.value], context, log)
        ended = dt.datetime.now(tz=dt.timezone.utc)
    return Attempt(instance, str(state.value), error, started, ended, captured, lines)


def _ends_the_test(error: BaseException) -> bool:
    """Whether this is no failure of the step: somebody wants the test to stop, to be skipped or to fail."""
    return any(kind is KeyboardInterrupt or kind.__module__ == "_pytest.outcomes" for kind in type(error).__mro__)
