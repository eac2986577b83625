"""The Dag run that tasks of a test run find in their context."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.testing.asset_events import AssetEvents


def configuration_of(
    dag: Any, params: Mapping[str, Any] | None, conf: Mapping[str, Any] | None, cache: bool
) -> dict[str, Any] | None:
    if unknown := sorted(set(params or ()) - set(dag.params)):
        raise StepError(
            f"the Dag {dag.dag_id} has no param {', '.join(unknown)}; it has {', '.join(dag.params) or 'none'}"
        )
    made = {**(conf or {}), **(params or {})}
    if not cache:
        made["sematic"] = {**(made.get("sematic") or {}), "cache": False}
    _validate(dag, made)
    return made or None


def _validate(dag: Any, conf: Mapping[str, Any]) -> None:
    from airflow.sdk.definitions.param import ParamsDict

    checked = ParamsDict(dict(dag.params))
    checked.update({name: value for name, value in conf.items() if name in dag.params})
    checked.validate()


def dag_run_of(
    dag: Any, logical_date: dt.datetime, run_id: str | None, conf: Mapping[str, Any] | None, events: AssetEvents
) -> Any:
    from airflow.sdk.api.datamodels import _generated as models

    start, end = _data_interval(dag, logical_date)
    given = [
        models.AssetEventDagRunReference(
            asset=models.AssetReferenceAssetEventDagRun(name=event.name, uri=event.uri, extra={}),
            extra=dict(event.extra),
            source_task_id=None,
            source_dag_id=None,
            source_run_id=None,
            source_map_index=None,
            source_aliases=[],
            timestamp=event.at,
        )
        for event in events.events
    ]
    return models.DagRun(
        dag_id=dag.dag_id,
        run_id=run_id or f"manual__{logical_date.isoformat()}",
        logical_date=logical_date,
        data_interval_start=start,
        data_interval_end=end,
        run_after=end,
        start_date=logical_date,
        end_date=None,
        clear_number=0,
        run_type=models.DagRunType.ASSET_TRIGGERED if given else models.DagRunType.MANUAL,
        state=models.DagRunState.RUNNING,
        conf=dict(conf) if conf else None,
        triggering_user_name=None,
        consumed_asset_events=given,
        partition_key=None,
    )


def _data_interval(dag: Any, logical_date: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """What Airflow would give a run that is started by hand at this time."""
    if dag.schedule is None or not isinstance(dag.schedule, (str, dt.timedelta)):
        return logical_date, logical_date
    from airflow.sdk.timezone import coerce_datetime
    from airflow.serialization.encoders import coerce_to_core_timetable

    interval = coerce_to_core_timetable(dag.timetable).infer_manual_data_interval(
        run_after=coerce_datetime(logical_date)
    )
    return interval.start, interval.end
