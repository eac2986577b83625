"""What came of one task instance of a test run, and of all instances of a mapped task."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.lineage.naming import RETURN_KEY
from sematic_airflow_provider.testing.attempts import Attempt
from sematic_airflow_provider.testing.supervisor import Supervisor

_MACHINERY = ("airflow.", "sematic_airflow_provider.", "contextlib")


class StepResult:
    """What came of one task instance.

    ``state`` is ``success``, ``failed``, ``skipped``, ``upstream_failed`` or ``removed``. ``tries`` counts those that ran: 0 where none did.
    ``map_index`` is -1 for tasks that have one instance.
    """

    def __init__(
        self,
        task_id: str,
        map_index: int,
        state: str,
        attempts: Sequence[Attempt],
        supervisor: Supervisor,
        repository: Repository,
    ) -> None:
        self.task_id = task_id
        self.map_index = map_index
        self.state = state
        self.attempts = tuple(attempts)
        self.store = repository.store
        self.recorded: dict[str, ArtifactRef] = {}
        """After ``replay``: the outputs of then."""
        self._supervisor = supervisor
        self._repository = repository

    @property
    def name(self) -> str:
        """``task`` or ``task[map_index]``."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    @property
    def tries(self) -> int:
        """How often it ran."""
        return len(self.attempts)

    @property
    def error(self) -> BaseException | None:
        """What the last try raised: the step's own error, without what Airflow wraps it in."""
        error = self.attempts[-1].error if self.attempts else None
        cause = error.__cause__ if error is not None else None
        wrapped = cause is not None and type(error).__name__ == "AirflowFailException" and str(cause) in str(error)
        own = cause if wrapped else error
        return own.with_traceback(_from_user_code(own.__traceback__)) if own is not None else None

    @property
    def duration(self) -> float:
        """Seconds, over all tries."""
        return sum((one.ended - one.started).total_seconds() for one in self.attempts)

    @property
    def log(self) -> str:
        """What was logged, over all tries."""
        return "\n".join(line for one in self.attempts for line in one.log)

    @property
    def value(self) -> Any:
        """What it returned, loaded from the store as a step downstream would get it; None where it returned nothing."""
        return self.pushed(RETURN_KEY)

    @property
    def ref(self) -> ArtifactRef:
        """The artifact of what it returned.

        Raises:
            StepError: it returned nothing.
        """
        row = self.xcom_row(RETURN_KEY)
        if not ArtifactRef.is_json(row):
            raise StepError(f"{self.name} returned nothing that became an artifact: its state is {self.state}")
        return ArtifactRef.from_json(row)

    @property
    def outputs(self) -> dict[str, ArtifactRef]:
        """The artifacts that it wrote, by output: ``return_value``, or each key of the dict where it has multiple outputs."""
        rows = {key: self.xcom_row(key) for key in self.xcom_keys}
        refs = {key: ArtifactRef.from_json(row) for key, row in rows.items() if ArtifactRef.is_json(row)}
        several = {key: ref for key, ref in refs.items() if key != RETURN_KEY}
        return several if self._has_multiple_outputs and several else refs

    @property
    def xcom_keys(self) -> list[str]:
        """The XCom keys that it pushed."""
        return self._supervisor.keys(self.task_id, self.map_index)

    def xcom_row(self, key: str) -> Any:
        """What stands in the XCom table: a ref as JSON, or small JSON of the task's own; None where it pushed none."""
        return self._supervisor.row(self.task_id, key, self.map_index)

    def pushed(self, key: str) -> Any:
        """The value that it pushed under an XCom key, loaded; None where it pushed none."""
        row = self.xcom_row(key)
        if ArtifactRef.is_json(row):
            return self._repository.load(ArtifactRef.from_json(row))
        if row is None:
            return None
        from airflow.sdk.bases.xcom import BaseXCom, _XComValueWrapper

        return BaseXCom.deserialize_value(_XComValueWrapper(row))

    @property
    def inputs(self) -> dict[str, ArtifactRef]:
        """The arguments of a sematic step, by parameter; literals are artifacts too."""
        record = self._record
        return dict(record.arguments) if record is not None else {}

    def input(self, name: str) -> Any:
        """The value of an argument of a sematic step.

        Raises:
            StepError: it has none of this name.
        """
        if name not in self.inputs:
            raise StepError(f"{self.name} has no recorded argument {name}: it has {', '.join(self.inputs) or 'none'}")
        return self._repository.load(self.inputs[name])

    @property
    def cache(self) -> str:
        """What the step cache did: ``hit``, ``miss`` or ``off``."""
        told = self._record.cache if self._record is not None else None
        return str(told["status"]) if told else "off"

    @property
    def cache_reason(self) -> str:
        """Why, in words; empty where nobody asked for the cache."""
        told = self._record.cache if self._record is not None else None
        return str(told["reason"]) if told else ""

    @property
    def facets(self) -> dict[str, dict[str, Any]]:
        """What lineage is told about a sematic step, facet by facet: ``sematic_step``, ``sematic_provenance`` and others."""
        return self._record.facets() if self._record is not None else {}

    @property
    def reproduced(self) -> bool:
        """After ``replay``: whether all outputs are, byte for byte, what they were then."""
        now = {key: ref.digest for key, ref in self.outputs.items()}
        return now == {key: ref.digest for key, ref in self.recorded.items()}

    @property
    def reads(self) -> list[ArtifactRef]:
        """The artifacts that it has read, by any way: arguments, ``xcom_pull``, an ``Artifact`` that was touched."""
        return list(self.attempts[-1].captured.reads.values()) if self.attempts else []

    @property
    def metrics(self) -> dict[str, float | str]:
        """What it logged with ``log_metric``."""
        return dict(self.attempts[-1].captured.metrics) if self.attempts else {}

    @property
    def _record(self) -> Any:
        return getattr(self.attempts[-1].task_instance.task, "_record", None) if self.attempts else None

    @property
    def _has_multiple_outputs(self) -> bool:
        return bool(self.attempts and getattr(self.attempts[-1].task_instance.task, "multiple_outputs", False))

    def __repr__(self) -> str:
        return f"<{self.name}: {self.state}>"


class MappedResult(Sequence[StepResult]):
    """What came of the instances of a mapped task, in their order."""

    def __init__(self, task_id: str, instances: Sequence[StepResult], state: str) -> None:
        self.task_id = task_id
        self.state = state
        self._instances = tuple(instances)

    def __getitem__(self, index: Any) -> Any:
        return self._instances[index]

    def __len__(self) -> int:
        return len(self._instances)

    @property
    def values(self) -> list[Any]:
        """What they returned."""
        return [one.value for one in self._instances]

    @property
    def states(self) -> list[str]:
        """Their states."""
        return [one.state for one in self._instances]

    def __repr__(self) -> str:
        return f"<{self.task_id}: {self.state}, {list(self._instances)}>"


def _from_user_code(traceback: TracebackType | None) -> TracebackType | None:
    """Without what Airflow and this package do before they call the user's function; the step's log has all of it."""
    found = traceback
    while found is not None and str(found.tb_frame.f_globals.get("__name__", "")).startswith(_MACHINERY):
        found = found.tb_next
    return found or traceback
