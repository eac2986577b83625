"""Tells lineage about a task in its own process, beside what Airflow's OpenLineage provider sends: as a RUNNING event, before the provider's last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from sematic_airflow_provider.lineage.capture import Capture
from sematic_airflow_provider.lineage.dataset_names import canonical
from sematic_airflow_provider.lineage.naming import PRODUCER
from sematic_airflow_provider.worker.asset_uris import added_outlets, declared_datasets
from sematic_airflow_provider.worker.data_flow import lineage_facet, sources
from sematic_airflow_provider.worker.plain_tasks import parameters, source_of, task_facet


def tell_of_task(task_instance: Any, step: Capture | None, state: str) -> None:
    """What a task that is no step of ours was, read and wrote."""
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.api.core import is_openlineage_active

    from sematic_airflow_provider.worker.openlineage import (
        checks_facet,
        input_of,
        metrics_facet,
        output_of,
        run_facets,
        source_facet,
        store_url,
    )

    if not is_openlineage_active():
        return
    task = task_instance.task
    policy = _policy(task_instance)
    if not policy.emit:
        return
    place = store_url() if step and (step.reads or step.writes) else None
    inputs: list[Any] = [input_of(ref, place) for ref in step.reads.values()] if step else []
    outputs: list[Any] = [output_of(ref, {}, place) for ref in step.writes.values()] if step else []
    told: dict[str, Any] = metrics_facet(step.metrics) | checks_facet(step.checks) if step else {}
    of_job: dict[str, Any] = {}
    if policy.extract_operator_metadata:
        context = task_instance.get_template_context()
        inputs += declared_datasets(task.inlets)
        outputs += declared_datasets([*task.outlets, *added_outlets(task_instance)])
        content: dict[str, Mapping[str, Any]] = {"sematic_task": task_facet(task_instance, context, step, state)}
        if given := parameters(context):
            content["executionParameters"] = {"parameters": given}
        told |= run_facets(content)
        of_job |= lineage_facet(conf.namespace(), sources(task, step), inputs, outputs)
        text = source_of(task) if policy.include_source_code else None
        if text:
            of_job |= source_facet(text)
    if inputs or outputs or told or of_job:
        _emit(task_instance, inputs, outputs, told, of_job)


def tell_of_skip(task_instance: Any) -> None:
    """That a step of ours was skipped: the provider's event says that it succeeded."""
    from airflow.providers.openlineage.api.core import is_openlineage_active

    from sematic_airflow_provider.worker.openlineage import run_facets

    if not is_openlineage_active():
        return
    if _policy(task_instance).emit:
        content = {"sematic_task": task_facet(task_instance, task_instance.get_template_context(), None, "skipped")}
        _emit(task_instance, [], [], run_facets(content), {})


def with_surroundings(
    lineage: Any,
    task_instance: Any,
    step: Capture,
    *,
    read: Mapping[str, str],
    written: Mapping[str, str],
    failed: bool,
) -> Any:
    """The lineage of a step of ours with what hooks told of, its declared inlets and outlets, and the tasks whose data came in.

    Args:
        lineage: an ``OperatorLineage`` of the artifacts that the step read and wrote.
        task_instance: of the operator.
        step: what it fetched.
        read: by name of an asset, the digest of the artifact that it stood for as an argument.
        written: by name of an asset, the digest of the artifact that its event carries.
        failed: whether the step has; so have then the queries that hooks told of.
    """
    from airflow.providers.openlineage import conf

    task = task_instance.task
    hooked_inputs, hooked_outputs = _hook_lineage(task_instance, failed=failed)
    inputs = [*lineage.inputs, *_each_once(hooked_inputs, declared_datasets(task.inlets, read))]
    outputs = [*lineage.outputs, *_each_once(hooked_outputs, declared_datasets(task.outlets, written))]
    flows = lineage_facet(conf.namespace(), sources(task, step), inputs, outputs)
    return evolve(lineage, inputs=inputs, outputs=outputs, job_facets={**lineage.job_facets, **flows})


def _hook_lineage(task_instance: Any, *, failed: bool) -> tuple[list[Any], list[Any]]:
    """What hooks told of: the provider asks for it only where an operator has no data of its own. It sends what SQL there was as runs inside this one."""
    from airflow.providers.openlineage.plugins.listener import get_openlineage_listener
    from airflow.utils.state import TaskInstanceState

    from sematic_airflow_provider.worker.listener import forget_hook_lineage

    listener = get_openlineage_listener()
    if listener is None or not _policy(task_instance).hook_lineage:
        return [], []
    state = TaskInstanceState.FAILED if failed else TaskInstanceState.SUCCESS
    found = listener.extractor_manager.get_hook_lineage(task_instance, state)
    forget_hook_lineage()  # or the provider asks again, and sends the SQL twice, where this was all that the step read and wrote
    return ([], []) if found is None else (list(found.inputs), list(found.outputs))


def _policy(task_instance: Any) -> Any:
    """What the provider's own settings let be told of a task."""
    from airflow.providers.openlineage.utils.emission_policy import resolve_task_emission_policy

    return resolve_task_emission_policy(
        operator=task_instance.task, dag_id=task_instance.dag_id, task_id=task_instance.task_id
    )


def _each_once(*groups: list[Any]) -> list[Any]:
    """Data sets of which hooks and the Dag file tell; of one that both tell, what the later group says."""
    return list({canonical(one.namespace, one.name): one for group in groups for one in group}.values())


def _emit(
    task_instance: Any,
    inputs: list[Any],
    outputs: list[Any],
    of_run: dict[str, Any],
    of_job: dict[str, Any],
) -> None:
    """As the provider's ``emit_dataset_lineage`` does, which refuses an event without data sets, and repeats what the provider's own events have."""
    from airflow.providers.openlineage.api.core import emit
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
    from airflow.providers.openlineage.plugins.macros import lineage_job_name, lineage_job_namespace, lineage_run_id
    from airflow.providers.openlineage.utils.utils import get_dag_run_dag_and_task_from_ti, get_task_parent_run_facet
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import job_type_job

    dag_run, dag, _ = get_dag_run_dag_and_task_from_ti(task_instance)
    parent = OpenLineageAdapter.build_dag_run_id(
        dag_id=task_instance.dag_id,
        logical_date=dag_run.logical_date or dag_run.run_after,
        clear_number=dag_run.clear_number,
    )
    parents = get_task_parent_run_facet(
        parent_run_id=parent, parent_job_name=dag.dag_id, dr_conf=getattr(dag_run, "conf", None) or {}
    )
    kind = job_type_job.JobTypeJobFacet(jobType="TASK", integration="AIRFLOW", processingType="BATCH")
    emit(
        RunEvent(
            eventType=RunState.RUNNING,
            eventTime=dt.datetime.now(dt.timezone.utc).isoformat(),
            run=Run(runId=lineage_run_id(task_instance), facets={**of_run, **parents}),
            job=Job(
                namespace=lineage_job_namespace(),
                name=lineage_job_name(task_instance),
                facets={**of_job, "jobType": kind},
            ),
            inputs=inputs,
            outputs=outputs,
            producer=PRODUCER,
        )
    )
