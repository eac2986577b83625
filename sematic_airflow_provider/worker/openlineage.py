"""Our records as OpenLineage datasets and facets. Imported only where events are made: the client is heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import attr
from airflow.providers.openlineage import conf
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_type_dataset,
    dataset_version_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    source_code_job,
    symlinks_dataset,
)

from sematic_airflow_provider.artifacts.codecs.promises import promises_of
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.lineage.step import StepRecord

_SCHEMAS = "https://raw.githubusercontent.com/sematic-ai/sematic-airflow-provider/main/sematic_airflow_provider/lineage/schemas"
_MODEL_CODECS = ("skops/", "xgboost/", "lightgbm/")


@attr.define
class SematicStepRunFacet(RunFacet):
    """``sematic_step``."""

    function: str
    file: str | None
    line: int | None
    compute: str
    code: dict[str, Any] | None
    codeUnavailable: str | None  # noqa: N815 - facet fields are camel case
    arguments: dict[str, Any]
    contextArguments: list[str]  # noqa: N815
    outputs: dict[str, Any]
    _additional_skip_redact: ClassVar[list[str]] = ["function", "file", "code", "outputs"]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_step.json"


@attr.define
class SematicProvenanceRunFacet(RunFacet):
    """``sematic_provenance``."""

    git: dict[str, Any] | None
    python: str
    platform: str
    host: str
    cpuCount: int  # noqa: N815
    memoryBytes: int  # noqa: N815
    packages: dict[str, Any] | None
    image: str | None
    providerVersion: str  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_provenance.json"


@attr.define
class SematicResourcesRunFacet(RunFacet):
    """``sematic_resources``."""

    durationSeconds: float  # noqa: N815
    cpuSeconds: float  # noqa: N815
    peakMemoryBytes: int  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_resources.json"


@attr.define
class SematicMetricsRunFacet(RunFacet):
    """``sematic_metrics``."""

    metrics: dict[str, float | str]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMAS}/sematic_metrics.json"


@attr.define
class SematicArtifactDatasetFacet(DatasetFacet):
    """``sematic_artifact``: the ref, field by field, and what its codec promises."""

    digest: str
    codec: str
    type: str
    size: int
    value: Any = None
    hasValue: bool = False  # noqa: N815
    deterministic: bool | None = None
    dependsOn: list[str] = attr.field(factory=list)  # noqa: N815
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
}


def lineage_of_step(record: StepRecord, reads: Iterable[ArtifactRef]) -> OperatorLineage:
    """All that the OpenLineage provider is told about a step: what it read and wrote, and our facets."""
    return OperatorLineage(
        inputs=[input_of(ref) for ref in reads],
        outputs=[output_of(ref, record.facts.get(key, {})) for key, ref in record.outputs.items()],
        run_facets=_run_facets(record.facets()),
        job_facets=_source_code(record),
    )


def metrics_facet(metrics: Mapping[str, float | str]) -> dict[str, RunFacet]:
    """The facet of metrics that a task logged which is not a step of ours."""
    return {"sematic_metrics": SematicMetricsRunFacet(metrics=dict(metrics))} if metrics else {}


def input_of(ref: ArtifactRef) -> InputDataset:
    """An artifact as a dataset that was read."""
    return InputDataset(namespace=conf.namespace(), name=_dataset_name(ref), facets=_dataset_facets(ref))


def output_of(ref: ArtifactRef, facts: Mapping[str, Any]) -> OutputDataset:
    """An artifact as a dataset that was written, with what is known of its schema and size."""
    facets = _dataset_facets(ref)
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


def _dataset_facets(ref: ArtifactRef) -> dict[str, DatasetFacet]:
    from sematic_airflow_provider.worker.stores import repository

    location = symlinks_dataset.Identifier(namespace=repository().store.url, name=ref.digest, type="ARTIFACT")
    promises = promises_of(ref.codec)
    facets: dict[str, DatasetFacet] = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=ref.digest),
        "symlinks": symlinks_dataset.SymlinksDatasetFacet(identifiers=[location]),
        "sematic_artifact": SematicArtifactDatasetFacet(
            digest=ref.digest,
            codec=ref.codec,
            type=ref.type,
            size=ref.size,
            value=ref.value if ref.has_value else None,
            hasValue=ref.has_value,
            deterministic=promises.deterministic,
            dependsOn=list(promises.depends_on),
            pickle=promises.pickle,
        ),
    }
    if ref.codec_name.startswith(_MODEL_CODECS):
        facets["datasetType"] = dataset_type_dataset.DatasetTypeDatasetFacet(datasetType="MODEL")
    return facets


def _run_facets(content: Mapping[str, Mapping[str, Any]]) -> dict[str, RunFacet]:
    return {name: _RUN_FACETS[name](**fields) for name, fields in content.items()}


def _source_code(record: StepRecord) -> dict[str, Any]:
    if not record.source or not conf.is_source_enabled():
        return {}
    return {"sourceCode": source_code_job.SourceCodeJobFacet(language="python", sourceCode=record.source)}
