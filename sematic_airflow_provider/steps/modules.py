"""Modules by name: where they come from, and the text of those that are the user's own. Nothing is imported or run to find them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, Literal

from sematic_airflow_provider.steps.units import Parsed, parse

Origin = Literal["first", "third", "standard", "ours", "missing"]
"""``first``: the user's own code, editable installs included; ``ours``: Airflow and this package."""

_OURS = frozenset({"airflow", "sematic_airflow_provider"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_STANDARD = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_DAG_FILE = "unusual_prefix_"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module is; ``folders`` are those that hold its submodules."""

    name: str
    origin: Origin
    file: str | None = None
    folders: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class SourceModule:
    """A first-party module. ``label`` is its name in keys; ``namespace`` its run-time names, None when it is not loaded.

    ``parsed`` is None for what has no Python text: extension modules, files with syntax errors.
    """

    label: str
    name: str
    place: Place
    parsed: Parsed | None
    content: bytes
    namespace: Mapping[str, Any] | None

    @property
    def package(self) -> str:
        """Where its relative imports start."""
        if self.namespace is not None and self.namespace.get("__package__") is not None:
            return str(self.namespace["__package__"])
        return self.name if self.place.folders else self.name.rpartition(".")[0]

    def absolute(self, module: str, level: int) -> str:
        """The full name of a module that is imported from here."""
        if not level:
            return module
        package = self.package
        for _ in range(level - 1):
            package = package.rpartition(".")[0]
        return f"{package}.{module}" if module and package else module or package


def origin_of_file(file: str | None) -> Origin:
    """Whose code a file holds."""
    if not file or file.startswith("<"):
        return "standard"
    if not _INSTALLED.isdisjoint(Path(file).parts):
        return "third"
    if os.path.realpath(file).startswith(_STANDARD):
        return "standard"
    return "first"


def _may_be_first(file: str) -> bool:
    """The same question, asked quickly of thousands."""
    return not any(f"/{folder}/" in file for folder in _INSTALLED) and origin_of_file(file) == "first"


def is_ours(name: str) -> bool:
    """Whether a module is part of Airflow or of this package. Airflow's providers are distributions like all others."""
    return name.partition(".")[0] in _OURS and not name.startswith("airflow.providers.")


def stable_name(name: str) -> str:
    """The name of a module in keys: Dag files have none, for they may be renamed."""
    return "" if name.startswith(_DAG_FILE) or name == "__main__" else name


class Modules:
    """Finds modules and keeps what it found. ``own`` is the file of the step's function: its module has the empty label."""

    def __init__(self, own: str | None) -> None:
        self._own = os.path.abspath(own) if own else None
        self._places: dict[str, Place] = {}
        self._sources: dict[str, SourceModule] = {}

    def place(self, name: str) -> Place:
        """Where the module of this name is."""
        if name not in self._places:
            self._places[name] = self._find(name)
        return self._places[name]

    def source(self, name: str) -> SourceModule:
        """A first-party module by name, as it stands in its file now."""
        place = self.place(name)
        loaded = sys.modules.get(name)
        return self.source_of_file(place.file, name, vars(loaded) if loaded is not None else None, place)

    def source_of_file(
        self, file: str | None, name: str, namespace: Mapping[str, Any] | None, place: Place | None = None
    ) -> SourceModule:
        """The same for a module whose file is known."""
        key = os.path.abspath(file) if file else f"package {name}"
        if key not in self._sources:
            content = read_source(file, name)
            parsed = None
            if file is None or not file.endswith((".so", ".pyd")):
                try:
                    parsed = parse(importlib.util.decode_source(content))
                except (SyntaxError, UnicodeDecodeError):
                    parsed = None
            label = "" if key == self._own else stable_name(name)
            found = place or Place(name, "first", file)
            self._sources[key] = SourceModule(label, name, found, parsed, content, namespace)
        return self._sources[key]

    def loaded(self) -> list[SourceModule]:
        """The user's own modules that are loaded."""
        files = {name: getattr(module, "__dict__", {}).get("__file__") for name, module in list(sys.modules.items())}
        return [
            self.source_of_file(file, name, vars(sys.modules[name]))
            for name, file in files.items()
            if isinstance(file, str) and file.endswith(".py") and not is_ours(name) and _may_be_first(file)
        ]

    def _find(self, name: str) -> Place:
        if is_ours(name):
            return Place(name, "ours")
        loaded = sys.modules.get(name)
        names = getattr(loaded, "__dict__", {})  # not by getattr: modules may have a __getattr__ of their own
        spec = names.get("__spec__") or (_spec(name, self) if loaded is None else None)
        file = names.get("__file__") or (spec.origin if spec and spec.has_location else None)
        paths = names.get("__path__") or (spec.submodule_search_locations if spec else None) or ()
        folders = tuple(_texts(paths))
        if file is not None:
            return Place(name, origin_of_file(file), file, folders)
        if folders:  # a package without __init__
            return Place(name, origin_of_file(os.path.join(folders[0], "__init__.py")), None, folders)
        if name.partition(".")[0] in sys.stdlib_module_names:
            return Place(name, "standard")
        if loaded is not None or spec is not None:
            return Place(name, "third")
        return Place(name, "missing")


def _texts(paths: Any) -> list[str]:
    try:
        return [str(path) for path in paths]
    except (TypeError, KeyError):  # a namespace package whose parent has gone
        return []


def _spec(name: str, modules: Modules) -> ModuleSpec | None:
    parent, _, _ = name.rpartition(".")
    path: Sequence[str] | None = None
    if parent:
        path = modules.place(parent).folders
        if not path:
            return None
    try:
        found = PathFinder.find_spec(name, path)
        if found is not None:
            return found
        for finder in sys.meta_path:  # those of editable installs
            if finder in (BuiltinImporter, FrozenImporter, PathFinder):
                continue
            find_spec = getattr(finder, "find_spec", None)
            found = find_spec(name, path, None) if find_spec is not None else None
            if found is not None:
                return found
    except Exception:  # noqa: BLE001 - finders of others may fail in any way: the module is not found by them
        return None
    return None


def read_source(file: str | None, name: str) -> bytes:
    """The bytes of a module's file; of a module in an archive, its text. Empty where there is none."""
    if file is None:
        return b""
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError):
        pass
    loaded = sys.modules.get(name)
    get_source = getattr(getattr(loaded, "__loader__", None), "get_source", None)
    try:
        return (get_source(name) or "").encode() if get_source is not None else b""
    except Exception:  # noqa: BLE001 - a loader of others
        return b""
