"""A module's text as units: its top-level statements, each with the names that it binds or changes.

Blocks of ``if`` and ``with`` at the top level are taken apart, and imports of several names too: an edit of one part is no edit of another. What stands
in ``try``, ``for``, ``while`` and ``match`` stays together.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from sematic_airflow_provider.steps.normal import text_of
from sematic_airflow_provider.steps.scopes import ImportTarget, Uses, import_targets, scope_of, uses_of

Kind = Literal["definition", "import", "assignment", "change"]
"""How a statement gives a name its meaning; ``change`` is ``NAME[...] = …``, ``NAME.x = …``, ``NAME.append(…)`` and the like."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_HARMLESS_CALLS = frozenset({"print", "len", "isinstance"})


@dataclass(slots=True, eq=False)
class Unit:
    """One statement. ``guards`` are the conditions of the ``if`` blocks around it, ``blocks`` the ``with`` blocks; ``caller`` is what it calls, where it
    is nothing but a call.
    """

    node: ast.stmt
    guards: tuple[tuple[ast.expr, bool], ...]
    bindings: dict[str, list[Kind]]
    targets: dict[str, list[ImportTarget]] = field(default_factory=dict)
    caller: str | None = None
    blocks: tuple[ast.stmt, ...] = ()
    _text: str | None = None
    _uses: Uses | None = None

    @property
    def decorators(self) -> list[ast.expr]:
        """Those of the function or class, as they are written."""
        return self.node.decorator_list if isinstance(self.node, _DEFINITIONS) else []

    def text(self, kept: Iterable[ast.expr]) -> str:
        """Normal form of the statement with only these of its decorators."""
        if self._text is None:
            conditions = "".join(f"if {text_of(test)} {branch}: " for test, branch in self.guards)
            self._text = conditions + text_of(_undecorated(self.node))
        return " ".join([*(f"@{text_of(decorator)}" for decorator in kept), self._text])

    def uses(self, kept: Iterable[ast.expr]) -> Uses:
        """What the statement uses, with only these of its decorators."""
        if self._uses is None:
            self._uses = uses_of([_undecorated(self.node), *(test for test, _ in self.guards)])
        found = uses_of(kept)
        found.add(self._uses)
        return found

    @property
    def for_type_checkers(self) -> bool:
        """Whether it stands below ``if TYPE_CHECKING`` and never runs."""
        return any(branch and _last_name(test) == "TYPE_CHECKING" for test, branch in self.guards)


@dataclass(slots=True, eq=False)
class Parsed:
    """A module's units, and where to find those that bind a name.

    ``imports`` stand for all imports of the module: Python compiles calls of what a module imports differently from others.
    """

    text: str
    units: list[Unit]
    stars: list[Unit]
    binders: dict[str, list[Unit]]
    imports: list[ast.stmt]
    future_flags: int


@lru_cache(maxsize=512)
def parse(text: str) -> Parsed | None:
    """Take a module's text apart; None where it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    units = list(_units(tree.body, ()))
    stars = [unit for unit in units if "*" in unit.targets]
    binders: dict[str, list[Unit]] = {}
    for unit in units:
        for name in unit.bindings:
            binders.setdefault(name, []).append(unit)
    for unit in units:
        for name in _registered_with(unit, binders):
            unit.bindings[name] = ["change"]
            binders[name].append(unit)
    imported = sorted({name for unit in units for name in unit.targets if name != "*"})
    imports: list[ast.stmt] = [
        ast.fix_missing_locations(ast.Import([ast.alias(name)], lineno=1, col_offset=0)) for name in imported
    ]
    return Parsed(text, units, stars, binders, imports, _future_flags(tree))


def _units(body: Iterable[ast.stmt], guards: tuple[tuple[ast.expr, bool], ...]) -> Iterator[Unit]:
    for node in body:
        if isinstance(node, ast.If):
            yield from _units(node.body, (*guards, (node.test, True)))
            yield from _units(node.orelse, (*guards, (node.test, False)))
            named = scope_of([node.test], None).bound
            if named:
                yield Unit(
                    ast.copy_location(ast.Expr(node.test), node.test), guards, {name: ["assignment"] for name in named}
                )
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            items = ast.copy_location(type(node)(items=node.items, body=[], type_comment=None), node)
            items.end_lineno = node.items[-1].context_expr.end_lineno
            names = scope_of(node.items, None).bound
            yield Unit(items, guards, {name: ["assignment"] for name in names}, blocks=(node,))
            for inner in _units(node.body, guards):
                inner.blocks = (node, *inner.blocks)
                yield inner
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield _import(ast.copy_location(ast.Import([alias]), node), guards)
        elif isinstance(node, ast.ImportFrom):
            if node.module != "__future__":
                for alias in node.names:
                    yield _import(ast.copy_location(ast.ImportFrom(node.module, [alias], node.level), node), guards)
        elif isinstance(node, _DEFINITIONS):
            yield Unit(node, guards, {node.name: ["definition"]})
        elif isinstance(node, ast.Expr):
            yield _expression(node, guards)
        else:
            yield _other(node, guards)


def _registered_with(unit: Unit, binders: dict[str, list[Unit]]) -> set[str]:
    """Names of the module whose things a decorator tells of the function: ``table`` of ``@table.add("x")``, ``total`` of ``@total.register``.

    Decorators of imported modules (``@functools.cache``) tell nobody, unless they say that they register.
    """
    found: set[str] = set()
    for decorator in unit.decorators:
        attributes = [node.attr for node in ast.walk(decorator) if isinstance(node, ast.Attribute)]
        root = root_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if root is None or root not in binders or not attributes or root in unit.bindings:
            continue
        is_imported = any("import" in binder.bindings[root] for binder in binders[root])
        if not is_imported or any("register" in name for name in attributes):
            found.add(root)
    return found


def _import(node: ast.Import | ast.ImportFrom, guards: tuple[tuple[ast.expr, bool], ...]) -> Unit:
    targets = {name: [target] for name, target in import_targets(node)}
    return Unit(node, guards, {name: ["import"] for name in targets if name != "*"}, targets)


def _expression(node: ast.Expr, guards: tuple[tuple[ast.expr, bool], ...]) -> Unit:
    """A call may change what it is a method of, and what it is given."""
    bindings: dict[str, list[Kind]] = {name: ["assignment"] for name in scope_of([node], None).bound}
    caller = None
    value = node.value.value if isinstance(node.value, ast.Await) else node.value
    if isinstance(value, ast.Call):
        caller = root_of(value, through_calls=True)
        owner = root_of(value.func, through_calls=True)
        changed = {owner} if isinstance(value.func, ast.Attribute) and owner else set()
        if caller not in _HARMLESS_CALLS:
            given = [*value.args, *(keyword.value for keyword in value.keywords)]
            changed |= {root for argument in given if (root := root_of(argument))}
        for name in changed:
            bindings.setdefault(name, []).append("change")
    return Unit(node, guards, bindings, caller=caller)


def _other(node: ast.stmt, guards: tuple[tuple[ast.expr, bool], ...]) -> Unit:
    scope = scope_of([node], None)
    unit = Unit(node, guards, {}, dict(scope.imports))
    for name in scope.bound:
        kinds: list[Kind] = ["import"] if name in scope.imports else []
        unit.bindings[name] = [*kinds, "assignment"] if name in scope.plain else kinds
    alias = getattr(node, "name", None)
    if isinstance(alias, ast.Name):  # type X = …, Python 3.12
        unit.bindings[alias.id] = ["assignment"]
    for name in changed_in(node):
        unit.bindings.setdefault(name, []).append("change")
    return unit


def environment_in(node: ast.AST) -> set[str]:
    """Environment variables that a statement reads by name."""
    found: set[str] = set()
    for inner in ast.walk(node):
        name: ast.expr | None = None
        if isinstance(inner, ast.Subscript) and _last_name(inner.value) == "environ":
            name = inner.slice
        elif isinstance(inner, ast.Call) and inner.args:
            called = inner.func
            is_get = isinstance(called, ast.Attribute) and _last_name(called.value) == "environ"
            name = inner.args[0] if is_get or _last_name(called) == "getenv" else None
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            found.add(name.value)
    return found


def changed_in(node: ast.AST) -> set[str]:
    """Names whose things a statement changes in place, outside of the functions and classes in it."""
    found: set[str] = set()
    pending: list[ast.AST] = [node]
    while pending:
        inner = pending.pop()
        if isinstance(inner, (ast.Attribute, ast.Subscript)) and isinstance(inner.ctx, (ast.Store, ast.Del)):
            root = root_of(inner, through_calls=True)
            if root:
                found.add(root)
        if isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            found |= {name for name, kinds in _expression(inner, ()).bindings.items() if "change" in kinds}
        if not isinstance(inner, (*_DEFINITIONS, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(inner))
    return found


def root_of(node: ast.expr, *, through_calls: bool = False) -> str | None:
    """``a`` of ``a``, ``a.b``, ``a[0].c``, and of ``a.b(1).c`` through calls; None where the expression starts with something else than a name."""
    while not isinstance(node, ast.Name):
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        elif isinstance(node, ast.Call) and through_calls:
            node = node.func
        else:
            return None
    return node.id


def _last_name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)


def _undecorated(node: ast.stmt) -> ast.stmt:
    if not isinstance(node, _DEFINITIONS) or not node.decorator_list:
        return node
    fields = {name: getattr(node, name, None) for name in node._fields}
    return ast.copy_location(type(node)(**{**fields, "decorator_list": []}), node)  # type: ignore[arg-type]


def _future_flags(tree: ast.Module) -> int:
    import __future__

    flags = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(getattr(__future__, alias.name, None), "compiler_flag", 0)
    return flags
