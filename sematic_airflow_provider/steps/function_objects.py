"""Function objects: the text that each was made of, or its code where there is none, and what it holds besides."""

from __future__ import annotations

import ast
import functools
import os
import types
from typing import TYPE_CHECKING

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.steps.functions import (
    Written,
    default_nodes,
    is_empty,
    is_memory,
    lambdas_at,
    names_in,
    written,
)
from sematic_airflow_provider.steps.modules import SourceModule, is_ours, origin_of_file, stable_name
from sematic_airflow_provider.steps.normal import codes_in, digest_of_code, text_of
from sematic_airflow_provider.steps.scopes import uses_of
from sematic_airflow_provider.steps.units import Unit

if TYPE_CHECKING:
    from sematic_airflow_provider.steps.reach import Reach
    from sematic_airflow_provider.steps.running import Running


class FunctionObjects:
    """Those that one reach comes upon. ``root`` is the step's own: what it holds is named without it."""

    def __init__(self, reach: Reach, running: Running) -> None:
        self.root: types.FunctionType | None = None
        self._reach = reach
        self._running = running
        self._labels: dict[int, str] = {}
        self._looked_at: dict[int, object] = {}  # an id is good as long as its object lives

    def label(self, function: types.FunctionType) -> str:
        """A function object is used: its text, or its code where there is none; and what it holds."""
        if id(function) in self._labels:
            return self._labels[id(function)]
        code, names = function.__code__, function.__globals__
        module_name = str(names.get("__name__") or "")
        self._labels[id(function)] = label = f"{stable_name(module_name)}:{function.__qualname__}"
        is_text = not code.co_filename.startswith("<")
        if is_ours(module_name):
            self._running.code(getattr(function, "__wrapped__", None))
        elif is_text and (origin := origin_of_file(code.co_filename)) != "first":
            if origin == "third":
                self._reach.third_party(module_name)
            self.look_into(function)
        else:
            file = names.get("__file__")
            module: SourceModule | None = None
            if is_text and file and os.path.abspath(file) == os.path.abspath(code.co_filename):
                module = self._reach.modules.source_of_file(file, module_name, names)
                self._reach.sure.add(module)
            label = self._of_user(function, module)
            self._labels[id(function)] = label
            self.look_into(function)
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
        compiled = compiled_in(module, [found.unit])
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
            digest_of_value, _ = self._running.deep(function.__globals__[name], None)
            if digest_of_value is None:
                self._reach.unknown.add(f"{name}, which {function.__qualname__} uses")
            else:
                self._reach.values[f"{own}:{name}"] = digest_of_value
        return label

    def look_into(self, function: types.FunctionType) -> None:
        """What a function object holds besides its code: what it closes over, defaults, and what it wraps."""
        if id(function) in self._looked_at:
            return
        self._looked_at[id(function)] = function
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._running.deep(wrapped, None)
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
        prefix = "" if function is self.root else where
        if function.__closure__:
            for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
                self._cell(f"closure:{prefix}{name}", name, cell, module, found, is_first)
        written_defaults = default_nodes(found.node) if found is not None else {}
        for name, value in _defaults(function).items():
            node = written_defaults.get(name)
            if node is not None and (is_empty(node) or isinstance(node, (ast.Dict, ast.List, ast.Set))):
                continue  # the text tells what it is; what it holds by now is what calls put into it
            if node is not None and isinstance(node, ast.Constant) and function is not self.root:
                continue
            digest, _ = self._running.deep(value, module) if is_first else (None, False)
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
            self._running.code(value)
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
                    self._running.code(member)
            return
        digest, _ = self._running.deep(value, module)
        if digest is not None:
            self._reach.note(self._reach.values, key, digest)
        elif not is_ours(type(value).__module__):
            self._reach.unknown.add(f"{key}: nobody knows {type(value).__qualname__} objects")


def _has_defaults(function: types.FunctionType) -> bool:
    return bool(function.__defaults__ or function.__kwdefaults__)


def _defaults(function: types.FunctionType) -> dict[str, object]:
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    given = function.__defaults__ or ()
    return dict(zip(names[len(names) - len(given) :], given, strict=True)) | (function.__kwdefaults__ or {})


def compiled_in(module: SourceModule, units: list[Unit]) -> dict[str, str]:
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
