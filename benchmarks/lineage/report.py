"""Lines of the table, what is kept, and what was promised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.reporting import Goal

BATCHED, SINGLE, GRAPH_S, GRAPH_P95_S, LIST_S, EVENT_BYTES, EMIT_S, FLAT = (
    1500,
    300,
    0.100,
    0.250,
    0.100,
    4096,
    0.010,
    1.5,
)
HEADERS: Final = ("case", "measured", "ours", "limit", "peer", "ratio", "goal")


@dataclass
class Report:
    """Filled case by case."""

    rows: list[list[object]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def line(
        self,
        case: str,
        measured: str,
        ours: float | str | None,
        *,
        limit: float | None = None,
        peer: float | None = None,
        goal: str = "",
    ) -> None:
        """A row; the ratio is of ours to the limit, else to the peer."""
        other = limit if limit is not None else peer
        ratio = None if other is None or not isinstance(ours, float) or not other else f"{ours / other:.3f}"
        self.rows.append([case, measured, ours, limit, peer, ratio, goal])

    def at_least(self, what: str, found: float, wanted: float, unit: str) -> None:
        """A goal that is met from here on."""
        self.goals.append(Goal(what, f"{found:,.0f} {unit}", f"at least {wanted:,.0f}", found >= wanted))

    def under(self, what: str, found: float, wanted: float, unit: str) -> None:
        """A goal that is met below this."""
        self.goals.append(Goal(what, f"{found:,.1f} {unit}", f"under {wanted:,.0f}", found < wanted))
