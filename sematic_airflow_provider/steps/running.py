"""What a function reaches through run-time values: closures, defaults, decorators, registries, partials, callable objects."""

from __future__ import annotations

import ast
import enum
import functools
import logging
import os
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from sematic_airflow_provider.steps.function_objects import FunctionObjects, compiled_in
from sematic_airflow_provider.steps.functions import (
    computed_attributes,
    layers,
    literal_attributes,
    written,
)
from sematic_airflow_provider.steps.memory import MEMBERS, changed_attributes
from sematic_airflow_provider.steps.modules import SourceModule, is_ours, origin_of_file, stable_name
from sematic_airflow_provider.steps.normal import digest_of_code
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


_MOST_HELD = 2_000
_DEEPEST = 4
_CONTAINERS = (dict, list, set, frozenset, tuple)


class Running:
    """The run-time side of a reach."""

    def __init__(self, reach: Reach, value_digest: Callable[[object], str | None]) -> None:
        self._reach = reach
        self._value_digest = value_digest
        self._describers: dict[SourceModule | None, Describer] = {}
        self._functions = FunctionObjects(reach, self)
        self._open: set[int] = set()
        self._describer = Describer(self._leaf, None, "")
        self._is_deep = False
        self._is_data = True

    def root(self, function: Any, own: types.FunctionType | None) -> None:
        """The step's function itself; ``own`` is the Python function below its decorators."""
        self._functions.root = own
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

    def settled(self, value: object, module: SourceModule, depth: int = 0) -> str | None:
        """What an object of the user's holds once its module is loaded, without what its methods change later; also of several in a container.

        None for other objects.
        """
        if type(value) in (list, tuple, dict):
            members = list(value.values() if isinstance(value, dict) else cast("list[object]", value))
            if depth > _DEEPEST or len(members) > _MOST_HELD:
                return None
            parts = [self.constant(member, module)[0] or self.settled(member, module, depth + 1) for member in members]
            return self.deep([len(parts), parts], None)[0] if any(parts) else None
        if isinstance(value, type) or not (
            isinstance(value, types.SimpleNamespace)
            or self._reach.modules.place(type(value).__module__).origin == "first"
        ):
            return None
        state = _attributes_of(value)
        for kind in _CONTAINERS:
            if isinstance(value, kind):
                state[MEMBERS] = kind(value)
        changed = self._changed_later(type(value).__module__)
        known = {
            name: digest
            for name, member in state.items()
            if name not in changed and (digest := self.deep(member, module)[0]) is not None
        }
        return self.deep(known, None)[0] if known else None

    def _changed_later(self, module: str) -> set[str]:
        if self._reach.modules.place(module).origin != "first":
            return set()
        parsed = self._reach.modules.source(module).parsed
        return changed_attributes(parsed) if parsed is not None else set()

    def bound(self, value: object, module: SourceModule, name: str, units: list[Unit]) -> None:
        """What stands under a name at run time: whether it is what the text says, and what it holds."""
        compiled: dict[str, str] | None = None
        self._held(value)
        for layer in layers(value):
            if isinstance(layer, types.FunctionType):
                functions = [layer]
                if layer.__code__.co_filename == module.place.file:
                    self._told(f"{module.label}:{name}", vars(layer), module, {})
            elif isinstance(layer, type) and layer.__module__ == module.name:
                self._attributes(layer, module, name, units)
                functions = _methods(layer)
            else:
                continue
            for function in functions:
                self._functions.look_into(function)
                file = function.__code__.co_filename
                if file != module.place.file:
                    if not file.startswith("<"):  # a decorator's, or what was put in place of the one in the text
                        self._functions.label(function)
                    continue
                found = written(module, function)
                if found is not None and found.unit not in units:  # a decorator's of the same file
                    self._functions.label(function)
                    continue
                if compiled is None:
                    compiled = compiled_in(module, units)
                digest = digest_of_code(function.__code__)
                several = sum("definition" in unit.bindings[name] for unit in units) > 1
                if several or (compiled and digest not in compiled):
                    key = f"{module.label}:{name} as loaded ({function.__qualname__})"
                    self._reach.note(self._reach.definitions, key, digest)
                    if found is None:  # a lambda from elsewhere: what it uses counts too
                        self._functions.label(function)

    def _held(self, value: object) -> None:
        """Functions and classes that a registry holds, whatever object it is and whoever put them there."""
        pending, seen = [value], 0
        while pending and seen < _MOST_HELD:
            holder, seen = pending.pop(), seen + 1
            members: list[object] = []
            if isinstance(holder, dict):
                members = list(holder.values())
            elif isinstance(holder, (list, tuple, set, frozenset)):
                members = list(holder)
            elif isinstance(holder, type):
                if holder is value and not isinstance(value, enum.EnumMeta):
                    members = [member for name, member in vars(holder).items() if self._may_hold(name, member)]
            elif isinstance(holder, types.FunctionType):
                if origin_of_file(holder.__code__.co_filename) == "first":
                    members = [*vars(holder).values(), *(holder.__defaults__ or ()), *_cells(holder)]
                    members = [member for member in members if self._may_hold("", member)]
            elif self._reach.modules.place(type(holder).__module__).origin == "first":
                members = list(_attributes_of(holder).values())
            for member in members:
                if isinstance(member, (types.FunctionType, types.MethodType, functools.partial, type)):
                    self.code(member)
                elif member is not value and not isinstance(member, (str, bytes, int, float)):
                    pending.append(member)

    def _may_hold(self, name: str, member: object) -> bool:
        """Whether it is a registry: a container, or an object of the user's."""
        if isinstance(member, _CONTAINERS):
            return True
        is_object = not name.startswith("__") and not isinstance(member, (type, types.FunctionType, types.ModuleType))
        return is_object and self._reach.modules.place(type(member).__module__).origin == "first"

    def _attributes(self, kind: type, module: SourceModule, name: str, units: list[Unit]) -> None:
        fields = vars(kind).get("__pydantic_fields__") or {}
        for attribute in computed_attributes(units, name):
            value = vars(kind).get(attribute, getattr(fields.get(attribute), "default", None))
            digest, _ = self.constant(value, module)
            if digest is not None:
                self._reach.values[f"{module.label}:{name}.{attribute}"] = digest
        if isinstance(kind, enum.EnumMeta):
            if not any(isinstance(unit.node, ast.ClassDef) for unit in units):
                members: dict[str, Any] = {one: getattr(kind, one).value for one in list(kind.__members__)}
                self._told(f"{module.label}:{name}", members, module, {})
            return
        self._told(f"{module.label}:{name}", vars(kind), module, literal_attributes(units))
        for nested, inner in list(vars(kind).items()):
            if isinstance(inner, type) and inner.__qualname__ == f"{kind.__qualname__}.{nested}":
                self._told(f"{module.label}:{name}.{nested}", vars(inner), module, {})

    def _told(self, label: str, attributes: Mapping[str, Any], module: SourceModule, literals: dict[str, Any]) -> None:
        """Data that a class or function has as attributes, and that its text does not tell: it was set from elsewhere."""
        changed = changed_attributes(module.parsed) if module.parsed is not None else set[str]()
        for attribute, value in list(attributes.items()):
            if attribute.startswith("__") or attribute in changed:
                continue
            if hasattr(type(value), "__get__") and self._reach.modules.place(type(value).__module__).origin != "first":
                continue  # functions, properties and the like
            if isinstance(value, type) or (
                attribute in literals
                and type(value) is type(literals[attribute])
                and repr(value) == repr(literals[attribute])
            ):
                continue
            digest = self.constant(value, module)[0] or self.settled(value, module)
            if digest is not None:
                self._reach.values[f"{label}.{attribute}"] = digest

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
        code = self.code(value)
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

    def code(self, value: object) -> str | None:
        """Functions, classes, modules and what is made of them; None for everything else."""
        if isinstance(value, types.ModuleType):
            self._reach.module(value.__name__, (), sure=True)
            return f"module:{stable_name(value.__name__)}"
        if isinstance(value, types.FunctionType):
            return f"function:{self._functions.label(value)}"
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
            return self.code(function) if isinstance(function, types.FunctionType) else None
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
                    self._functions.label(method)
        return place.origin

    def _state(self, value: object) -> str | None:
        """Attributes of an object, where all of them are known."""
        if id(value) in self._open:
            return "again"
        state = _attributes_of(value)
        if not state and self._reach.modules.place(type(value).__module__).origin != "first":
            return None  # it keeps its state where Python does not see it
        self._open.add(id(value))
        try:
            return self._joined(f"{stable_name(type(value).__module__)}.{type(value).__qualname__}", (state,))
        finally:
            self._open.discard(id(value))


def _attributes_of(value: object) -> dict[str, object]:
    """What an object has as attributes of its own."""
    found: dict[str, object] = dict(getattr(value, "__dict__", {}))
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if hasattr(value, name) and name not in ("__dict__", "__weakref__"):
                found[name] = getattr(value, name)
    return found


def _cells(function: types.FunctionType) -> list[object]:
    """What a function closes over."""
    found: list[object] = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    return found


def _methods(kind: type) -> list[types.FunctionType]:
    """Functions of a class that somebody wrote for it; what dataclasses and the like make is not among them."""
    return [
        layer
        for member in vars(kind).values()
        for layer in layers(member)
        if isinstance(layer, types.FunctionType) and origin_of_file(layer.__code__.co_filename) == "first"
    ]
