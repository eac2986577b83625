"""Wrong wiring, found while the Dag file is read: an output that can never be what the next step takes, arguments that do not fit, fields that are not there.

Only what is certain is refused. What an annotation leaves open, or cannot be evaluated where Dags are parsed, is left to the check at run time.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from airflow.sdk.definitions._internal.expandinput import DictOfListsExpandInput, MappedArgument
from airflow.sdk.definitions.asset import BaseAsset
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.xcom_arg import ConcatXComArg, MapXComArg, PlainXComArg, XComArg, ZipXComArg

from sematic_airflow_provider.artifacts.batches import Batches
from sematic_airflow_provider.artifacts.handing import hints_of
from sematic_airflow_provider.errors import WiringError
from sematic_airflow_provider.lineage.naming import RETURN_KEY
from sematic_airflow_provider.steps.assignability import field_of, is_stream, member_of, never_fits
from sematic_airflow_provider.steps.wording import type_text, value_text

_OURS = str(Path(__file__).parents[1])
_PLAIN = (str, int, float, bool, type(None), list, dict, tuple, set, bytes)


def check_call(function: Callable[..., Any], task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Check what a step is called with.

    Raises:
        WiringError: an argument can never be what the parameter's annotation says; it says where this was written, and where the functions stand.
    """
    signature, hints = inspect.signature(function), _hints(function)
    for name, value in signature.bind_partial(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            for member in value:
                _check(function, task, name, member, hints)
        elif kind is inspect.Parameter.VAR_KEYWORD:
            for key, member in value.items():
                _check(function, task, key, member, {key: hints.get(name)})
        else:
            _check(function, task, name, value, hints)


def check_expansion(function: Callable[..., Any], task: Any, partial: Mapping[str, Any], expand_input: Any) -> None:
    """Check what a mapped step is called with: the arguments that all instances get, and one member of each collection.

    Raises:
        WiringError: as ``check_call`` does; also where a required argument is missing.
    """
    check_call(function, task, (), partial)
    if not isinstance(expand_input, DictOfListsExpandInput):
        if isinstance(expand_input.value, Sequence):
            _check_dicts(function, task, partial, expand_input.value)
        return
    hints = _hints(function)
    if twice := sorted({*partial} & {*expand_input.value}):
        raise _error(function, f"{_named(function)} gets {', '.join(twice)} from partial and from expand: give it once")
    given = {*partial, *expand_input.value}
    missing = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and parameter.name not in given | KNOWN_CONTEXT_KEYS
    ]
    if missing:
        raise _error(
            function, f"{_named(function)} is expanded without {', '.join(missing)}: give it to partial or expand"
        )
    for name, collection in expand_input.value.items():
        if isinstance(collection, (XComArg, MappedArgument)):
            member = _member(function, task, collection)
            _compare(function, name, member, hints.get(name), f"each instance gets {type_text(member)}", collection)
        elif isinstance(collection, Sequence):
            for member in collection:
                _check(function, task, name, member, hints)


def _check_dicts(function: Callable[..., Any], task: Any, partial: Mapping[str, Any], dicts: Sequence[Any]) -> None:
    """Check what ``expand_kwargs`` was given, as far as it is written out in the Dag file."""
    for arguments in dicts:
        if not isinstance(arguments, Mapping):
            continue
        context = {name: None for name in inspect.signature(function).parameters if name in KNOWN_CONTEXT_KEYS}
        try:
            inspect.signature(function).bind(**{**context, **partial, **arguments})
        except TypeError as error:
            raise misfit(function, error) from None
        check_call(function, task, (), arguments)


def check_context_names(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments for parameters that Airflow fills from its context.

    Raises:
        WiringError: there is one.
    """
    names = list(inspect.signature(function).parameters)[: len(args)]
    for name in (*names, *kwargs):
        if name in KNOWN_CONTEXT_KEYS:
            raise _error(
                function,
                f"{_named(function)} gets an argument {name}, which Airflow fills itself from the context of the run: give the parameter another name",
            )


def misfit(function: Callable[..., Any], reason: TypeError) -> WiringError:
    """The error for arguments that the signature does not take."""
    return _error(function, f"{_named(function)}{_signature(function)}: {reason}")


def _check(function: Callable[..., Any], task: Any, name: str, value: Any, hints: Mapping[str, Any]) -> None:
    wanted = hints.get(name)
    if isinstance(value, (XComArg, MappedArgument)):
        given = _type_of(function, task, value)
        _compare(function, name, given, wanted, f"{_source(value)} gives {type_text(given)}", value)
    elif type(value) is str and _is_template(value):
        if wanted is not None and never_fits(str, wanted) and _templates_give_text(task):
            raise _error(
                function,
                f"{_named(function)}: argument {name} should be {type_text(wanted)}, the template {value!r} gives text. Convert it in the step, "
                "or say render_template_as_native_obj=True where the Dag is made",
            )
    elif type(value) in _PLAIN and not isinstance(value, BaseAsset) and wanted is not None:
        if never_fits(_literal(value), wanted):
            raise _error(
                function,
                f"{_named(function)}: argument {name} should be {type_text(wanted)}, it is {value_text(value)}",
            )
        _check_members(function, task, name, value, wanted)
    elif type(value) is type(None) and wanted is not None and never_fits(None, wanted):
        raise _error(function, f"{_named(function)}: argument {name} should be {type_text(wanted)}, it is None")


def _check_members(function: Callable[..., Any], task: Any, name: str, value: Any, wanted: Any) -> None:
    """Check the outputs of steps in a list or dict that is written in the Dag file."""
    if type(value) not in (list, dict):
        return
    for member in value.values() if type(value) is dict else value:
        if isinstance(member, XComArg):
            given = _type_of(function, task, member)
            generic: Any = dict
            whole = _list_of(given) if type(value) is list else generic[Any, given]
            _compare(function, name, whole, wanted, f"{_source(member)} in it gives {type_text(given)}", member)


def _literal(value: Any) -> Any:
    generic: Any = typing.Literal
    return generic[value] if type(value) in (str, int, bool, bytes) else type(value)


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _templates_give_text(task: Any) -> bool:
    native = getattr(task, "render_template_as_native_obj", None)
    return native is False or (native is None and task.dag is not None and not task.dag.render_template_as_native_obj)


def _compare(function: Callable[..., Any], name: str, given: Any, wanted: Any, told: str, value: Any) -> None:
    if wanted is not None and never_fits(given, wanted):
        raise _error(
            function, f"{_named(function)}: argument {name} should be {type_text(wanted)}, {told}", *_functions(value)
        )


def _type_of(function: Callable[..., Any], task: Any, value: Any) -> Any:
    """The annotation of what an argument will be; Any where that is not known."""
    if isinstance(value, MappedArgument):
        source = value._input.value
        return _member(function, task, source[value._key]) if isinstance(source, dict) else Any
    if isinstance(value, MapXComArg):
        return _list_of(_of_map(value))
    if not isinstance(value, PlainXComArg):
        return list
    operator = value.operator
    given = _returned(operator)
    if given is Any:
        return Any
    if value.key != RETURN_KEY:
        given = _field(function, value, given)
    if isinstance(operator, MappedOperator):
        return _list_of(given)
    group = operator.get_closest_mapped_task_group()
    if group is not None and group is not task.get_closest_mapped_task_group():
        return _list_of(given)
    return given


def _member(function: Callable[..., Any], task: Any, collection: Any) -> Any:
    """The annotation of one member of what a step is expanded over."""
    if isinstance(collection, ZipXComArg):
        members = tuple(_member(function, task, one) for one in collection.args)
        generic: Any = tuple
        return generic[members]
    if isinstance(collection, ConcatXComArg):
        members = tuple(_member(function, task, one) for one in collection.args)
        return Any if Any in members else members[0]
    if isinstance(collection, MapXComArg):
        return _of_map(collection)
    if not isinstance(collection, (XComArg, MappedArgument)):
        return Any
    given = _type_of(function, task, collection)
    try:
        return member_of(given)
    except TypeError as error:
        raise _error(
            function,
            f"{_named(function)} is expanded over what {_source(collection)} gives, which is {type_text(given)}: {error}",
            *_functions(collection),
        ) from None


def _list_of(member: Any) -> Any:
    generic: Any = list
    return generic[member]


def _of_map(value: MapXComArg) -> Any:
    last = value.callables[-1]
    return _hints(last).get("return", Any) if inspect.isfunction(last) else Any


def _field(function: Callable[..., Any], value: PlainXComArg, given: Any) -> Any:
    source = value.operator.python_callable
    if {"ti", "task_instance", "context"} & set(inspect.signature(source).parameters):
        return Any  # it may push what it likes
    try:
        return field_of(given, value.key)
    except KeyError as error:
        fields = ", ".join(map(str, error.args)) or "none"
        raise _error(
            function,
            f"{_named(function)} takes {value.key!r} of what {_named(source)} returns, which is {type_text(given)} and has no such field. Its fields: {fields}",
            source,
        ) from None


def _returned(operator: Any) -> Any:
    function = getattr(operator, "python_callable", None)
    if function is None or operator.operator_name not in ("@task", "@task.sematic"):
        return Any  # what other operators push is not what their function returns
    given = _hints(function).get("return", Any)
    if is_stream(given):
        return _batches_of(given) if inspect.isgeneratorfunction(function) else Any
    return given


def _batches_of(stream: Any) -> Any:
    """What arrives of what a generator function yields."""
    members = typing.get_args(stream)
    generic: Any = Batches
    return generic[members[0]] if members else generic


@lru_cache(maxsize=1024)
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return hints_of(function)


def _source(value: Any) -> str:
    operator = getattr(value, "operator", None)
    if operator is None:
        return "what it is called with"
    key = f"[{value.key!r}]" if value.key != RETURN_KEY else ""
    mapped = " (one of each instance)" if isinstance(operator, MappedOperator) else ""
    return f"{operator.task_id}(){key}{mapped}"


def _functions(value: Any) -> Iterator[Callable[..., Any]]:
    if isinstance(value, XComArg):
        for operator, _ in value.iter_references():
            if (function := getattr(operator, "python_callable", None)) is not None:
                yield function


def _named(function: Callable[..., Any]) -> str:
    return f"step {function.__qualname__}"


def _signature(function: Callable[..., Any]) -> str:
    return f"({', '.join(inspect.signature(function).parameters)})"


def _error(function: Callable[..., Any], message: str, *sources: Callable[..., Any]) -> WiringError:
    lines = [message, f"  wired at {_wired_at()}"]
    for one in dict.fromkeys((function, *sources)):
        code = getattr(inspect.unwrap(one), "__code__", None)
        if code is not None:
            lines.append(f"  {one.__qualname__} stands at {code.co_filename}:{code.co_firstlineno}")
    return WiringError("\n".join(lines))


def _wired_at() -> str:
    """File and line of the Dag file that wires: the innermost frame that is neither ours nor Airflow's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_OURS) and not frame.f_globals.get("__name__", "").startswith("airflow."):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
