"""What a task process asks Airflow for, answered from memory: XComs, assets, variables, counts."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from airflow.sdk.api.datamodels._generated import AssetEventResponse, AssetResponse
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import comms

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.testing.asset_events import AssetEvents

Key = tuple[int, str]
"""Map index (-1 where there is none) and XCom key."""


class Supervisor:
    """The other end of ``SUPERVISOR_COMMS``, for one run of one Dag.

    ``count`` tells how many instances tasks have, and ``states`` their states by name of the instance.
    """

    def __init__(self, dag_run: Any, events: AssetEvents, count: Callable[[str], int], states: dict[str, str]) -> None:
        self.dag_run = dag_run
        self.events = events
        self.xcoms: dict[str, dict[Key, Any]] = {}
        self.lengths: dict[str, int] = {}
        self.skipped: set[tuple[str, int]] = set()
        self.task: Any = None
        """The task instance that runs."""
        self._count = count
        self._states = states
        self._kept: dict[tuple[str, str], Any] = {}
        self._answers: dict[str, Callable[[Any], Any]] = {
            "SetXCom": self._set_xcom,
            "GetXCom": self._get_xcom,
            "DeleteXCom": self._delete_xcom,
            "GetXComCount": lambda m: comms.XComCountResponse(len=len(self._sequence(m))),
            "GetXComSequenceItem": self._item,
            "GetXComSequenceSlice": lambda m: comms.XComSequenceSliceResult(
                root=self._sequence(m)[m.start : m.stop : m.step]
            ),
            "SkipDownstreamTasks": self._skip,
            "SucceedTask": self._succeed,
            "ValidateInletsAndOutlets": lambda m: comms.InactiveAssetsResult(inactive_assets=[]),
            "GetAssetByName": lambda m: self._asset(m.name, None),
            "GetAssetByUri": lambda m: self._asset(None, m.uri),
            "GetAssetEventByAsset": self._asset_events,
            "GetTICount": self._ti_count,
            "GetTaskStates": self._task_states,
            "GetDRCount": lambda m: comms.DRCount(count=int(self._is_this_run(m))),
            "GetDagRunState": lambda m: comms.DagRunStateResult(state="running"),
            "GetPreviousDagRun": lambda m: comms.PreviousDagRunResult(dag_run=None),
            "GetPreviousTI": lambda m: comms.PreviousTIResult(task_instance=None),
            "GetPrevSuccessfulDagRun": lambda m: comms.PrevSuccessfulDagRunResult(),
            "GetVariable": self._no_variable,
            "GetVariableKeys": self._variable_keys,
            "PutVariable": self._put_variable,
            "DeleteVariable": self._delete_variable,
            "GetConnection": lambda m: self._error("CONNECTION_NOT_FOUND", {"conn_id": m.conn_id}),
            "GetTaskStateStore": self._get_kept,
            "SetTaskStateStore": self._keep,
            "DeleteTaskStateStore": lambda m: self._kept.pop((self.task.task_id, m.key), None) and None,
            "ClearTaskStateStore": lambda m: self._kept.clear(),
        }
        self._answers |= dict.fromkeys(
            (
                "SetRenderedFields",
                "SetRenderedMapIndex",
                "TaskState",
                "RetryTask",
                "RescheduleTask",
                "DeferTask",
                "AwaitInputTask",
                "MaskSecret",
            ),
            lambda m: comms.OKResponse(ok=True),
        )

    def send(self, msg: Any) -> Any:
        """Answer a request.

        Raises:
            StepError: test runs have no answer to it.
        """
        kind = type(msg).__name__
        if kind not in self._answers:
            raise StepError(
                f"task {self.task.task_id} asks Airflow for {kind}, which a test run has not: give the task a fake, "
                f"fakes={{{self.task.task_id!r}: …}}"
            )
        return self._answers[kind](msg)

    async def asend(self, msg: Any) -> Any:
        """Like ``send``."""
        return self.send(msg)

    def push(self, task_id: str, key: str, value: Any, map_index: int = -1) -> None:
        """Put a row there as if the task had pushed it."""
        self.xcoms.setdefault(task_id, {})[map_index, key] = json.loads(json.dumps(value))

    def row(self, task_id: str, key: str, map_index: int = -1) -> Any:
        """What a task has pushed, as it stands in the XCom table; None where it has not."""
        return self.xcoms.get(task_id, {}).get((map_index, key))

    def keys(self, task_id: str, map_index: int) -> list[str]:
        """The keys that a task instance has pushed."""
        return [key for index, key in self.xcoms.get(task_id, {}) if index == map_index]

    def pushed(self, task_id: str) -> int:
        """How many instances of a mapped task have pushed a return value."""
        return sum(1 for index, key in self.xcoms.get(task_id, {}) if index >= 0 and key == "return_value")

    def _is_this_run(self, m: Any) -> bool:
        run_ids = getattr(m, "run_ids", None)
        return m.dag_id == self.dag_run.dag_id and (not run_ids or self.dag_run.run_id in run_ids)

    def _rows(self, m: Any) -> dict[Key, Any]:
        if (m.dag_id, m.run_id) != (self.dag_run.dag_id, self.dag_run.run_id):
            return {}
        return self.xcoms.get(m.task_id, {})

    def _set_xcom(self, m: Any) -> Any:
        index = -1 if m.map_index is None else m.map_index
        self.push(m.task_id, m.key, m.value, index)
        if m.mapped_length is not None:
            self.lengths[m.task_id] = m.mapped_length
        return comms.OKResponse(ok=True)

    def _get_xcom(self, m: Any) -> Any:
        value = self._rows(m).get((-1 if m.map_index is None else m.map_index, m.key))
        return comms.XComResult(key=m.key, value=value)

    def _delete_xcom(self, m: Any) -> Any:
        self._rows(m).pop((-1 if m.map_index is None else m.map_index, m.key), None)
        return comms.OKResponse(ok=True)

    def _sequence(self, m: Any) -> list[Any]:
        rows = self._rows(m)
        return [rows[index, key] for index, key in sorted(rows) if key == m.key]

    def _item(self, m: Any) -> Any:
        values = self._sequence(m)
        if not -len(values) <= m.offset < len(values):
            return self._error("XCOM_NOT_FOUND", {"offset": m.offset})
        return comms.XComSequenceIndexResult(root=values[m.offset])

    def _skip(self, m: Any) -> Any:
        self.skipped |= {(one, -1) if isinstance(one, str) else (one[0], one[1]) for one in m.tasks}
        return comms.OKResponse(ok=True)

    def _succeed(self, m: Any) -> Any:
        task = self.task
        source = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id, "map_index": task.map_index}
        self.events.register(m.task_outlets or [], m.outlet_events or [], **source)
        return comms.OKResponse(ok=True)

    def _asset(self, name: str | None, uri: str | None) -> Any:
        known = self.events.of(name, uri)
        first = known[0] if known else None
        found_name, found_uri = (first.name, first.uri) if first else (name or uri or "", uri or name or "")
        return comms.AssetResult(name=found_name, uri=found_uri, group="asset")

    def _asset_events(self, m: Any) -> Any:
        found: Iterable[Any] = self.events.of(m.name, m.uri)
        if m.after:
            found = [e for e in found if e.at >= m.after]
        if m.before:
            found = [e for e in found if e.at <= m.before]
        ordered = sorted(found, key=lambda e: e.at, reverse=not m.ascending)[: m.limit]
        return comms.AssetEventsResult(
            asset_events=[
                AssetEventResponse(
                    id=number,
                    timestamp=e.at,
                    extra=dict(e.extra),
                    asset=AssetResponse(name=e.name, uri=e.uri, group="asset"),
                    created_dagruns=[],
                    source_task_id=e.task_id,
                    source_dag_id=e.dag_id,
                    source_run_id=e.run_id,
                    source_map_index=e.map_index,
                )
                for number, e in enumerate(ordered, start=1)
            ]
        )

    def _ti_count(self, m: Any) -> Any:
        if m.states:
            wanted = {str(getattr(state, "value", state)) for state in m.states}
            names = [n for n, state in self._states.items() if state in wanted]
            return comms.TICount(count=sum(1 for n in names if not m.task_ids or n.partition("[")[0] in m.task_ids))
        tasks = m.task_ids or self.xcoms
        return comms.TICount(count=sum(map(self._count, tasks)) if self._is_this_run(m) else 0)

    def _task_states(self, m: Any) -> Any:
        found = {n: s for n, s in self._states.items() if not m.task_ids or n.partition("[")[0] in m.task_ids}
        return comms.TaskStatesResult(task_states={self.dag_run.run_id: found} if self._is_this_run(m) else {})

    def _no_variable(self, m: Any) -> Any:
        return self._error("VARIABLE_NOT_FOUND", {"key": m.key})  # those that are there were found in the environment

    def _variable_keys(self, m: Any) -> Any:
        found = sorted(name[len("AIRFLOW_VAR_") :].lower() for name in os.environ if name.startswith("AIRFLOW_VAR_"))
        keys = [key for key in found if key.startswith((m.prefix or "").lower())]
        return comms.VariableKeysResult(keys=keys, total_entries=len(keys))

    def _put_variable(self, m: Any) -> Any:
        os.environ[f"AIRFLOW_VAR_{m.key.upper()}"] = m.value or ""
        return comms.OKResponse(ok=True)

    def _delete_variable(self, m: Any) -> Any:
        os.environ.pop(f"AIRFLOW_VAR_{m.key.upper()}", None)
        return comms.OKResponse(ok=True)

    def _get_kept(self, m: Any) -> Any:
        key = (self.task.task_id, m.key)
        if key not in self._kept:
            return self._error("TASK_STORE_NOT_FOUND", {"key": m.key})
        return comms.TaskStateStoreResult(value=self._kept[key])

    def _keep(self, m: Any) -> Any:
        self._kept[self.task.task_id, m.key] = m.value
        return comms.OKResponse(ok=True)

    def _error(self, name: str, detail: dict[str, Any]) -> Any:
        kind = getattr(ErrorType, name, None) or ErrorType.GENERIC_ERROR
        return comms.ErrorResponse(error=kind, detail=detail)


def utc(moment: dt.datetime) -> dt.datetime:
    """In UTC; a time without zone is taken as UTC."""
    return moment.replace(tzinfo=dt.timezone.utc) if moment.tzinfo is None else moment.astimezone(dt.timezone.utc)
