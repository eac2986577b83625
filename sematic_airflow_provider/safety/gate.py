"""Bounds: the simplest gate. A model or data set whose measurements leave them does not go on."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sematic_airflow_provider.errors import GateFailedError
from sematic_airflow_provider.lineage.capture import note_check

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The least and the greatest value that pass, both included; at least one is given.

    Raises:
        ValueError: neither is given, one is NaN, or the least exceeds the greatest.
    """

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("bounds need a min, a max, or both")
        if any(limit is not None and math.isnan(limit) for limit in (self.min, self.max)):
            raise ValueError("a bound cannot be NaN")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no value lies between min {self.min} and max {self.max}")

    def __str__(self) -> str:
        """As people read it: ``at least 0.6``."""
        if self.min is not None and self.max is not None:
            return f"{self.min} to {self.max}"
        return f"at least {self.min}" if self.min is not None else f"at most {self.max}"

    def violated_by(self, value: float) -> str:
        """How a value violates them; empty when it does not. NaN always does."""
        if math.isnan(value):
            return "is NaN"
        if self.min is not None and value < self.min:
            return f"is {value}, below the least allowed {self.min}"
        if self.max is not None and value > self.max:
            return f"is {value}, above the greatest allowed {self.max}"
        return ""


@dataclass(frozen=True, slots=True)
class Check:
    """One metric that was judged."""

    name: str
    value: float
    bounds: Bounds
    passed: bool


@dataclass(frozen=True, slots=True)
class GateReport:
    """What a gate that opened has seen, in the order of the bounds."""

    checks: tuple[Check, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Plain JSON: a step may return it."""
        return [asdict(check) for check in self.checks]


def check_bounds(metrics: Mapping[str, float], bounds: Mapping[str, Bounds]) -> GateReport:
    """Pass when every bounded metric is there and within its bounds; log what passed. What was judged, and how,
    stands in the lineage of the step that calls it.

    Raises:
        GateFailedError: naming every metric that is missing, no number or out of bounds, with its value and limit. A task that raises it is not retried.
    """
    failures, checks = [], []
    for name, limits in bounds.items():
        value = _number(metrics.get(name))
        passed = value is not None and not limits.violated_by(value)
        actual = "missing" if name not in metrics else str(metrics[name] if value is None else value)[:200]
        note_check(name, passed=passed, expected=str(limits), actual=actual)
        if name not in metrics:
            failures.append(f"{name} is missing (there are: {', '.join(sorted(metrics)) or 'none'})")
        elif value is None:
            failures.append(f"{name} is no number but {type(metrics[name]).__name__}")
        elif problem := limits.violated_by(value):
            failures.append(f"{name} {problem}")
        else:
            checks.append(Check(name, value, limits, passed=True))
            log.info("gate: %s = %s is within bounds", name, value)
    if failures:
        raise GateFailedError("the gate is closed: " + "; ".join(failures), tuple(failures))
    return GateReport(tuple(checks))


def _number(value: Any) -> float | None:
    """A number of any library; None for text that merely looks like one."""
    if value is None or isinstance(value, (str, bytes)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
