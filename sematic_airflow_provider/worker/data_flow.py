"""Which tasks' data flowed into a task, as OpenLineage's job facet ``lineage``: through XCom, artifact or not, and from what it read to what it wrote.

The facet is young, and its words are those of its proposal: an entry says what flows into a job or a data set. Our own graph joins runs by the artifacts
themselves; this is for other consumers, which know no artifacts, and for what is small enough to be none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow.sdk.definitions.xcom_arg import XComArg

from sematic_airflow_provider.lineage.capture import Capture

_MOST = 200
"""Entries and inputs of an entry: a task that reads thousands of files tells of each as an input anyway."""


def sources(task: Any, step: Capture | None) -> list[tuple[str, str]]:
    """Dag and task of what this task was given or has fetched from other tasks, in order; ``task`` may have its arguments or what they became."""
    found = {(operator.dag_id, operator.task_id) for operator, _ in declared(task)}
    if step is not None:
        found |= {(pull.dag_id, pull.task_id) for pull in step.pulls}
    return sorted(found - {(task.dag_id, task.task_id)})[:_MOST]


def declared(task: Any) -> Iterator[tuple[Any, str]]:
    """Operator and key of each output that the Dag file passes to a task; of a task that is expanded, over what it is too."""
    dag = getattr(task, "dag", None)
    written = dag.task_dict.get(task.task_id, task) if dag is not None else task
    if hasattr(written, "_get_specified_expand_input"):
        yield from XComArg.iter_xcom_references(written._get_specified_expand_input())
        yield from XComArg.iter_xcom_references(list(written.partial_kwargs.values()))
        return
    yield from XComArg.iter_xcom_references(written)


def lineage_facet(
    namespace: str,
    tasks: Iterable[tuple[str, str]],
    inputs: Iterable[Any] = (),
    outputs: Iterable[Any] = (),
) -> Mapping[str, Any]:
    """The facet, under its name; empty where no other task's data came in: what was read and written says all then.

    A consumer that finds the facet takes nothing for granted any more, so what was read and written stands in it too: it flows through the job.
    """
    from openlineage.client.generated import lineage

    jobs = [
        lineage.LineageJobInput(type="JOB", namespace=namespace, name=f"{dag_id}.{task_id}")
        for dag_id, task_id in tasks
    ]
    if not jobs:
        return {}
    read = [lineage.LineageDatasetInput(namespace=ns, name=name, type="DATASET") for ns, name in _names(inputs)]
    own: list[Any] = [lineage.LineageJobEntry(type="JOB", inputs=[*jobs, *read])]
    written = [
        lineage.LineageDatasetEntry(
            namespace=ns, name=name, type="DATASET", inputs=[lineage.LineageJobInput(type="JOB")]
        )
        for ns, name in _names(outputs)
    ]
    return {"lineage": lineage.LineageJobFacet(entries=own + written)}


def _names(datasets: Iterable[Any]) -> list[tuple[str, str]]:
    return sorted({(one.namespace, one.name) for one in datasets})[:_MOST]
