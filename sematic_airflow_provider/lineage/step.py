"""StepRecord: what is told about one execution of a step, in the form of our run facets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef


@dataclass(eq=False, repr=False)  # less to generate: every process that reads a Dag file with steps loads this
class StepRecord:
    """Filled while the step runs; ``facets`` gives what is known at that moment, so a step that failed tells as much as it can."""

    function: str
    file: str | None = None
    line: int | None = None
    source: str | None = None
    compute: str = "local"
    code: ArtifactRef | None = None
    code_unavailable: str | None = None
    arguments: dict[str, ArtifactRef] = field(default_factory=dict)
    context_arguments: list[str] = field(default_factory=list)
    outputs: dict[str, ArtifactRef] = field(default_factory=dict)
    provenance: dict[str, Any] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] | None = None
    metrics: dict[str, float | str] = field(default_factory=dict)
    checks: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By output key: ``schema`` (fields with name and type) and ``rowCount``, where the value has them."""
    length: int | None = None
    """Of a list or dict that was returned, where it is known without loading it."""
    cache: dict[str, Any] | None = None

    def facets(self) -> dict[str, dict[str, Any]]:
        """Name and content of our run facets, as docs/lineage-api.md has them; those with nothing to say are left out."""
        found: dict[str, dict[str, Any]] = {
            "sematic_step": {
                "function": self.function,
                "file": self.file,
                "line": self.line,
                "compute": self.compute,
                "code": self.code.to_json() if self.code else None,
                "codeUnavailable": self.code_unavailable,
                "arguments": {name: ref.to_json() for name, ref in self.arguments.items()},
                "contextArguments": list(self.context_arguments),
                "outputs": {key: ref.to_json() for key, ref in self.outputs.items()},
            }
        }
        if self.provenance is not None:
            found["sematic_provenance"] = self.provenance
        if self.environment:
            found["environmentVariables"] = {"environmentVariables": dict(self.environment)}
        if self.parameters:
            found["executionParameters"] = {"parameters": dict(self.parameters)}
        if self.resources is not None:
            found["sematic_resources"] = self.resources
        if self.metrics:
            found["sematic_metrics"] = {"metrics": dict(self.metrics)}
        if self.checks:
            found["test"] = {"tests": [dict(check) for check in self.checks]}
        if self.cache is not None:
            found["sematic_cache"] = self.cache
        return found
