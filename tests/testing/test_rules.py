"""Trigger rules, beside Airflow's own evaluation of them."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import TriggerRule

from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.testing.rules import Upstream, setup_verdict, verdict

STATES = ("success", "skipped", "failed", "upstream_failed", "removed")
ENDED = [(state, setup) for state in STATES for setup in (False, True)]


def airflows_verdict(rule: str, ended: tuple[tuple[str, bool], ...], map_index: int) -> str | None:
    """What TriggerRuleDep decides of a task after these: a state, ``run``, or ``waits`` for ever."""
    from airflow.ti_deps.dep_context import DepContext
    from airflow.ti_deps.deps.trigger_rule_dep import TriggerRuleDep

    upstream = {
        f"t{n}": SimpleNamespace(task_id=f"t{n}", is_setup=setup, get_needs_expansion=lambda: False)
        for n, (_, setup) in enumerate(ended)
    }
    finished: list[Any] = [
        SimpleNamespace(task_id=f"t{n}", state=state, map_index=-1, task=upstream[f"t{n}"])
        for n, (state, _) in enumerate(ended)
    ]
    task = SimpleNamespace(
        upstream_task_ids=set(upstream),
        upstream_list=list(upstream.values()),
        trigger_rule=rule,
        is_teardown=rule == "all_done_setup_success",
        dag=None,
        get_closest_mapped_task_group=lambda: None,
        get_upstreams_only_setups=lambda: (),
    )
    given: list[str] = []
    instance: Any = SimpleNamespace(
        task=task,
        map_index=map_index,
        get_dagrun=lambda session: None,
        set_state=lambda state, session: given.append(str(getattr(state, "value", state))) or True,
    )
    context = DepContext(flag_upstream_failed=True, finished_tis=finished)
    statuses = list(TriggerRuleDep()._get_dep_statuses(instance, context, session=None))  # type: ignore[arg-type]
    if given:
        return given[0]
    return "waits" if any(not status.passed for status in statuses) else None


@pytest.mark.parametrize("rule", [rule.value for rule in TriggerRule])
def test_every_rule_decides_as_airflow_does_whatever_the_upstream_tasks_did(rule: str) -> None:
    for size in (1, 2, 3):
        for ended in itertools.combinations_with_replacement(ENDED, size):
            for map_index in (-1, 0, 1):
                theirs = airflows_verdict(rule, ended, map_index)
                if theirs == "waits":  # upstream instances that a smaller list removed: Airflow leaves the task waiting
                    assert any(state == "removed" for state, _ in ended)
                    continue
                assert verdict(rule, Upstream.of(ended), map_index) == theirs, (rule, ended, map_index)


def test_a_task_without_upstream_tasks_runs() -> None:
    assert all(verdict(rule.value, Upstream()) is None for rule in TriggerRule)


def test_a_task_in_the_scope_of_a_setup_needs_it_whatever_its_rule() -> None:
    assert setup_verdict(Upstream(success=1)) is None
    assert setup_verdict(Upstream(success=1, failed=1)) == "upstream_failed"
    assert setup_verdict(Upstream(upstream_failed=1)) == "upstream_failed"
    assert setup_verdict(Upstream(skipped=1)) == "skipped"


def test_a_rule_that_is_not_known_is_named() -> None:
    with pytest.raises(StepError, match="some_new_rule"):
        verdict("some_new_rule", Upstream(success=1))
