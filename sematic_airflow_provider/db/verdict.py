"""What a verification of the log can find, and what it has found."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

ALTERED: Final = "altered"
REMOVED: Final = "removed"
INSERTED: Final = "inserted"
REORDERED: Final = "reordered"
TWICE: Final = "twice"
SEAL_ALTERED: Final = "seal altered"
SEAL_REMOVED: Final = "seal removed"
CUT: Final = "chain cut"
UNSEALED: Final = "not sealed"

_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Broken:
    """What is wrong with one entry of the log, or one seal. ``at`` is when the event was received, or the seal made, where that can be told."""

    kind: str
    what: str
    seal: int | None = None
    event_id: int | None = None
    run_id: str | None = None
    at: dt.datetime | None = None


@dataclass(slots=True)
class Verdict:
    """What a verification found. ``removed``: events whose texts retention let go of; ``waiting``: events that no seal covers yet."""

    seals: int = 0
    events: int = 0
    removed: int = 0
    waiting: int = 0
    anchors: int = 0
    head: tuple[int, str] | None = None
    broken: Counter[str] = field(default_factory=Counter)
    told: list[Broken] = field(default_factory=list)
    """The first that are broken, in the order of the chain."""
    policies: Counter[str] = field(default_factory=Counter)
    """Events that were removed, by policy and user as the notices tell them."""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.broken

    def add(self, found: Broken) -> None:
        """One more that is broken."""
        self.broken[found.kind] += 1
        if len(self.told) < _TOLD:
            self.told.append(found)
