"""Our records as OpenLineage datasets and facets. Imported only where events are made: the client is heavy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import attr
from airflow.providers.openlineage import conf
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    RunFacet,
    dataset_type_dataset,
    dataset_version_dataset,
    environment_variables_run,
    execution_parameters_run,
    output_statistics_output_dataset,
    schema_dataset,
    source_code_job,
    source_code_location_job,
    symlinks_dataset,
    test_run,
)

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.lineage.sensitive import (
    is_sensitive_name,
    without_assigned_secrets,
    without_credentials,
)
from sematic_airflow_provider.lineage.step import StepRecord
from sematic_airflow_provider.worker.redaction import redacted, redacted_text

_SCHEMAS = "https://raw.githubusercontent.com/sematic-ai/sematic-airflow-provider/main/sematic_airflow_provider/lineage/schemas"
_facet = attr.define(eq=False, repr=False, on_setattr=attr.setters.NO_OP)
"""Facets are made, and written down: comparing them and checking what is set later would take longer to generate than all else here."""

_MODEL_CODECS = ("skops/", "xgboost/", "lightgbm/")


@_facet
class SematicStepRunFacet(RunFacet):
    """``sematic_step``."""

    function: str
    file: str | None
    line: int | None
    compute: str
    code: dict[str, Any] | None
    codeUnavailable: str | None
    arguments: dict[str, Any]
    contextArguments: list[str]
    outputs: dict[str, Any]
    _additional_skip_redact: ClassVar[list[str]] = [
        "function",
        "file",
        "code",
        "arguments",
        "outputs",
    ]  # we have done it

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_step.json"


@_facet
class SematicProvenanceRunFacet(RunFacet):
    """``sematic_provenance``."""

    git: dict[str, Any] | None = None
    python: str | None = None
    platform: str | None = None
    host: str | None = None
    cpuCount: int | None = None
    cpuModel: str | None = None
    cpuLimit: float | None = None
    memoryBytes: int | None = None
    memoryLimitBytes: int | None = None
    scratch: dict[str, Any] | None = None
    gpus: dict[str, Any] | None = None
    packages: dict[str, Any] | None = None
    image: str | None = None
    imageDigest: str | None = None
    containerId: str | None = None
    executor: str | None = None
    pool: str | None = None
    dagBundle: dict[str, Any] | None = None
    seeds: dict[str, int] | None = None
    providerVersion: str | None = None
    _additional_skip_redact: ClassVar[list[str]] = ["git", "packages", "gpus", "seeds"]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_provenance.json"


@_facet
class SematicResourcesRunFacet(RunFacet):
    """``sematic_resources``."""

    durationSeconds: float
    cpuSeconds: float
    peakMemoryBytes: int

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_resources.json"


@_facet
class SematicMetricsRunFacet(RunFacet):
    """``sematic_metrics``."""

    metrics: dict[str, float | str]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_metrics.json"


@_facet
class SematicCacheRunFacet(RunFacet):
    """``sematic_cache``."""

    status: str
    key: str | None
    reason: str
    changed: list[dict[str, Any]]
    computedBy: dict[str, Any] | None
    _additional_skip_redact: ClassVar[list[str]] = ["status", "key"]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_cache.json"


@_facet
class SematicTaskRunFacet(RunFacet):
    """``sematic_task``: a task that is no step of ours."""

    dagId: str
    dagRunId: str
    taskId: str
    mapIndex: int
    tryNumber: int
    operator: str
    function: str | None
    file: str | None
    line: int | None
    arguments: dict[str, Any]
    inlets: list[dict[str, Any]]
    outlets: list[dict[str, Any]]
    state: str
    _additional_skip_redact: ClassVar[list[str]] = [
        "dagId",
        "dagRunId",
        "taskId",
        "operator",
        "function",
        "file",
        "arguments",
        "inlets",
        "outlets",
        "state",
    ]  # we have done it

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_task.json"


@_facet
class SematicArtifactDatasetFacet(DatasetFacet):
    """``sematic_artifact``: the ref, field by field, and what its codec promises."""

    digest: str
    codec: str
    type: str
    size: int
    value: Any = None
    hasValue: bool = False
    deterministic: bool | None = None
    dependsOn: list[str] = attr.field(factory=list)
    pickle: bool = False
    _additional_skip_redact: ClassVar[list[str]] = ["digest", "codec", "type", "dependsOn"]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_artifact.json"


_RUN_FACETS: Mapping[str, type[RunFacet]] = {
    "sematic_step": SematicStepRunFacet,
    "sematic_provenance": SematicProvenanceRunFacet,
    "sematic_resources": SematicResourcesRunFacet,
    "sematic_metrics": SematicMetricsRunFacet,
    "sematic_cache": SematicCacheRunFacet,
    "sematic_task": SematicTaskRunFacet,
}


def lineage_of_step(record: StepRecord, reads: Iterable[ArtifactRef]) -> OperatorLineage:
    """All that the OpenLineage provider is told about a step: what it read and wrote, and our facets."""
    place = store_url()
    return OperatorLineage(
        inputs=[input_of(ref, place) for ref in reads],
        outputs=[output_of(ref, record.facts.get(key, {}), place) for key, ref in record.outputs.items()],
        run_facets=run_facets(redacted(record.facets())),
        job_facets=_job_facets(record),
    )


def metrics_facet(metrics: Mapping[str, float | str]) -> dict[str, RunFacet]:
    """The facet of metrics that a task logged which is not a step of ours."""
    return {"sematic_metrics": SematicMetricsRunFacet(metrics=dict(metrics))} if metrics else {}


def checks_facet(checks: Sequence[Mapping[str, str]]) -> dict[str, RunFacet]:
    """The facet of what gates judged in a task that is not a step of ours."""
    return run_facets(redacted({"test": {"tests": [dict(check) for check in checks]}})) if checks else {}


def store_url() -> str:
    """Where artifacts are. Who makes many data sets asks once: the settings are read for it."""
    from sematic_airflow_provider.worker.stores import repository

    return str(repository().store.url)


def input_of(ref: ArtifactRef, place: str | None = None) -> InputDataset:
    """An artifact as a dataset that was read; ``place`` is the store's URL, where it is known."""
    return InputDataset(namespace=conf.namespace(), name=_dataset_name(ref), facets=_dataset_facets(ref, place))


def output_of(ref: ArtifactRef, facts: Mapping[str, Any], place: str | None = None) -> OutputDataset:
    """An artifact as a dataset that was written, with what is known of its schema and size."""
    facets = _dataset_facets(ref, place)
    if fields := facts.get("schema"):
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[schema_dataset.SchemaDatasetFacetFields(name=field["name"], type=field["type"]) for field in fields]
        )
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=facts.get("rowCount"), size=ref.size
    )
    return OutputDataset(
        namespace=conf.namespace(),
        name=_dataset_name(ref),
        facets=facets,
        outputFacets={"outputStatistics": statistics},
    )


def _dataset_name(ref: ArtifactRef) -> str:
    return ref.name or f"artifact.{ref.digest}"


def _dataset_facets(ref: ArtifactRef, place: str | None) -> dict[str, DatasetFacet]:
    from sematic_airflow_provider.artifacts.codecs.promises import promises_of

    location = symlinks_dataset.Identifier(namespace=place or store_url(), name=ref.digest, type="ARTIFACT")
    promises = promises_of(ref.codec)
    shown = ref.has_value and not is_sensitive_name(ref.name.rpartition(".")[2])
    facets: dict[str, DatasetFacet] = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=ref.digest),
        "symlinks": symlinks_dataset.SymlinksDatasetFacet(identifiers=[location]),
        "sematic_artifact": SematicArtifactDatasetFacet(
            digest=ref.digest,
            codec=ref.codec,
            type=ref.type,
            size=ref.size,
            value=redacted(ref.value) if shown else None,
            hasValue=shown,
            deterministic=promises.deterministic,
            dependsOn=list(promises.depends_on),
            pickle=promises.pickle,
        ),
    }
    if ref.codec_name.startswith(_MODEL_CODECS):
        facets["datasetType"] = dataset_type_dataset.DatasetTypeDatasetFacet(datasetType="MODEL")
    return facets


def run_facets(content: Mapping[str, Mapping[str, Any]]) -> dict[str, RunFacet]:
    """Run facets of their names and contents, which are redacted already."""
    return {
        name: _STANDARD[name](fields) if name in _STANDARD else _own(name, fields) for name, fields in content.items()
    }


def _own(name: str, fields: Mapping[str, Any]) -> RunFacet:
    """One of our facets; a pod whose image has another version of this package may tell what we do not know."""
    kind = _RUN_FACETS[name]
    known = {attribute.name for attribute in attr.fields(kind)}
    return kind(**{field: value for field, value in fields.items() if field in known})


def _environment(fields: Mapping[str, Any]) -> RunFacet:
    return environment_variables_run.EnvironmentVariablesRunFacet(
        environmentVariables=[
            environment_variables_run.EnvironmentVariable(name=name, value=value)
            for name, value in fields["environmentVariables"].items()
        ]
    )


def _parameters(fields: Mapping[str, Any]) -> RunFacet:
    return execution_parameters_run.ExecutionParametersRunFacet(
        parameters=[
            execution_parameters_run.ExecutionParameter(
                key=name, value=value if isinstance(value, str) else json.dumps(value)
            )
            for name, value in fields["parameters"].items()
        ]
    )


def _tests(fields: Mapping[str, Any]) -> RunFacet:
    return test_run.TestRunFacet(tests=[test_run.TestExecution(**check) for check in fields["tests"]])


_STANDARD: Mapping[str, Callable[[Mapping[str, Any]], RunFacet]] = {
    "environmentVariables": _environment,
    "executionParameters": _parameters,
    "test": _tests,
}


def source_facet(text: str) -> dict[str, JobFacet]:
    """The facet of Python source, without secrets; empty where source is not to be told."""
    if not conf.is_source_enabled():
        return {}
    source = redacted_text(without_credentials(without_assigned_secrets(text)))
    return {"sourceCode": source_code_job.SourceCodeJobFacet(language="python", sourceCode=source)}


def _job_facets(record: StepRecord) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    if record.source:
        facets |= source_facet(record.source)
    git = (record.provenance or {}).get("git") or {}
    if git.get("remote") and git.get("commit"):
        facets["sourceCodeLocation"] = source_code_location_job.SourceCodeLocationJobFacet(
            type="git",
            url=git["remote"],
            repoUrl=git["remote"],
            path=git.get("path"),
            version=git["commit"],
            branch=git.get("branch"),
        )
    return facets
