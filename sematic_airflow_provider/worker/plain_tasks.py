"""What lineage is told about a task that is no step of ours: its function, what it was given, its inlets and outlets, the parameters of its run.

Airflow's provider tells none of these of a ``@task``: of a Python function it knows the source only where a classic ``PythonOperator`` calls it, declared
inlets and outlets only where no hook has told of anything, and parameters never.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg

from sematic_airflow_provider.lineage import source
from sematic_airflow_provider.lineage.capture import Capture
from sematic_airflow_provider.lineage.sensitive import without_assigned_secrets, without_credentials
from sematic_airflow_provider.worker.asset_uris import described
from sematic_airflow_provider.worker.circumstances import parameters_of
from sematic_airflow_provider.worker.context import step_key
from sematic_airflow_provider.worker.redaction import redacted

log = logging.getLogger(__name__)

_LONGEST = 256
_LARGEST = 1024
_MOST = 100
_CODE = frozenset({"bash", "sql", "py", "python", "html", "powershell", "hql", "doc_md", "doc_json", "doc_yaml"})
"""How Airflow's UI shows template fields that are code: they are no arguments, and what may be told of code has a setting of its own."""
_NEVER = ("env", "header", "secret", "conn_id")
"""Parts of the names of template fields that are not told."""
_OWN_SOURCE = frozenset({"PythonOperator", "BashOperator"})
"""Operators whose source Airflow's provider sends itself."""


def task_facet(task_instance: Any, context: Mapping[str, Any], step: Capture | None, state: str) -> dict[str, Any]:
    """The content of the run facet ``sematic_task``, without secrets."""
    task = task_instance.task
    function = getattr(task, "python_callable", None)
    found = source.locate(function) if callable(function) else None
    key = step_key(task_instance)
    return {
        "dagId": key.dag_id,
        "dagRunId": key.run_id,
        "taskId": key.task_id,
        "mapIndex": key.map_index,
        "tryNumber": key.try_number,
        "operator": f"{type(task).__module__}.{type(task).__qualname__}",
        "function": found.function if found else None,
        "file": found.file if found else None,
        "line": found.line if found else None,
        "arguments": redacted(dict(arguments_of(task, context, step))),
        "inlets": redacted([described(one) for one in task.inlets[:_MOST]]),
        "outlets": redacted([described(one) for one in task.outlets[:_MOST]]),
        "state": state,
    }


def parameters(context: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the run and what it was triggered with, without secrets."""
    found: dict[str, Any] = redacted(parameters_of(context))
    return found


def source_of(task: Any) -> str | None:
    """The text of a TaskFlow function; None where there is none, or Airflow's provider tells it."""
    function = getattr(task, "python_callable", None)
    if not callable(function) or task.task_type in _OWN_SOURCE:
        return None
    return source.locate(function).text


def arguments_of(task: Any, context: Mapping[str, Any], step: Capture | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a task was given, by name: a ref, or a small plain value, or the type of what is neither. Not redacted yet."""
    refs = {(pull.task_id, pull.key): ref for pull, ref in step.pulls.items() if ref is not None} if step else {}
    given, written = _given(task, context), _written(task)
    for name, value in list(given.items())[:_MOST]:
        declared = written.get(name)
        ref = refs.get((declared.operator.task_id, declared.key)) if isinstance(declared, PlainXComArg) else None
        if ref is not None:
            yield name, ref.to_json()
        elif not isinstance(value, XComArg):  # it is one still where the task failed before it was resolved
            yield name, _shown(value)


def _given(task: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    function = getattr(task, "python_callable", None)
    if not callable(function):
        return dict(_template_fields(task))
    written = _written(task)
    named = {
        name: value
        for name, value in dict(getattr(task, "op_kwargs", None) or {}).items()
        if name in written or name not in context  # Airflow adds what the function takes of its context
    }
    positional = list(getattr(task, "op_args", None) or ())
    return {**dict(zip(_positions(function, len(positional)), positional, strict=False)), **named}


def _written(task: Any) -> dict[str, Any]:
    """The arguments as the Dag file has them, by name."""
    dag = getattr(task, "dag", None)
    operator = dag.task_dict.get(task.task_id, task) if dag is not None else task
    if not hasattr(operator, "partial_kwargs"):
        function, args = getattr(operator, "python_callable", None), list(getattr(operator, "op_args", None) or ())
        names = _positions(function, len(args)) if callable(function) else []
        return {**dict(zip(names, args, strict=False)), **dict(getattr(operator, "op_kwargs", None) or {})}
    found = dict(operator.partial_kwargs.get("op_kwargs") or {})
    expanded = operator._get_specified_expand_input().value
    if isinstance(expanded, Mapping):  # the argument is a member of what stands here
        found |= dict.fromkeys(expanded)
    return found


def _positions(function: Callable[..., Any], count: int) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return [names[index] if index < len(names) else str(index) for index in range(count)]


def _template_fields(task: Any) -> Iterator[tuple[str, Any]]:
    """Of a classic operator: what the Dag file may template, where it is short and no code."""
    renderers = getattr(task, "template_fields_renderers", None) or {}
    for name in task.template_fields:
        if renderers.get(name) in _CODE or any(part in name.lower() for part in _NEVER):
            continue
        value = getattr(task, name, None)
        if value is None or value == "" or callable(value):
            continue
        if _is_scalar(value) or (isinstance(value, (list, tuple)) and all(map(_is_scalar, value))):
            yield name, value


def _shown(value: Any) -> dict[str, Any]:
    if _is_scalar(value):
        return {"value": _clean(value)}
    if isinstance(value, (list, tuple, dict)):
        try:
            text = json.dumps(value, allow_nan=False) if len(value) < _LARGEST else ""
        except (TypeError, ValueError, RecursionError):
            text = ""
        if 0 < len(text) <= _LARGEST:
            return {"value": _clean(json.loads(text))}
    kind = type(value)
    return {"type": f"{kind.__module__}.{kind.__qualname__}"}


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST
    return value is None or (type(value) in (bool, int, float) and value == value and abs(value) < 2**63)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return without_credentials(without_assigned_secrets(value))
    if isinstance(value, list):
        return [_clean(member) for member in value]
    if isinstance(value, dict):
        return {key: _clean(member) for key, member in value.items()}
    return value
