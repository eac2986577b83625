"""The provenance of a step that runs in a task: what is true here, and what Airflow knows, without secrets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.errors import StoreError
from sematic_airflow_provider.lineage.provenance import Provenance
from sematic_airflow_provider.worker.circumstances import bundle_of, executor_of, parameters_of
from sematic_airflow_provider.worker.redaction import redacted, redacted_text

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.lineage.step import StepRecord
    from sematic_airflow_provider.settings import Settings

log = logging.getLogger(__name__)


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
        record.provenance = self._gathered.begin(store) | {
            "executor": executor_of(self._task),
            "pool": getattr(self._task, "pool", None),
            "dagBundle": bundle_of(self._context["ti"]),
        }
        record.environment = record.provenance.pop("environment")
        record.parameters = redacted(parameters_of(self._context))

    def end(self, record: StepRecord, store: Repository, seeds: dict[str, int]) -> None:
        """Fill in what is known now. Of a step that ran in a pod, the pod has told all but what git tells here. Never raises: the step has run."""
        if record.provenance is None:
            self._gathered.abandon()
            return
        try:
            here = self._gathered.end(store, seeds)
        except StoreError as error:
            log.warning("the provenance of this step is not complete: %s", error)
            return
        if record.compute == "local":
            record.provenance |= here
            record.provenance.pop("environment", None)
        else:
            record.provenance["git"] = here["git"]
