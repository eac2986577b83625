"""Module variables that functions fill while they run: caches, counters, registries of one process.

Their value depends on what ran before, so it is no constant: such a variable counts by the statement that makes it. One that functions fill while the
module is imported is a constant like any other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import lru_cache

from sematic_airflow_provider.steps.scopes import function_scope
from sematic_airflow_provider.steps.units import Parsed, Unit, root_of

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_CHANGING = frozenset(
    {
        "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem", "popleft", "put",
        "remove", "reverse", "setdefault", "sort", "subtract", "update",
    }
)  # fmt: skip

_MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"})
MEMBERS = "[]"
_CHANGED = r"(\w+)\s*(?:\[|\.(\w+)\()"
_GLOBAL = r"\bglobal ([^\n#;]+)"


def may_be_memory(parsed: Parsed, name: str) -> bool:
    """A quick look at the text, to spare most modules the long one."""
    return name in _candidates(parsed)


@lru_cache(maxsize=256)
def _candidates(parsed: Parsed) -> set[str]:
    found = {name for name, method in re.findall(_CHANGED, parsed.text) if not method or method in _CHANGING}
    for names in re.findall(_GLOBAL, parsed.text):
        found.update(name.strip() for name in names.split(","))
    return found


def fillers(parsed: Parsed, name: str) -> set[str]:
    """The top-level functions and classes that change this variable when they run."""
    return _fillers(parsed).get(name, set())


@lru_cache(maxsize=256)
def _fillers(parsed: Parsed) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for unit in parsed.units:
        if isinstance(unit.node, _DEFINITIONS):
            for name in _changed(unit.node):
                found.setdefault(name, set()).add(unit.node.name)
    return found


def _changed(definition: ast.AST) -> set[str]:
    found: set[str] = set()
    for function in ast.walk(definition):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        scope = function_scope(function, None)
        changed = set(scope.declared_global)
        for node in ast.walk(function):
            root: str | None = None
            if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
                root = root_of(node)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
                root = root_of(node.func)
            if root is not None:
                changed.add(root)
        found |= changed - scope.bound
    return found


@lru_cache(maxsize=256)
def changed_attributes(parsed: Parsed) -> set[str]:
    """Names of attributes that functions of the module set or change when they run, but for those that make an object or a class; ``[]`` are the members
    of an object itself."""
    found: set[str] = set()
    for unit in parsed.units:
        for function in ast.walk(unit.node) if isinstance(unit.node, _DEFINITIONS) else ():
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and function.name not in _MAKERS:
                for node in ast.walk(function):
                    found |= _attributes_changed(node)
    return found


def _attributes_changed(node: ast.AST) -> set[str]:
    changed: ast.AST | None = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
        changed = node.func.value
    elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
        changed = node
    found: set[str] = set()
    is_member = isinstance(node, (ast.Call, ast.Subscript))
    while isinstance(changed, (ast.Subscript, ast.Attribute)):
        if isinstance(changed, ast.Attribute):
            found.add(changed.attr)
        changed = changed.value
    if is_member and not found and isinstance(changed, ast.Name) and changed.id == "self":
        found.add(MEMBERS)
    return found


def run_on_import(parsed: Parsed, steps: Iterable[str]) -> set[str]:
    """Names of functions and classes that run, or may run, while the module is imported; calls of steps only wire them."""
    wired = set(steps)
    definitions: dict[str, list[Unit]] = {}
    pending: set[str] = set()
    for unit in parsed.units:
        if isinstance(unit.node, _DEFINITIONS):
            definitions.setdefault(unit.node.name, []).append(unit)
            pending |= set(unit.uses(unit.decorators).names) if isinstance(unit.node, ast.ClassDef) else set()
            pending |= {name for decorator in unit.decorators if (name := _root_of_call(decorator))}
        elif not isinstance(unit.node, (ast.Import, ast.ImportFrom)):
            pending |= set(unit.uses(()).names)
    reached: set[str] = set()
    while pending:
        name = pending.pop()
        if name in reached or name in wired:
            continue
        reached.add(name)
        for unit in definitions.get(name, ()):
            pending |= set(unit.uses(()).names)
    return reached


def _root_of_call(node: ast.expr) -> str | None:
    return root_of(node.func if isinstance(node, ast.Call) else node)
