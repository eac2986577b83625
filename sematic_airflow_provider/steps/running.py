"""What a function reaches through run-time values: closures, defaults, decorators, registries, partials, callable objects."""

from __future__ import annotations

import ast
import enum
import functools
import logging
import os
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.steps.functions import (
    Written,
    computed_attributes,
    default_nodes,
    is_empty,
    is_memory,
    lambdas_at,
    layers,
    names_in,
    written,
)
from sematic_airflow_provider.steps.modules import SourceModule, is_ours, origin_of_file, stable_name
from sematic_airflow_provider.steps.normal import codes_in, digest_of_code, text_of
from sematic_airflow_provider.steps.scopes import uses_of
from sematic_airflow_provider.steps.units import Unit
from sematic_airflow_provider.steps.values import Describer

if TYPE_CHECKING:
    from sematic_airflow_provider.steps.reach import Reach

_BUILT_IN = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
)


class Running:
    """The run-time side of a reach."""

    def __init__(self, reach: Reach, value_digest: Callable[[object], str | None]) -> None:
        self._reach = reach
        self._value_digest = value_digest
        self._describers: dict[SourceModule | None, Describer] = {}
        self._labels: dict[int, str] = {}
        self._looked_at: dict[int, object] = {}  # an id is good as long as its object lives
        self._open: set[int] = set()
        self._describer = Describer(self._leaf, None, "")
        self._is_deep = False
        self._is_data = True
        self._root: types.FunctionType | None = None

    def root(self, function: Any, own: types.FunctionType | None) -> None:
        """The step's function itself; ``own`` is the Python function below its decorators."""
        self._root = own
        digest, _ = self.deep(function, None)
        if digest is None:
            self._reach.unknown.add(f"what {type(function).__qualname__} objects hold, as the step's function is one")
        elif not isinstance(function, types.FunctionType):
            self._reach.values["function"] = digest

    def constant(self, value: object, module: SourceModule) -> tuple[str | None, bool]:
        """Digest of a constant's value, and whether it is data alone, so that the statements that made it do not matter."""
        return self._described(value, module, is_deep=False)

    def deep(self, value: object, module: SourceModule | None) -> tuple[str | None, bool]:
        """The same, but objects of any class count by their attributes: no statement tells how they came about."""
        return self._described(value, module, is_deep=True)

    def bound(self, value: object, module: SourceModule, name: str, units: list[Unit]) -> None:
        """What stands under a name at run time: whether it is what the text says, and what it holds."""
        compiled: dict[str, str] | None = None
        for layer in layers(value):
            if isinstance(layer, types.FunctionType):
                functions = [layer]
            elif isinstance(layer, type) and layer.__module__ == module.name:
                self._attributes(layer, module, name, units)
                functions = _methods(layer)
            else:
                continue
            for function in functions:
                self._parts(function)
                file = function.__code__.co_filename
                if file != module.place.file:
                    if not file.startswith("<"):  # a decorator's, or what was put in place of the one in the text
                        self._function(function)
                    continue
                found = written(module, function)
                if found is not None and found.unit not in units:  # a decorator's of the same file
                    self._function(function)
                    continue
                if compiled is None:
                    compiled = _compiled(module, units)
                digest = digest_of_code(function.__code__)
                several = sum("definition" in unit.bindings[name] for unit in units) > 1
                if several or (compiled and digest not in compiled):
                    key = f"{module.label}:{name} as loaded ({function.__qualname__})"
                    self._reach.note(self._reach.definitions, key, digest)

    def _attributes(self, kind: type, module: SourceModule, name: str, units: list[Unit]) -> None:
        fields = vars(kind).get("__pydantic_fields__") or {}
        for attribute in computed_attributes(units, name):
            value = vars(kind).get(attribute, getattr(fields.get(attribute), "default", None))
            digest, _ = self.constant(value, module)
            if digest is not None:
                self._reach.values[f"{module.label}:{name}.{attribute}"] = digest

    def _described(self, value: object, module: SourceModule | None, *, is_deep: bool) -> tuple[str | None, bool]:
        before = (self._is_deep, self._is_data, self._describer)
        self._is_deep, self._is_data = is_deep, True
        try:
            if module not in self._describers:
                file = module.place.file if module is not None else None
                folder = os.path.dirname(os.path.abspath(file)) if file else None
                text = module.parsed.text if module is not None and module.parsed is not None else ""
                self._describers[module] = Describer(self._leaf, folder, text)
            self._describer = self._describers[module]
            return self._describer.digest(value), self._is_data
        finally:
            self._is_deep, self._is_data, self._describer = before

    def _leaf(self, value: object) -> str | None:
        """What is not of a type of Python's own."""
        code = self._code(value)
        if code is not None:
            self._is_data = False
            return code
        kind = type(value)
        if isinstance(value, logging.Logger):
            return f"logger:{stable_name(value.name)}"
        if is_ours(kind.__module__):
            return None
        if self._class(kind) == "first":
            self._is_data = False
        if isinstance(value, enum.Enum):
            return f"enum:{stable_name(kind.__module__)}.{kind.__qualname__}.{value.name}"
        try:
            digest = self._value_digest(value)
        except Exception:  # noqa: BLE001 - a codec that fails does not know the value
            digest = None
        if digest is not None:
            return f"{stable_name(kind.__module__)}.{kind.__qualname__}:{digest}"
        return self._state(value) if self._is_deep else None

    def _code(self, value: object) -> str | None:
        """Functions, classes, modules and what is made of them; None for everything else."""
        if isinstance(value, types.ModuleType):
            self._reach.module(value.__name__, (), sure=True)
            return f"module:{stable_name(value.__name__)}"
        if isinstance(value, types.FunctionType):
            return f"function:{self._function(value)}"
        if isinstance(value, type):
            self._class(value)
            return f"class:{stable_name(value.__module__)}.{value.__qualname__}"
        if isinstance(value, types.MethodType):
            return self._joined("method", (value.__func__, value.__self__))
        if isinstance(value, functools.partial):
            return self._joined("partial", (value.func, value.args, value.keywords))
        if isinstance(value, (staticmethod, classmethod)):
            return self._joined(type(value).__name__, (value.__func__,))
        if isinstance(value, functools._lru_cache_wrapper):
            return self._joined("cached", (value.__wrapped__, value.cache_parameters()))
        if isinstance(value, _BUILT_IN):
            owner = getattr(value, "__self__", None)
            if owner is not None and not isinstance(owner, (types.ModuleType, type)):
                return self._joined(f"builtin:{value.__name__}", (owner,))
            module = getattr(value, "__module__", None) or "builtins"
            self._reach.module(module, (value.__name__,), sure=True)
            return f"builtin:{module}.{value.__qualname__}"
        if is_ours(type(value).__module__):
            function = getattr(value, "function", None)
            return self._code(function) if isinstance(function, types.FunctionType) else None
        return None

    def _joined(self, kind: str, members: Iterable[object]) -> str | None:
        parts: list[str] = []
        for member in members:
            part = self._describer.describe(member)
            if part is None:
                return None
            parts.append(f"{len(part)}:{part}")
        return f"{kind}[{','.join(parts)}]"

    def _class(self, kind: type) -> str:
        """A class is used; returns whose it is."""
        place = self._reach.modules.place(kind.__module__)
        if place.origin == "third":
            self._reach.third_party(kind.__module__)
        elif place.origin == "first":
            self._reach.module(kind.__module__, (kind.__qualname__.partition(".")[0],), sure=True)
            if "<locals>" in kind.__qualname__:  # its functions say where it stands
                for method in _methods(kind):
                    self._function(method)
        return place.origin

    def _state(self, value: object) -> str | None:
        """Attributes of an object, where all of them are known."""
        if id(value) in self._open:
            return "again"
        state: dict[str, object] = dict(getattr(value, "__dict__", {}))
        for cls in type(value).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            for name in [slots] if isinstance(slots, str) else slots:
                if hasattr(value, name) and name not in ("__dict__", "__weakref__"):
                    state[name] = getattr(value, name)
        if not state and self._reach.modules.place(type(value).__module__).origin != "first":
            return None  # it keeps its state where Python does not see it
        self._open.add(id(value))
        try:
            return self._joined(f"{stable_name(type(value).__module__)}.{type(value).__qualname__}", (state,))
        finally:
            self._open.discard(id(value))

    def _function(self, function: types.FunctionType) -> str:
        """A function object is used: its text, or its code where there is none; and what it holds."""
        if id(function) in self._labels:
            return self._labels[id(function)]
        code, names = function.__code__, function.__globals__
        module_name = str(names.get("__name__") or "")
        self._labels[id(function)] = label = f"{stable_name(module_name)}:{function.__qualname__}"
        is_text = not code.co_filename.startswith("<")
        if is_ours(module_name):
            self._code(getattr(function, "__wrapped__", None))
        elif is_text and (origin := origin_of_file(code.co_filename)) != "first":
            if origin == "third":
                self._reach.third_party(module_name)
            self._parts(function)
        else:
            file = names.get("__file__")
            module: SourceModule | None = None
            if is_text and file and os.path.abspath(file) == os.path.abspath(code.co_filename):
                module = self._reach.modules.source_of_file(file, module_name, names)
                self._reach.sure.add(module)
            label = self._of_user(function, module)
            self._labels[id(function)] = label
            self._parts(function)
        return label

    def _of_user(self, function: types.FunctionType, module: SourceModule | None) -> str:
        found = written(module, function) if module is not None else None
        if module is None or found is None:
            return self._without_text(function, module)
        return self._with_text(function, module, found)

    def _with_text(self, function: types.FunctionType, module: SourceModule, found: Written) -> str:
        if not found.is_nested:
            self._reach.push(module, found.path[0].name)
            return f"{module.label}:{'.'.join(node.name for node in found.path)}"
        label = f"{module.label}:{'.'.join(node.name for node in found.path)}"
        kept = self._reach.kept_decorators(found.node.decorator_list, module)
        fields = {name: getattr(found.node, name, None) for name in found.node._fields}
        bare = ast.copy_location(type(found.node)(**{**fields, "decorator_list": kept}), found.node)
        text = digest_bytes(text_of(bare).encode("utf-8", "surrogatepass"))
        self._reach.note(self._reach.definitions, label, text)
        self._reach.follow(uses_of([bare], found.scope), module, label)
        compiled = _compiled(module, [found.unit])
        digest = digest_of_code(function.__code__)
        if compiled and digest not in compiled:
            self._reach.note(self._reach.definitions, f"{label} as loaded", digest)
        return label

    def _without_text(self, function: types.FunctionType, module: SourceModule | None) -> str:
        code = function.__code__
        own = module.label if module is not None else stable_name(str(function.__globals__.get("__name__") or ""))
        digest = digest_of_code(code)
        label = f"{own}:{function.__qualname__} (compiled)"
        self._reach.note(self._reach.definitions, label, digest)
        used = names_in(code)
        if module is not None:
            uses = uses_of(lambdas_at(module, code.co_firstlineno))
            for name in sorted(used):
                for chain in sorted(uses.names.get(name, {()})):
                    self._reach.push(module, name, chain)
            return label
        for name in sorted(used & set(function.__globals__)):
            digest_of_value, _ = self.deep(function.__globals__[name], None)
            if digest_of_value is None:
                self._reach.unknown.add(f"{name}, which {function.__qualname__} uses")
            else:
                self._reach.values[f"{own}:{name}"] = digest_of_value
        return label

    def _parts(self, function: types.FunctionType) -> None:
        """What a function object holds besides its code: what it closes over, defaults, and what it wraps."""
        if id(function) in self._looked_at:
            return
        self._looked_at[id(function)] = function
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.deep(wrapped, None)
        names = function.__globals__
        module_name = str(names.get("__name__") or "")
        place = origin_of_file(function.__code__.co_filename)
        is_made = function.__code__.co_filename.startswith(
            "<"
        )  # by exec: where it wraps something, by a library's decorator
        is_first = place == "first" or (is_made and wrapped is None)
        module = (
            self._reach.modules.source_of_file(names["__file__"], module_name, names)
            if place == "first" and names.get("__file__") == function.__code__.co_filename
            else None
        )
        found = (
            written(module, function)
            if module is not None and (function.__closure__ or _has_defaults(function))
            else None
        )
        where = f"{module.label if module is not None else stable_name(module_name)}:{function.__qualname__}."
        prefix = "" if function is self._root else where
        if function.__closure__:
            for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
                self._cell(f"closure:{prefix}{name}", name, cell, module, found, is_first)
        written_defaults = default_nodes(found.node) if found is not None else {}
        for name, value in _defaults(function).items():
            node = written_defaults.get(name)
            if node is not None and (is_empty(node) or isinstance(node, (ast.Dict, ast.List, ast.Set))):
                continue  # the text tells what it is; what it holds by now is what calls put into it
            if node is not None and isinstance(node, ast.Constant) and function is not self._root:
                continue
            digest, _ = self.deep(value, module) if is_first else (None, False)
            if digest is not None:
                self._reach.note(self._reach.values, f"default:{prefix}{name}", digest)
            elif is_first and found is None:
                self._reach.unknown.add(
                    f"the default of {name} in {function.__qualname__}: nobody knows {type(value).__qualname__} objects"
                )

    def _cell(
        self,
        key: str,
        name: str,
        cell: types.CellType,
        module: SourceModule | None,
        found: Written | None,
        is_first: bool,
    ) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not filled yet
            return
        if name == "__class__":
            self._code(value)
            return
        scope = found.scope if found is not None else None
        if found is not None and scope is not None:
            if name in scope.imports and name not in scope.plain:
                return  # followed where it is used
            around = [node for node in found.path[:-1] if not isinstance(node, ast.ClassDef)]
            if around and is_memory(around[-1], name):
                return
        if not is_first:
            members = (
                value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
            )
            for member in members:
                if isinstance(member, (types.FunctionType, types.MethodType, functools.partial, type)):
                    self._code(member)
            return
        digest, _ = self.deep(value, module)
        if digest is not None:
            self._reach.note(self._reach.values, key, digest)
        elif not is_ours(type(value).__module__):
            self._reach.unknown.add(f"{key}: nobody knows {type(value).__qualname__} objects")


def _methods(kind: type) -> list[types.FunctionType]:
    """Functions of a class that somebody wrote for it; what dataclasses and the like make is not among them."""
    return [
        layer
        for member in vars(kind).values()
        for layer in layers(member)
        if isinstance(layer, types.FunctionType) and origin_of_file(layer.__code__.co_filename) == "first"
    ]


def _has_defaults(function: types.FunctionType) -> bool:
    return bool(function.__defaults__ or function.__kwdefaults__)


def _defaults(function: types.FunctionType) -> dict[str, object]:
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    given = function.__defaults__ or ()
    return dict(zip(names[len(names) - len(given) :], given, strict=True)) | (function.__kwdefaults__ or {})


def _compiled(module: SourceModule, units: list[Unit]) -> dict[str, str]:
    """Digests of all the code in these statements, as Python compiles them now."""
    found: dict[str, str] = {}
    if module.parsed is None:
        return found
    flags, imports = module.parsed.future_flags, module.parsed.imports
    for unit in units:
        try:
            tree = ast.Module([*imports, unit.node], type_ignores=[])
            found |= codes_in(compile(tree, module.place.file or "<step>", "exec", flags=flags, dont_inherit=True))
        except (SyntaxError, ValueError, RecursionError, TypeError, AttributeError):
            return {}
    return found
