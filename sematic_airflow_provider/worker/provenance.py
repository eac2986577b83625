"""The provenance of a step that runs in a task: what is true here, and what Airflow knows, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.lineage.provenance import Provenance
from sematic_airflow_provider.worker.circumstances import executor_of, parameters_of
from sematic_airflow_provider.worker.redaction import redacted, redacted_text

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.lineage.step import StepRecord
    from sematic_airflow_provider.settings import Settings


class StepProvenance:
    """Construct it first of all; ``begin`` fills a record before the function runs, ``end`` when it has run or failed."""

    def __init__(self, source_file: str | None, settings: Settings, task: Any, context: Any) -> None:
        self._gathered = Provenance(source_file, record_env=settings.record_env, redact=redacted_text)
        self._task, self._context = task, context

    def begin(self, record: StepRecord, store: Repository) -> None:
        """Fill in what is known.

        Raises:
            StoreError: the store fails.
        """
        record.provenance = self._gathered.begin(store) | {"executor": executor_of(self._task)}
        record.environment = record.provenance.pop("environment")
        record.parameters = redacted(parameters_of(self._context))

    def end(self, record: StepRecord, seeds: dict[str, int]) -> None:
        """Fill in what is known now; where the step ran in a pod, the pod has told."""
        if record.compute == "local" and record.provenance is not None:
            record.provenance |= self._gathered.end(seeds)
            record.provenance.pop("environment", None)
        else:
            self._gathered.abandon()
