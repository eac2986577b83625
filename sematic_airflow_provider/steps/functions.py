"""Run-time functions and the statements that define them."""

from __future__ import annotations

import ast
import dis
import functools
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sematic_airflow_provider.steps.modules import SourceModule, is_ours
from sematic_airflow_provider.steps.scopes import Scope, function_scope, scope_of
from sematic_airflow_provider.steps.units import Unit

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_EMPTY_MAKERS = frozenset(
    {"dict", "list", "set", "OrderedDict", "defaultdict", "deque", "Counter", "WeakKeyDictionary"}
)


@dataclass(slots=True, eq=False)
class Written:
    """Where a function is written: the unit, the definitions from there down to it, and the scope that it stands in."""

    unit: Unit
    path: list[Any]
    scope: Scope | None

    @property
    def node(self) -> Any:
        """Its own ``def`` statement."""
        return self.path[-1]

    @property
    def is_nested(self) -> bool:
        """Whether a function stands around it."""
        return any(not isinstance(node, ast.ClassDef) for node in self.path[:-1])


def layers(value: object) -> Iterator[Any]:
    """The thing itself and what it wraps: tasks, partials and functions below decorators, outermost first."""
    seen: set[int] = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        yield value
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        elif isinstance(value, (types.FunctionType, functools._lru_cache_wrapper)):
            value = getattr(value, "__wrapped__", None)
        elif is_ours(type(value).__module__):
            value = getattr(value, "function", None)
        elif isinstance(value, (functools.partial, functools.partialmethod, functools.cached_property)):
            value = value.func
        elif not isinstance(value, (type, types.ModuleType)):
            value = getattr(value, "__dict__", {}).get("__wrapped__")  # not by getattr: objects may answer to any name
        else:
            return


def innermost(function: Callable[..., Any]) -> types.FunctionType | None:
    """The Python function below all decorators; None where there is none."""
    found = [layer for layer in layers(function) if isinstance(layer, types.FunctionType)]
    return found[-1] if found else None


def written(module: SourceModule, function: types.FunctionType) -> Written | None:
    """Find the definition of a function in its module's text by name and line; None for lambdas and where the text has changed."""
    code = function.__code__
    if module.parsed is None or code.co_name == "<lambda>":
        return None
    for unit in module.parsed.units:
        if _first_line(unit.node) <= code.co_firstlineno <= getattr(unit.node, "end_lineno", 0):
            for found in _definitions(unit, unit.node, [], None, code):
                return found
    return None


def _definitions(
    unit: Unit, node: ast.AST, path: list[Any], scope: Scope | None, code: types.CodeType
) -> Iterator[Written]:
    inside, inner = path, scope
    if isinstance(node, _DEFINITIONS):
        inside = [*path, node]
        if isinstance(node, ast.ClassDef):
            inner = scope_of(node.body, scope, is_class=True)
        else:
            inner = function_scope(node, scope)
            if node.name == code.co_name and _first_line(node) == code.co_firstlineno:
                yield Written(unit, inside, scope)
    elif isinstance(node, ast.expr):
        return
    for child in ast.iter_child_nodes(node):
        yield from _definitions(unit, child, inside, inner, code)


def lambdas_at(module: SourceModule, line: int) -> list[ast.Lambda]:
    """The lambdas that start on a line."""
    units = module.parsed.units if module.parsed is not None else []
    around = [unit.node for unit in units if unit.node.lineno <= line <= (unit.node.end_lineno or 0)]
    return [
        found for node in around for found in ast.walk(node) if isinstance(found, ast.Lambda) and found.lineno == line
    ]


def _first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", ())
    return min([getattr(node, "lineno", 1 << 30), *(decorator.lineno for decorator in decorators)])


def names_in(code: types.CodeType) -> set[str]:
    """Global names that a code object and those in it use."""
    found = {str(step.argval) for step in dis.get_instructions(code) if step.opname in _GLOBAL}
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            found |= names_in(value)
    return found


def default_nodes(node: Any) -> dict[str, ast.expr]:
    """The expressions of a function's defaults by parameter."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    found = dict(zip([a.arg for a in positional[len(positional) - len(given.defaults) :]], given.defaults, strict=True))
    found |= {
        a.arg: default for a, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is not None
    }
    return found


def is_memory(around: Any, name: str) -> bool:
    """Whether a variable of the function ``around`` holds what functions in it keep from call to call: it starts empty and is not used there itself."""
    starts: list[ast.expr | None] = []
    pending: list[ast.AST] = list(around.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (*_DEFINITIONS, ast.Lambda)):
            continue
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                starts.append(node.value)
                continue
        if isinstance(node, ast.Name) and node.id == name:
            return False
        pending.extend(ast.iter_child_nodes(node))
    if not starts:
        return False
    if all(is_empty(start) for start in starts):
        return True
    kept = {n for inner in ast.walk(around) if isinstance(inner, ast.Nonlocal) for n in inner.names}
    return name in kept and all(isinstance(start, ast.Constant) for start in starts)


def computed_attributes(units: list[Unit], name: str) -> set[str]:
    """Class attributes whose values the text does not tell: they are computed in the body of the class, or set from outside."""
    found: set[str] = set()
    for unit in units:
        body = unit.node.body if isinstance(unit.node, ast.ClassDef) else [unit.node]
        for node in body:
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None or is_empty(node.value):
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(unit.node, ast.ClassDef):
                if any(isinstance(inner, (ast.Name, ast.Call)) for inner in ast.walk(node.value)):
                    found |= {target.id for target in targets if isinstance(target, ast.Name)}
            else:
                found |= {
                    target.attr
                    for target in targets
                    if isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id == name
                }
    return found


def literal_attributes(units: list[Unit]) -> dict[str, Any]:
    """Class attributes whose values stand in the text."""
    found: dict[str, Any] = {}
    for unit in units:
        for node in unit.node.body if isinstance(unit.node, ast.ClassDef) else ():
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return found


def is_empty(node: ast.expr | None) -> bool:
    """Whether an expression makes a new, empty container, or None."""
    if isinstance(node, ast.Dict):
        return not node.keys
    if isinstance(node, (ast.List, ast.Set)):
        return not node.elts
    if isinstance(node, ast.Constant):
        return node.value is None
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        return called in _EMPTY_MAKERS and all(isinstance(argument, ast.Name) for argument in node.args)
    return False
