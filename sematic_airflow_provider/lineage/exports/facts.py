"""What a run has told, taken from its facets. Anybody may have sent them: whatever has another form than its facet should have is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sematic_airflow_provider.lineage.exports.checks import Check, checks_of_error, checks_of_facet
from sematic_airflow_provider.lineage.shapes import mapping

MOST_TEXT: Final = 200_000
"""Characters of one text, such as a source; what is longer is cut, and says so."""
_MOST_ENTRIES: Final = 500

Readable = Callable[[str | None], bool]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What one run has told. Mappings are as their facets have them; ``language`` is that of ``source``, ``step`` is ``sematic_step``."""

    step: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    language: str = ""
    documentation: str | None = None
    integration: str | None = None
    job_type: str | None = None
    engine: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    code_location: Mapping[str, Any] = field(default_factory=dict)
    run_type: str | None = None
    triggered_by: str | None = None
    owners: tuple[str, ...] = ()
    operator: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    cache: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    error: str | None = None

    @property
    def function(self) -> str | None:
        """The function that ran, or else the operator's class."""
        return text(self.step.get("function")) or self.operator

    @property
    def code_digest(self) -> str | None:
        """The digest of the recorded code."""
        return text(mapping(self.step.get("code")).get("digest"))

    @property
    def git(self) -> Mapping[str, Any]:
        """Commit and state of the checkout that the code came from."""
        own = mapping(self.provenance.get("git"))
        if own or not self.code_location:
            return own
        return {
            "remote": self.code_location.get("repoUrl"),
            "commit": self.code_location.get("version"),
            "branch": self.code_location.get("branch"),
            "path": self.code_location.get("path"),
        }

    @property
    def seeds(self) -> Mapping[str, Any]:
        """Seeds of random numbers by library."""
        return mapping(self.provenance.get("seeds"))


def facts_of(facets: Mapping[str, Any], readable: Readable = lambda dag_id: True) -> RunFacts:
    """What a run has told, by its facets, with those of its job under ``job``.

    Args:
        facets: as the projection has them.
        readable: which Dags the asker may read: a run may name a run of another Dag, whose outputs it took from the cache.
    """
    job, airflow = mapping(facets.get("job")), mapping(facets.get("airflow"))
    dag_run, task = mapping(airflow.get("dagRun")), mapping(airflow.get("task"))
    source, documentation = mapping(job.get("sourceCode")), mapping(job.get("documentation"))
    error, job_type = mapping(facets.get("errorMessage")), mapping(job.get("jobType"))
    engine = mapping(facets.get("processing_engine"))
    message = text(error.get("message"), 20_000)
    return RunFacts(
        step=content(facets.get("sematic_step")),
        source=text(source.get("sourceCode")),
        language=text(source.get("language"), 40) or "",
        documentation=text(documentation.get("description"), 5000),
        integration=text(job_type.get("integration"), 40),
        job_type=text(job_type.get("jobType"), 40),
        engine=" ".join(filter(None, (text(engine.get("name"), 80), text(engine.get("version"), 80)))) or None,
        provenance=content(facets.get("sematic_provenance")),
        code_location=content(job.get("sourceCodeLocation")),
        run_type=text(dag_run.get("run_type"), 80),
        triggered_by=text(dag_run.get("triggering_user_name"), 250),
        owners=_owners(job, mapping(airflow.get("dag")), task),
        operator=text(task.get("operator_class"), 250),
        parameters=_pairs(facets.get("executionParameters"), "parameters", "key"),
        environment=_pairs(facets.get("environmentVariables"), "environmentVariables", "name"),
        configuration=mapping(dag_run.get("conf")),
        queue=text(task.get("queue"), 250),
        cache=without_hidden_origin(content(facets.get("sematic_cache")), readable),
        resources=content(facets.get("sematic_resources")),
        metrics=mapping(mapping(facets.get("sematic_metrics")).get("metrics")),
        checks=checks_of_facet(facets.get("test")) or checks_of_error(message or ""),
        error=message,
    )


def without_hidden_origin(cache: Mapping[str, Any], readable: Readable) -> Mapping[str, Any]:
    """The cache's facet; whose outputs were used is told to those who may read that Dag."""
    origin = mapping(cache.get("computedBy")).get("dagId")
    if origin is None or readable(str(origin)):
        return cache
    return {**cache, "computedBy": None, "reason": "computed by a task of a Dag that you may not read"}


def content(facet: Any) -> dict[str, Any]:
    """A facet without the bookkeeping that every facet has."""
    return {str(key): value for key, value in mapping(facet).items() if not str(key).startswith("_")}


def text(value: Any, most: int = MOST_TEXT) -> str | None:
    """The value where it is text that is not empty, cut to so many characters."""
    if not isinstance(value, str) or not value:
        return None
    return value if len(value) <= most else f"{value[:most]}… ({len(value) - most} more characters)"


def _owners(job: Mapping[str, Any], dag: Mapping[str, Any], task: Mapping[str, Any]) -> tuple[str, ...]:
    told = mapping(job.get("ownership")).get("owners")
    names = [text(mapping(one).get("name"), 250) for one in told] if isinstance(told, list) else []
    if not any(names):
        names = [text(task.get("owner"), 250) or text(dag.get("owner"), 250)]
    return tuple(dict.fromkeys(name for name in names[:_MOST_ENTRIES] if name))


def _pairs(facet: Any, field_: str, key: str) -> dict[str, Any]:
    entries = mapping(facet).get(field_)
    if not isinstance(entries, list):
        return {}
    found = [entry for entry in entries[:_MOST_ENTRIES] if isinstance(entry, Mapping) and key in entry]
    return {str(entry[key])[:250]: entry.get("value") for entry in found}
