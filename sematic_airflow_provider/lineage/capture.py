"""What the running step reads, writes and measures, gathered in its process until lineage is told.

A task process runs one step at a time; ``airflow dags test`` runs many, one after another, in one process. So there is one
current capture, and it belongs to one try of one task instance: asking for another try starts an empty one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.ref import ArtifactRef

log = logging.getLogger(__name__)

_MOST_PULLS = 1000
_MOST_CHECKS = 500


@dataclass(frozen=True, slots=True)
class StepKey:
    """One try of one task instance; ``try_number`` 0 where it is not known."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 0

    def same_instance(self, other: StepKey) -> bool:
        """Whether both are tries of one task instance, and no try number contradicts."""
        mine = (self.dag_id, self.run_id, self.task_id, self.map_index)
        theirs = (other.dag_id, other.run_id, other.task_id, other.map_index)
        return mine == theirs and (0 in (self.try_number, other.try_number) or self.try_number == other.try_number)


@dataclass(frozen=True, slots=True)
class Pull:
    """What one task pushed and another has fetched."""

    dag_id: str
    run_id: str
    task_id: str
    key: str


@dataclass(slots=True)
class Capture:
    """Reads and writes by digest and key, metrics by name; the last value of a metric counts.

    ``checks`` are what gates judged, each as OpenLineage's facet ``test`` has it. ``pulls`` are what was fetched of other tasks, with the artifact that
    it was, where it was one.
    """

    key: StepKey
    reads: dict[Digest, ArtifactRef] = field(default_factory=dict)
    writes: dict[str, ArtifactRef] = field(default_factory=dict)
    metrics: dict[str, float | str] = field(default_factory=dict)
    checks: list[dict[str, str]] = field(default_factory=list)
    pulls: dict[Pull, ArtifactRef | None] = field(default_factory=dict)

    def note_pull(self, pull: Pull, ref: ArtifactRef | None) -> None:
        """This step has fetched what another task pushed."""
        own = (self.key.dag_id, self.key.run_id, self.key.task_id)
        if (pull.dag_id, pull.run_id, pull.task_id) != own and len(self.pulls) < _MOST_PULLS:
            self.pulls.setdefault(pull, ref)

    def note_read(self, ref: ArtifactRef) -> None:
        """This step has read the artifact."""
        self.reads.setdefault(ref.digest, ref)

    def note_write(self, key: str, ref: ArtifactRef) -> None:
        """This step has written the artifact under this output key."""
        self.writes[key] = ref


_current: Capture | None = None


def current() -> Capture | None:
    """The capture of the step that runs in this process, if one does."""
    return _current


def for_step(key: StepKey) -> Capture:
    """The capture of this step: the current one if it is this step's, else a new, empty one that becomes current."""
    global _current
    if _current is None or not _current.key.same_instance(key):
        _current = Capture(key)
    elif key.try_number and not _current.key.try_number:
        _current.key = key
    return _current


@contextmanager
def resumed(capture: Capture) -> Iterator[None]:
    """While this is entered, the step of this capture is the current one again."""
    global _current
    before, _current = _current, capture
    try:
        yield
    finally:
        _current = before


def forget() -> None:
    """Drop the current capture."""
    global _current
    _current = None


def log_metric(name: str, value: float) -> None:
    """Record a number about the running step: it stands in its lineage and in the side panel of its run.

    Call it from inside a task. Outside one (a unit test, a notebook) it only checks its arguments. A later value of the
    same name replaces the earlier one. NaN and infinity, which JSON has no numbers for, are recorded as text.

    Raises:
        TypeError: the name is not text, or the value not a number.
        ValueError: the name is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"a metric's name is text, not {type(name).__name__}")
    if not name.strip():
        raise ValueError("a metric needs a name")
    number = _plain_number(value)
    if number is None:
        raise TypeError(f"metric {name!r} must be a number, it is {type(value).__name__}: {str(value)[:100]!r}")
    if _current is None:
        log.debug("metric %s = %s, outside a step", name, number)
        return
    log.info("metric %s = %s", name, number)
    _current.metrics[name] = number if math.isfinite(number) else str(number)


def note_check(name: str, *, passed: bool, expected: str, actual: str) -> None:
    """A gate has judged something: what was expected and what was there, as people read it. Outside a step, nothing happens."""
    if _current is not None and len(_current.checks) < _MOST_CHECKS:
        status = "pass" if passed else "fail"
        _current.checks.append(
            {"name": name, "status": status, "severity": "error", "expected": expected, "actual": actual}
        )


def _plain_number(value: Any) -> int | float | None:
    """The value as a Python number; one-element arrays and tensors have ``item()``."""
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, (int, float)) and hasattr(value, "item"):
        try:
            value = value.item()
        except (ValueError, RuntimeError):
            return None
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, Real) else None
