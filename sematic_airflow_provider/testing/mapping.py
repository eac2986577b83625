"""How many instances a mapped task has, and which upstream instances one of them depends on: what Airflow's scheduler works out from its tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from airflow.sdk.definitions.xcom_arg import ConcatXComArg, MapXComArg, XComArg, ZipXComArg

from sematic_airflow_provider.testing.supervisor import Supervisor


def is_mapped(task: Any) -> bool:
    """Whether a task has several instances: it is mapped, or stands in a mapped group."""
    return bool(task.is_mapped) or task.get_closest_mapped_task_group() is not None


def number_of_instances(task: Any, supervisor: Supervisor | None) -> int | None:
    """How many instances a mapped task has.

    None: it cannot be told, because what it is mapped over was not pushed; without a supervisor, because it is pushed only while the Dag runs.
    """
    inputs = [group._expand_input for group in task.iter_mapped_task_groups()]
    if task.is_mapped:
        inputs.append(task._get_specified_expand_input())
    lengths = [_length_of_input(one, supervisor) for one in inputs]
    return None if None in lengths else math.prod(length for length in lengths if length is not None)


def sources(task: Any) -> Iterator[str]:
    """Ids of the tasks whose output says how many instances there are."""
    nodes = [*task.iter_mapped_task_groups(), *([task] if task.is_mapped else [])]
    return (operator.task_id for node in nodes for operator in node.iter_mapped_dependencies())


def relevant(task: Any, map_index: int, upstream: Any, supervisor: Supervisor) -> range | None:
    """The instances of an upstream task that this instance depends on; None: all of them.

    Inside a mapped group an instance depends on those of the same pass through the group.
    """
    shared = _shared_group(task, upstream)
    if map_index < 0 or shared is None:
        return None
    passes = _passes(shared, supervisor)
    mine, theirs = number_of_instances(task, supervisor), number_of_instances(upstream, supervisor)
    if not passes or not mine or not theirs:
        return None
    here, share = map_index * passes // mine, theirs // passes
    return range(here * share, (here + 1) * share)


def in_one_group(task: Any, upstream: Any) -> bool:
    """Whether both stand in one mapped group."""
    return _shared_group(task, upstream) is not None


def _shared_group(task: Any, upstream: Any) -> Any:
    theirs = {group.group_id for group in upstream.iter_mapped_task_groups()}
    return next((group for group in task.iter_mapped_task_groups() if group.group_id in theirs), None)


def _passes(group: Any, supervisor: Supervisor) -> int | None:
    lengths = [_length_of_input(one._expand_input, supervisor) for one in group.iter_mapped_task_groups()]
    return None if None in lengths else math.prod(length for length in lengths if length is not None)


def _length_of_input(expand_input: Any, supervisor: Supervisor | None) -> int | None:
    value = expand_input.value
    if expand_input.EXPAND_INPUT_TYPE == "list-of-dicts":
        return _length(value, supervisor)
    if not value:
        return 0
    lengths = [_length(one, supervisor) for one in value.values()]
    return None if None in lengths else math.prod(length for length in lengths if length is not None)


def _length(value: Any, supervisor: Supervisor | None) -> int | None:
    if not isinstance(value, XComArg):
        return len(value)
    if isinstance(value, MapXComArg):
        return _length(value.arg, supervisor)
    if isinstance(value, (ZipXComArg, ConcatXComArg)):
        lengths = [_length(arg, supervisor) for arg in value.args]
        known = [length for length in lengths if length is not None]
        if len(known) != len(lengths):
            return None
        if isinstance(value, ConcatXComArg):
            return sum(known)
        return max(known) if _is_given(value.fillvalue) else min(known)
    if supervisor is None:
        return None
    source = value.operator  # type: ignore[attr-defined, unused-ignore]
    return supervisor.pushed(source.task_id) if source.is_mapped else supervisor.lengths.get(source.task_id)


def _is_given(fillvalue: Any) -> bool:
    from airflow.sdk.definitions._internal.types import NOTSET

    return fillvalue is not NOTSET
