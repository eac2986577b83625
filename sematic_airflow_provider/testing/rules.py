"""Trigger rules, for task instances all of whose upstream tasks have ended: that is the only time at which a test run asks.

Airflow's own evaluation stands in the scheduler and asks the database. ``tests/testing/test_rules.py`` holds the two together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sematic_airflow_provider.errors import StepError

SUCCESS: Final = "success"
SKIPPED: Final = "skipped"
FAILED: Final = "failed"
UPSTREAM_FAILED: Final = "upstream_failed"
REMOVED: Final = "removed"

FAST: Final = frozenset({"one_success", "one_failed", "one_done", "none_failed_min_one_success"})
"""Rules that some of the upstream task instances can satisfy."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """How many upstream task instances ended in which state; and of those that are setups, how many there are and how they ended."""

    success: int = 0
    skipped: int = 0
    failed: int = 0
    upstream_failed: int = 0
    removed: int = 0
    setups: int = 0
    setups_succeeded: int = 0
    setups_skipped: int = 0

    @classmethod
    def of(cls, ended: Iterable[tuple[str, bool]]) -> Upstream:
        """Count states, each with whether it is of a setup."""
        counts, setups = Counter[str](), Counter[str]()
        for state, is_setup in ended:
            counts[state] += 1
            setups[state] += is_setup
        return cls(
            counts[SUCCESS],
            counts[SKIPPED],
            counts[FAILED],
            counts[UPSTREAM_FAILED],
            counts[REMOVED],
            setups.total(),
            setups[SUCCESS],
            setups[SKIPPED],
        )

    @property
    def total(self) -> int:
        """All of them."""
        return self.success + self.skipped + self.failed + self.upstream_failed + self.removed


def verdict(rule: str, upstream: Upstream, map_index: int = -1) -> str | None:
    """The state that a trigger rule gives a task instance without running it; None: it runs.

    Raises:
        StepError: Airflow has a rule that is not known here.
    """
    u, bad = upstream, upstream.failed + upstream.upstream_failed
    if u.total == 0 or rule in ("always", "all_done"):
        return None
    if rule == "all_success":
        return _all_success(u, map_index)
    if rule == "all_failed":
        return SKIPPED if u.success or u.skipped else None
    if rule == "one_success":
        if u.total == u.skipped:
            return SKIPPED
        return None if u.success else UPSTREAM_FAILED
    if rule == "one_failed":
        return None if bad else SKIPPED
    if rule == "one_done":
        return None if u.failed or u.success else SKIPPED
    if rule == "none_failed":
        return UPSTREAM_FAILED if bad else None
    if rule == "none_failed_min_one_success":
        if bad:
            return UPSTREAM_FAILED
        if u.skipped == u.total:
            return SKIPPED
        return None if u.success else UPSTREAM_FAILED
    if rule == "none_skipped":
        return SKIPPED if u.skipped else None
    if rule == "all_skipped":
        return SKIPPED if u.success or bad else None
    if rule == "all_done_min_one_success":
        if u.skipped:
            return SKIPPED
        return None if u.success else UPSTREAM_FAILED
    if rule == "all_done_setup_success":
        if u.setups and u.setups_skipped >= u.setups:
            return SKIPPED
        return UPSTREAM_FAILED if u.setups and not u.setups_succeeded else None
    raise StepError(f"test runs do not know the trigger rule {rule!r}")


def setup_verdict(setups: Upstream, map_index: int = -1) -> str | None:
    """The state of a task instance in the scope of setups that it does not directly follow; None: they let it run."""
    return _all_success(setups, map_index)


def _all_success(u: Upstream, map_index: int) -> str | None:
    if u.failed or u.upstream_failed:
        return UPSTREAM_FAILED
    if u.skipped:
        return SKIPPED
    if u.removed and u.success and map_index >= u.success:
        return REMOVED
    return None
