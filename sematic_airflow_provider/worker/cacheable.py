"""Which functions can be cached: those whose result is determined by what their key can tell."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from sematic_airflow_provider.steps.policy import CachePolicy, policy_of

PLAIN = frozenset(
    {
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "expanded_ti_count",
        "logical_date",
        "map_index_template",
        "params",
        "partition_date",
        "partition_key",
        "prev_data_interval_end_success",
        "prev_data_interval_start_success",
        "prev_end_date_success",
        "prev_start_date_success",
        "run_id",
        "task_instance_key_str",
        "task_reschedule_count",
        "templates_dict",
        "test_mode",
        "try_number",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
    }
)
"""What of Airflow's context is plain data: it enters the key. All else is objects, through which a function can reach anything."""

_REACH_IN = ("get_current_context",)


def checked_policy(given: object, function: Callable[..., Any]) -> None:
    """See when a Dag file is read that ``cache=…`` is meant well, and that the function can be cached.

    Raises:
        TypeError, ValueError: it cannot be; with what to do.
    """
    policy = policy_of(given)
    if policy is not None:
        policy.check(function)
        check_cacheable(function, policy)


def check_cacheable(function: Callable[..., Any], policy: CachePolicy) -> None:
    """Refuse a function that cannot be cached.

    Raises:
        ValueError: which argument is why, and what to do.
    """
    reason = why_not_cacheable(function, policy)
    if reason is not None:
        raise ValueError(f"{getattr(function, '__qualname__', function)} cannot be cached: {reason}")


def why_not_cacheable(function: Callable[..., Any], policy: CachePolicy) -> str | None:
    """Why the result of a function is not determined by its key; None where it is."""
    parameters = inspect.signature(function).parameters.values()
    objects = [
        parameter.name
        for parameter in parameters
        if parameter.name in KNOWN_CONTEXT_KEYS - PLAIN and parameter.name not in policy.ignore
    ]
    if objects:
        names = ", ".join(objects)
        return (
            f"it takes {names} from Airflow's context, through which it can reach anything. Take plain values instead, such as ds, params or "
            f'"{{{{ ds }}}}" as an argument, say cache=CachePolicy(ignore={objects!r}) where it does not matter for the result, or cache=False'
        )
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD and parameter.name not in policy.ignore:
            return (
                f"it takes all of Airflow's context by **{parameter.name}. Name the values that it needs, say "
                f"cache=CachePolicy(ignore=[{parameter.name!r}]) where they do not matter for the result, or cache=False"
            )
    if used := sorted(set(_REACH_IN).intersection(_names_in(function))):
        return f"it calls {used[0]}(), through which it can reach anything. Take the values that it needs as arguments, or say cache=False"
    return None


def returns_nothing(function: Callable[..., Any]) -> bool:
    """Whether a function is annotated so."""
    return getattr(function, "__annotations__", {}).get("return", function) in (None, "None", type(None))


def _names_in(function: Callable[..., Any]) -> Iterable[str]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_names if code is not None else ()
