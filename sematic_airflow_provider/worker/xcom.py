"""The XCom backend: values go to the store, XCom keeps refs.

``[core] xcom_backend`` names this module, so Airflow imports it while it imports itself: nothing of ``airflow.sdk`` but the base class may be
imported at its top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from airflow.sdk.bases.xcom import BaseXCom

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import ArtifactCorruptedError, NoCodecError
from sematic_airflow_provider.lineage import capture
from sematic_airflow_provider.lineage.naming import RETURN_KEY, output_name

_lazy: ContextVar[bool] = ContextVar("sematic_lazy_refs", default=False)
_found: ContextVar[ArtifactRef | None] = ContextVar("sematic_found_ref", default=None)
"""Of the XCom that is being fetched."""


@contextmanager
def lazy_refs() -> Iterator[None]:
    """While this is entered, reading an XCom gives its ref and loads nothing."""
    token = _lazy.set(True)
    try:
        yield
    finally:
        _lazy.reset(token)


class MappableRef(Sequence[Any]):
    """A ref whose value other tasks are mapped over: Airflow asks such a return value for its length, and for no more."""

    def __init__(self, ref: ArtifactRef, length: int) -> None:
        self.ref = ref
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        raise TypeError("the members are in the store")

    def __repr__(self) -> str:
        return f"{self.ref!r} of {len(self)}"


class SematicXComBackend(BaseXCom):
    """Stores what tasks return as artifacts; runs in task processes only.

    Every return value becomes an artifact, from any kind of task. Other keys do when their value is not small, plain JSON: operators and Airflow's
    own parts exchange such values through XCom and read the raw rows. What no codec knows is left to Airflow's own serialisation.
    """

    @staticmethod
    def serialize_value(
        value: Any,
        *,
        key: str | None = None,
        task_id: str | None = None,
        dag_id: str | None = None,
        run_id: str | None = None,
        map_index: int | None = None,
    ) -> Any:
        """The JSON that goes into the XCom table.

        Raises:
            StoreError: the store cannot be written.
            NoCodecError: the value is of a step's output and cannot be stored.
        """
        from sematic_airflow_provider.worker.stores import repository

        ref = value.ref if isinstance(value, MappableRef) else value
        if not isinstance(ref, ArtifactRef):
            if key != RETURN_KEY and _is_small_json(value):
                return BaseXCom.serialize_value(value)
            try:
                ref = repository().save(value)
            except NoCodecError:
                return BaseXCom.serialize_value(value)
        if dag_id and task_id and key:
            ref = ref.named(output_name(dag_id, task_id, key))
            step = capture.StepKey(dag_id, run_id or "", task_id, -1 if map_index is None else map_index)
            capture.for_step(step).note_write(key, ref)
        return ref.to_json()

    @staticmethod
    def deserialize_value(result: Any) -> Any:
        """The value that an XCom row stands for, verified; its ref while ``lazy_refs`` is entered.

        Raises:
            ArtifactNotFoundError, ArtifactCorruptedError, StoreError, InvalidRefError: instead of any value but the one that was saved.
        """
        from sematic_airflow_provider.artifacts.healing import heal
        from sematic_airflow_provider.worker.stores import repository

        if not ArtifactRef.is_json(result.value):
            return BaseXCom.deserialize_value(result)
        ref = ArtifactRef.from_json(result.value)
        _found.set(ref)
        if _lazy.get():
            return ref
        note_read(ref)
        try:
            return repository().load(ref)
        except ArtifactCorruptedError as error:
            heal(error, repository().store, [ref])
            raise

    @classmethod
    def get_one(cls, **which: Any) -> Any:
        """One value that a task pushed; noted as fetched by the task that runs."""
        token = _found.set(None)
        try:
            value = super().get_one(**which)
            if value is not None:
                _note_pull(which)
            return value
        finally:
            _found.reset(token)

    @classmethod
    def get_all(cls, **which: Any) -> Any:
        """What all instances of a task pushed; noted as fetched by the task that runs."""
        token = _found.set(None)
        try:
            values = super().get_all(**which)
            if values:
                _note_pull(which)
            return values
        finally:
            _found.reset(token)

    @classmethod
    def purge(cls, xcom: Any, *args: Any) -> None:
        """Deleting an XCom deletes its row: the artifact may be shared by other runs."""


def note_read(ref: ArtifactRef) -> None:
    """The running task has read this artifact; outside a task nobody notes it."""
    from sematic_airflow_provider.worker.context import current_step_key

    key = current_step_key()
    if key is not None:
        capture.for_step(key).note_read(ref)


def _note_pull(which: Mapping[str, Any]) -> None:
    from sematic_airflow_provider.worker.context import current_step_key

    key = current_step_key()
    dag_id, run_id, task_id = (which.get(name) for name in ("dag_id", "run_id", "task_id"))
    if key is not None and dag_id and run_id and task_id:
        pull = capture.Pull(dag_id, run_id, task_id, which.get("key") or RETURN_KEY)
        capture.for_step(key).note_pull(pull, _found.get())


def _is_small_json(value: Any, limit: int = 4096) -> bool:
    """Plain JSON all through, and of fewer than about ``limit`` characters."""
    pending, budget = [value], limit
    while pending:
        item = pending.pop()
        budget -= 8
        if isinstance(item, str):
            budget -= len(item)
        elif type(item) is dict:
            if not all(isinstance(key, str) for key in item):
                return False
            pending.extend(item.values())
            budget -= sum(len(key) for key in item)
        elif type(item) in (list, tuple):
            pending.extend(item)
        elif item is not None and type(item) not in (bool, int, float):
            return False
        if budget < 0 or len(pending) > limit:
            return False
    return True
