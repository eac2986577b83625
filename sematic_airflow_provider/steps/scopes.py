"""Which global names a piece of code uses. Locals, parameters and names of comprehensions that look the same are told apart."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

Chain = tuple[str, ...]
"""Attributes that are taken of a name: ``a.b.c`` is the name ``a`` with ``("b", "c")``. The empty chain means the thing itself is used."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DYNAMIC = {"eval": "runs text with eval", "exec": "runs text with exec"}
_NAMESPACES = frozenset({"globals", "vars", "locals", "dir"})
_IMPORTERS = frozenset({"import_module", "__import__"})


class ImportTarget(NamedTuple):
    """What an import binds: a module, or what stands under a name in it (perhaps a submodule). One in a ``try`` may fail."""

    module: str
    level: int
    name: str | None
    may_fail: bool = False


@dataclass(slots=True)
class Uses:
    """What a piece of code takes from outside of itself."""

    names: dict[str, set[Chain]] = field(default_factory=dict)
    imports: set[tuple[ImportTarget, Chain]] = field(default_factory=set)
    dynamic: set[str] = field(default_factory=set)
    whole_module: bool = False

    def add(self, other: Uses) -> None:
        """Take in all of other."""
        for name, chains in other.names.items():
            self.names.setdefault(name, set()).update(chains)
        self.imports |= other.imports
        self.dynamic |= other.dynamic
        self.whole_module |= other.whole_module


@dataclass(slots=True)
class Scope:
    """Names that a function, class, lambda or comprehension binds itself."""

    parent: Scope | None
    is_class: bool = False
    bound: set[str] = field(default_factory=set)
    imports: dict[str, list[ImportTarget]] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    declared_global: set[str] = field(default_factory=set)
    declared_nonlocal: set[str] = field(default_factory=set)

    def bind(self, name: str | None) -> None:
        """A name that is bound by something else than an import."""
        if name:
            self.bound.add(name)
            self.plain.add(name)


def import_targets(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, ImportTarget]]:
    """Names that an import binds, each with what it is; ``*`` for a star."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, ImportTarget(alias.name, 0, None)
            else:
                yield alias.name.partition(".")[0], ImportTarget(alias.name.partition(".")[0], 0, None)
        return
    for alias in node.names:
        yield alias.asname or alias.name, ImportTarget(node.module or "", node.level, alias.name)


def scope_of(body: Iterable[ast.AST], parent: Scope | None, *, is_class: bool = False) -> Scope:
    """The names that these statements bind, without those that functions and classes in them bind."""
    scope = Scope(parent, is_class)
    for node in body:
        _bind(node, scope)
    scope.bound -= scope.declared_global | scope.declared_nonlocal
    return scope


def function_scope(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, parent: Scope | None) -> Scope:
    """Parameters and local names of a function."""
    scope = scope_of([node.body] if isinstance(node, ast.Lambda) else node.body, parent)
    given = node.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
        if argument is not None:
            scope.bind(argument.arg)
    return scope


def _bind(node: ast.AST, scope: Scope, *, tried: bool = False) -> None:
    kind = type(node)
    if kind is ast.Name:
        if isinstance(node.ctx, (ast.Store, ast.Del)):  # type: ignore[attr-defined]
            scope.bind(node.id)  # type: ignore[attr-defined]
        return
    if kind is ast.Constant or kind is ast.Lambda:
        return
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        scope.bind(node.name)
        return
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        for name, target in import_targets(node):
            scope.bound.add(name)
            scope.imports.setdefault(name, []).append(target._replace(may_fail=tried))
        return
    if isinstance(node, _COMPREHENSIONS):  # only := reaches out of it
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                _bind(inner.target, scope)
        return
    if isinstance(node, ast.Global):
        scope.declared_global.update(node.names)
        return
    if isinstance(node, ast.Nonlocal):
        scope.declared_nonlocal.update(node.names)
        return
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        scope.bind(node.name)
    elif isinstance(node, ast.MatchMapping):
        scope.bind(node.rest)
    tries = isinstance(node, ast.Try) and bool(node.handlers)
    for child in ast.iter_child_nodes(node):
        _bind(child, scope, tried=tried or tries)


def uses_of(nodes: Iterable[ast.AST], scope: Scope | None = None) -> Uses:
    """What these nodes use, seen from ``scope`` (None: from the top level of the module)."""
    finder = _Finder()
    for node in nodes:
        finder.visit(node, scope)
    return finder.uses


class _Finder:
    def __init__(self) -> None:
        self.uses = Uses()

    def visit(self, node: ast.AST, scope: Scope | None) -> None:
        kind = type(node)
        if kind is ast.Constant:
            return
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load) or (scope is not None and node.id in scope.declared_global):
                self._use(node.id, (), scope)
                if node.id in _DYNAMIC and not _is_bound(node.id, scope):
                    self.uses.dynamic.add(_DYNAMIC[node.id])
        elif isinstance(node, ast.Attribute):
            self._attribute(node, scope)
        elif isinstance(node, ast.Call):
            self._call(node, scope)
        elif isinstance(node, ast.Subscript):
            if isinstance(node.ctx, ast.Load) and _is_loaded_modules(node.value):
                self._import_by_name([node.slice])
            self._children([node.value, node.slice], scope)
        elif isinstance(node, _FUNCTIONS):
            self._function(node, scope)
        elif isinstance(node, ast.ClassDef):
            self._class(node, scope)
        elif isinstance(node, ast.Lambda):
            self._children([*node.args.defaults, *node.args.kw_defaults], scope)
            self.visit(node.body, function_scope(node, scope))
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, scope)
        elif isinstance(node, ast.AnnAssign):
            self.annotation(node.annotation, scope)
            self._children([node.target, node.value], scope)
        elif kind.__name__ == "TypeAlias":  # Python 3.12
            inner = self._with_type_parameters(node, scope)
            self.visit(node.value, inner)  # type: ignore[attr-defined]
        elif not isinstance(node, (ast.Import, ast.ImportFrom)):
            self._children(ast.iter_child_nodes(node), scope)

    def annotation(self, node: ast.AST | None, scope: Scope | None) -> None:
        """Like visit, but a text is code too, unless it stands in a Literal."""
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                try:
                    self.annotation(ast.parse(node.value.strip(), mode="eval").body, scope)
                except (SyntaxError, ValueError, RecursionError):
                    return  # a text that is no type
        elif isinstance(node, (ast.Name, ast.Attribute, ast.Call)):
            self.visit(node, scope)
        elif isinstance(node, ast.Subscript):
            self.annotation(node.value, scope)
            name = getattr(node.value, "attr", None) or getattr(node.value, "id", None)
            if name == "Literal":
                self.visit(node.slice, scope)
            elif name == "Annotated" and isinstance(node.slice, ast.Tuple):
                self.annotation(node.slice.elts[0], scope)
                self._children(node.slice.elts[1:], scope)
            else:
                self.annotation(node.slice, scope)
        elif node is not None:
            for child in ast.iter_child_nodes(node):
                self.annotation(child, scope)

    def _children(self, nodes: Iterable[ast.AST | None], scope: Scope | None) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node, scope)

    def _attribute(self, node: ast.Attribute, scope: Scope | None) -> None:
        names: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if "__subclasses__" in names:
            self.uses.dynamic.add("asks a class for its subclasses, which may be anywhere")
        if isinstance(inner, ast.Name):
            self._use(inner.id, tuple(reversed(names)), scope)
        else:
            self.visit(inner, scope)

    def _call(self, node: ast.Call, scope: Scope | None) -> None:
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in _IMPORTERS:
            self._import_by_name(node.args)
        elif called == "get" and isinstance(node.func, ast.Attribute) and _is_loaded_modules(node.func.value):
            self._import_by_name(node.args, may_fail=True)
        elif isinstance(node.func, ast.Name) and called in _NAMESPACES and not (node.args or _is_bound(called, scope)):
            self.uses.whole_module |= called == "globals" or scope is None
        elif called == "getattr" and len(node.args) >= 2:
            owner, name = node.args[0], node.args[1]
            if isinstance(owner, ast.Name) and isinstance(name, ast.Constant) and isinstance(name.value, str):
                self._use(owner.id, (name.value,), scope)
                self._children(node.args[2:], scope)
                return
        self._children(ast.iter_child_nodes(node), scope)

    def _import_by_name(self, given: list[ast.expr], *, may_fail: bool = False) -> None:
        first = given[0] if given else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
            self.uses.imports.add((ImportTarget(first.value, 0, None, may_fail), ()))
        elif isinstance(first, ast.Name) and first.id == "__name__":
            self.uses.whole_module = True
        else:
            self.uses.dynamic.add("imports a module whose name is known only when it runs")

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope | None) -> None:
        self._children(node.decorator_list, scope)
        scope = self._with_type_parameters(node, scope)
        given = node.args
        self._children([*given.defaults, *given.kw_defaults], scope)
        for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if argument is not None:
                self.annotation(argument.annotation, scope)
        self.annotation(node.returns, scope)
        inner = function_scope(node, scope)
        self._children(node.body, inner)
        for name, targets in inner.imports.items():
            if name not in inner.used:  # imported for what happens then
                self.uses.imports.update((target, ()) for target in targets)

    def _class(self, node: ast.ClassDef, scope: Scope | None) -> None:
        self._children(node.decorator_list, scope)
        scope = self._with_type_parameters(node, scope)
        self._children([*node.bases, *(keyword.value for keyword in node.keywords)], scope)
        self._children(node.body, scope_of(node.body, scope, is_class=True))

    def _with_type_parameters(self, node: ast.AST, scope: Scope | None) -> Scope | None:
        parameters = getattr(node, "type_params", None)  # Python 3.12
        if not parameters:
            return scope
        inner = Scope(scope)
        for parameter in parameters:
            inner.bind(parameter.name)
        self._children(parameters, inner)
        return inner

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope | None
    ) -> None:
        first, *others = node.generators
        self.visit(first.iter, scope)
        inner = Scope(scope)
        for generator in node.generators:
            for target in ast.walk(generator.target):
                if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                    inner.bind(target.id)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._children([first.target, *first.ifs, *others, *results], inner)

    def _use(self, name: str, chain: Chain, scope: Scope | None) -> None:
        direct = True
        while scope is not None:
            if name in scope.declared_global:
                break
            if name in scope.bound and (direct or not scope.is_class):
                scope.used.add(name)
                for target in scope.imports.get(name, ()):
                    self.uses.imports.add((target, chain))
                if not scope.is_class:
                    return
                # in the body of a class, a name that is not bound yet is the global one: it may be both
            scope, direct = scope.parent, False
        self.uses.names.setdefault(name, set()).add(chain)


def _is_loaded_modules(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.modules"


def _is_bound(name: str, scope: Scope | None) -> bool:
    while scope is not None:
        if name in scope.bound:
            return True
        scope = scope.parent
    return False
