"""Run a step in a pod: hand over refs, wait, take refs back."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.handing import read_with
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import ConfigurationError, MissingExtraError, StepError
from sematic_airflow_provider.lineage.machine import digest_of
from sematic_airflow_provider.pod.spec import PodResult, PodTask
from sematic_airflow_provider.worker.redaction import redacted_text
from sematic_airflow_provider.worker.xcom import note_read

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.lineage.step import StepRecord
    from sematic_airflow_provider.settings import Settings
    from sematic_airflow_provider.worker.operator import SematicOperator

RESULTS = "results"
STEP_CONTAINER = "base"


def run_in_pod(
    operator: SematicOperator, context: Any, record: StepRecord, store: Repository, settings: Settings
) -> None:
    """Run the step in a pod and fill its record with what came back.

    Raises:
        StepError: the step cannot be sent (its code or an argument), or its function failed for good.
        ConfigurationError: no image is configured.
        RuntimeError: the function raised, or the pod failed before it could say why; a retry may help.
    """
    task = _pod_task(operator, record, settings)
    record.compute = "kubernetes"
    failure: Exception | None = None
    try:
        _run_pod(operator, task, context, settings, record)
    except Exception as error:  # noqa: BLE001 - the result document, written before the pod ended, explains it better
        failure = error
    document = store.store.read_document(task.result)
    if document is None:
        for ref in record.arguments.values():  # it may have read them before it ended
            for read in read_with(ref, store):
                note_read(read)
        raise failure or StepError(
            "the pod ended well but left no result in the store: does it use the same store as the worker?"
        )
    result = PodResult.from_json(document)
    for ref in result.reads:
        note_read(ref)
    _fill(record, result)
    store.store.delete_document(task.result)
    if failure is not None and record.outputs:
        raise failure


def _pod_task(operator: SematicOperator, record: StepRecord, settings: Settings) -> PodTask:
    if not settings.pod_image and not settings.pod_template_file:
        raise ConfigurationError(
            "pod_image",
            "a step that runs in Kubernetes needs an image: set [sematic] pod_image, or the image in [sematic] pod_template_file",
        )
    if record.code is None:
        raise StepError(f"this step cannot run in a pod: {record.code_unavailable}")
    if record.context_arguments:
        names = ", ".join(record.context_arguments)
        raise StepError(
            f"this step cannot run in a pod, where there is no Airflow: its function takes {names} from Airflow's context. "
            "Pass plain values instead, for example month='{{ ds }}'"
        )
    return PodTask(
        code=record.code,
        function=operator.python_callable.__name__,
        module=Path(record.file).stem if record.file else "",
        arguments=record.arguments,
        store=settings.pod_store,
        result=f"{RESULTS}/{uuid.uuid4().hex}.json",
        multiple_outputs=bool(operator.multiple_outputs),
        output_names=f"{operator.dag_id}.{operator.task_id}",
        inline_limit=settings.inline_limit,
        allow_pickle=settings.allow_pickle,
        previews=settings.previews,
        compress=settings.compress,
        seed=operator.seed,
        record_env=settings.record_env,
    )


def _run_pod(operator: SematicOperator, task: PodTask, context: Any, settings: Settings, record: StepRecord) -> None:
    from airflow.sdk.bases.operator import ExecutorSafeguard

    try:
        from sematic_airflow_provider.worker.pod_operator import SematicPodOperator
    except ImportError as error:
        raise MissingExtraError("running steps in Kubernetes", "kubernetes") from error

    options: dict[str, Any] = {}
    if settings.pod_image:
        options["image"] = settings.pod_image
    if settings.pod_template_file:
        options["pod_template_file"] = settings.pod_template_file
    pod = SematicPodOperator(
        step=task,
        task_id=operator.task_id,
        name=re.sub(r"[^a-z0-9-]+", "-", operator.task_id.lower()).strip("-") or "step",
        reattach_on_restart=False,
        **options,
    )
    operator.on_kill = pod.on_kill
    # The sentinel says that a task runner calls this: nested execution is meant here.
    try:
        pod.execute(context, **{f"{type(pod).__name__}__sentinel": ExecutorSafeguard.sentinel_value})
    finally:
        record.provenance = (record.provenance or {}) | {"imageDigest": _image_digest(pod.remote_pod)}


def _image_digest(pod: Any) -> str | None:
    """What the container really ran: a pod cannot read its own status, whoever watches it can."""
    statuses = (pod.status.container_statuses if pod is not None and pod.status is not None else None) or ()
    return next((digest_of(status.image_id) for status in statuses if status.name == STEP_CONTAINER), None)


def _fill(record: StepRecord, result: PodResult) -> None:
    record.resources = dict(result.resources)
    record.metrics = dict(result.metrics)
    record.checks = [dict(check) for check in result.checks]
    there = {name: value for name, value in result.provenance.items() if name != "git"}
    record.environment = {name: redacted_text(value) for name, value in (there.pop("environment", None) or {}).items()}
    digest = there.get("imageDigest") or (record.provenance or {}).get("imageDigest")
    record.provenance = (record.provenance or {}) | there | {"imageDigest": digest}
    if result.error:
        last = result.error.strip().splitlines()[-1]
        if result.permanent:
            raise StepError(f"the step failed in its pod: {last}\n{result.error}")
        raise RuntimeError(f"the step failed in its pod: {last}\n{result.error}")
    record.outputs = {key: _checked(ref) for key, ref in result.outputs.items()}


def _checked(ref: ArtifactRef) -> ArtifactRef:
    if ref.codec_name.startswith("pickle/"):  # the worker's settings decide, not the pod's
        from sematic_airflow_provider.settings import load_settings

        if not load_settings().allow_pickle:
            raise StepError("the pod returned a pickle, and [sematic] allow_pickle is off")
    return ref
