"""What lineage is to tell of, by the OpenLineage provider's own settings: an operator or Dag for which they switch events off gets none made either."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from sqlalchemy.orm import Session

from sematic_airflow_provider.lineage.recorded import Recorded

log = logging.getLogger(__name__)

_REMEMBERED_SECONDS: Final = 600.0
_MOST_DAGS: Final = 500


class Emission:
    """Answers for one process; what a Dag says is read from its serialised form, and remembered for a while."""

    def __init__(self) -> None:
        self._by_dag: dict[str, tuple[float, dict[str | None, bool]]] = {}

    @property
    def disabled(self) -> bool:
        """Whether the provider sends nothing at all."""
        from airflow.providers.openlineage import conf

        return bool(conf.is_disabled())

    def wanted(self, airflow: Session, record: Recorded) -> bool:
        """Whether the provider would have told of this run, had it been able to; of a task that its Dag has no longer, as of the Dag."""
        known = self._by_dag.get(record.dag_id)
        if known is None or time.monotonic() - known[0] > _REMEMBERED_SECONDS:
            if len(self._by_dag) >= _MOST_DAGS:
                self._by_dag.clear()
            known = self._by_dag[record.dag_id] = (time.monotonic(), _answers(airflow, record.dag_id))
        answers = known[1]
        return answers.get(record.task_id, answers[None])


def _answers(airflow: Session, dag_id: str) -> dict[str | None, bool]:
    """For each task of the Dag, and under None for its runs."""
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.utils.emission_policy import (
        resolve_dag_emission_policy,
        resolve_task_emission_policy,
    )

    dag = _dag(airflow, dag_id)
    if dag is None:
        return {None: not conf.selective_enable()}
    answers: dict[str | None, bool] = {None: bool(resolve_dag_emission_policy(dag_id, dag).emit)}
    for task_id, task in dag.task_dict.items():
        answers[task_id] = bool(resolve_task_emission_policy(operator=task, dag_id=dag_id, task_id=task_id).emit)
    return answers


def _dag(airflow: Session, dag_id: str) -> Any:
    from airflow.models.serialized_dag import SerializedDagModel

    try:
        serialized = SerializedDagModel.get(dag_id, session=airflow)
        return serialized.dag if serialized is not None else None
    except Exception as error:  # noqa: BLE001 - a Dag that cannot be read may need a package that this process has not
        log.info("the Dag %s cannot be read, its events are made as for one without settings: %s", dag_id, error)
        return None
