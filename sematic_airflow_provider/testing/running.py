"""Run a Dag in this process: the order of its tasks, their states, and what they leave."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.testing import mapping, rules
from sematic_airflow_provider.testing.attempts import Attempt, attempt
from sematic_airflow_provider.testing.step_results import MappedResult, StepResult
from sematic_airflow_provider.testing.supervisor import Supervisor

_ENDED = (rules.SUCCESS, rules.SKIPPED, rules.FAILED)


class Running:
    """One run of one Dag: its tasks one after another, in an order in which each comes after those that it depends on.

    Args:
        dag: the Dag.
        selected: the tasks that take part; others are as if they were not in the Dag.
        prepared: gives the task to execute for a task of the Dag: itself, or one with a fake.
    """

    def __init__(
        self, dag: Any, selected: Collection[str], prepared: Callable[[Any], Any], repository: Repository
    ) -> None:
        self.dag = dag
        self.steps: dict[str, StepResult | MappedResult] = {}
        self.states: dict[str, str] = {}
        self._selected = frozenset(selected)
        self._prepared = prepared
        self._repository = repository
        self._ended: dict[str, dict[int, str]] = {}
        self._has_setups = any(task.is_setup for task in dag.tasks)
        self._stopped = False

    def count(self, task_id: str) -> int:
        """How many instances a task has, by now."""
        return len(self._ended.get(task_id, ()))

    def run(self, supervisor: Supervisor) -> None:
        """Run all selected tasks."""
        for task_id in in_order(self.dag, self._selected):
            self._run_task(self.dag.get_task(task_id), supervisor)

    def _run_task(self, task: Any, supervisor: Supervisor) -> None:
        if not mapping.is_mapped(task):
            self.steps[task.task_id] = self._run_instance(task, -1, supervisor)
            return
        number = mapping.number_of_instances(task, None)
        if (
            number is None
        ):  # what it is mapped over comes from other tasks: first see whether they let it be mapped at all
            state = self._verdict(task, -1, supervisor)
            number = mapping.number_of_instances(task, supervisor) if state is None else 0
            if state is None and number is None:
                state = rules.UPSTREAM_FAILED
        else:
            state = None
        if not number:
            state = state or rules.SKIPPED
            self._ended[task.task_id] = {-1: state}
            self.states[task.task_id] = state
            self.steps[task.task_id] = MappedResult(task.task_id, (), state)
            return
        self._ended[task.task_id] = dict.fromkeys(range(number), "")  # so that they are counted while they run
        instances = [self._run_instance(task, index, supervisor) for index in range(number)]
        self.steps[task.task_id] = MappedResult(task.task_id, instances, _state_of([i.state for i in instances]))

    def _run_instance(self, task: Any, map_index: int, supervisor: Supervisor) -> StepResult:
        attempts: list[Attempt] = []
        state = self._verdict(task, map_index, supervisor)
        if state is None:
            state = self._try(task, map_index, supervisor, attempts)
        self._ended.setdefault(task.task_id, {})[map_index] = state
        result = StepResult(task.task_id, map_index, state, attempts, supervisor, self._repository)
        self.states[result.name] = state
        if state == rules.FAILED and getattr(self.dag, "fail_fast", False):
            self._stopped = True
        return result

    def _try(self, task: Any, map_index: int, supervisor: Supervisor, attempts: list[Attempt]) -> str:
        prepared, retries = self._prepared(task), task.retries or 0
        for number in range(1, retries + 2):
            attempts.append(attempt(prepared, supervisor, map_index=map_index, try_number=number, retries=retries))
            _let_go(attempts[-1])
            if attempts[-1].state != "up_for_retry":
                break
        state = attempts[-1].state
        if state not in _ENDED:
            raise StepError(
                f"task {task.task_id} went to {state}, waiting for something outside: give it a fake, fakes={{{task.task_id!r}: …}}"
            )
        return state

    def _verdict(self, task: Any, map_index: int, supervisor: Supervisor) -> str | None:
        """The state in which an instance ends without running, None: it runs."""
        rule = str(getattr(task.trigger_rule, "value", task.trigger_rule))
        if rule == "always":
            return None  # under Airflow it would have run before any other task could say that it is to be skipped
        if {(task.task_id, map_index), (task.task_id, -1)} & supervisor.skipped:
            return rules.SKIPPED
        if self._stopped and not task.is_teardown:
            return rules.SKIPPED
        direct = [i for i in task.upstream_task_ids if i in self._selected]
        if self._has_setups and not task.is_teardown:
            indirect = [
                t.task_id
                for t in task.get_upstreams_only_setups()
                if t.task_id in self._selected and t.task_id not in task.upstream_task_ids
            ]
            state = rules.setup_verdict(
                rules.Upstream.of(self._states_of(task, map_index, indirect, supervisor)), map_index
            )
            if state is not None:
                return state
        if not direct:
            return None
        return rules.verdict(rule, rules.Upstream.of(self._states_of(task, map_index, direct, supervisor)), map_index)

    def _states_of(
        self, task: Any, map_index: int, upstream_ids: Collection[str], supervisor: Supervisor
    ) -> Iterator[tuple[str, bool]]:
        """States of the upstream instances that an instance depends on, each with whether it is of a setup."""
        grouped = task.get_closest_mapped_task_group() is not None
        for upstream_id in upstream_ids:
            upstream, ended = self.dag.get_task(upstream_id), self._ended[upstream_id]
            wanted: Collection[int] = ended
            if grouped and map_index < 0 and mapping.in_one_group(task, upstream):
                fast = str(getattr(task.trigger_rule, "value", task.trigger_rule)) in rules.FAST
                wanted = ended if fast and upstream_id not in set(mapping.sources(task)) else ()
            elif grouped:
                relevant = mapping.relevant(task, map_index, upstream, supervisor)
                wanted = ended if relevant is None else [i for i in ended if i < 0 or i in relevant]
            yield from ((ended[index], bool(upstream.is_setup)) for index in wanted)


def in_order(dag: Any, selected: Collection[str]) -> list[str]:
    """Task ids so that each comes after those it depends on; where that leaves a choice, in the order in which the Dag has them."""
    position = {task_id: number for number, task_id in enumerate(dag.task_dict)}
    waiting = {i: sum(1 for u in dag.get_task(i).upstream_task_ids if u in selected) for i in selected}
    ready = [position[task_id] for task_id, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    ids, ordered = list(dag.task_dict), []
    while ready:
        task_id = ids[heapq.heappop(ready)]
        ordered.append(task_id)
        for following in dag.get_task(task_id).downstream_task_ids:
            if following in waiting:
                waiting[following] -= 1
                if waiting[following] == 0:
                    heapq.heappush(ready, position[following])
    return ordered


def state_of_run(dag: Any, selected: Collection[str], states: Mapping[str, list[str]]) -> str:
    """``failed`` or ``success``, as Airflow decides: by the tasks that nothing follows but teardowns whose failure does not count."""

    def counts(task: Any) -> bool:
        following = [dag.get_task(i) for i in task.downstream_task_ids if i in selected]
        if any(not t.is_teardown or t.on_failure_fail_dagrun for t in following):
            return False
        return not task.is_teardown or bool(task.on_failure_fail_dagrun)

    leaves = [task_id for task_id in selected if counts(dag.get_task(task_id))] or list(selected)
    ended = {state for task_id in leaves for state in states[task_id]}
    return "failed" if ended & {rules.FAILED, rules.UPSTREAM_FAILED} else "success"


def _state_of(states: list[str]) -> str:
    for state in (rules.FAILED, rules.UPSTREAM_FAILED, rules.SUCCESS, rules.SKIPPED):
        if state in states:
            return state
    return rules.REMOVED


def _let_go(done: Attempt) -> None:
    """Drop the values that the task instance holds: they are in the store, and a run may have many."""
    task = done.task_instance.task
    if hasattr(task, "op_kwargs"):
        task.op_args, task.op_kwargs = [], {}
    done.task_instance._cached_template_context = None
