"""Names of classes as they are stored, ``module:qualname``, and the classes that they lead to.

Airflow loads a Dag file as ``unusual_prefix_<40 hex>_<stem>``, a step's pod as ``sematic_step_<12 hex>_<stem>``, a test by its plain name. The stored module is
the stem, so that equal values have equal digests wherever they are made, and any module of that stem may answer when they are loaded.

A name in stored bytes never decides by itself what is imported: a module that is not loaded yet is only imported when its source, which is read without
running it, defines this class.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from sematic_airflow_provider.errors import NoCodecError

_PREFIXES = {"unusual_prefix_": 40, "sematic_step_": 12}
"""And how many hexadecimal digits follow."""
_NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"
_MAX_NAME = 500

_found: dict[str, type] = {}
_step: ContextVar[tuple[str, Mapping[str, Any]] | None] = ContextVar("sematic_step_namespace", default=None)


@contextmanager
def classes_of(function: Callable[..., Any]) -> Iterator[None]:
    """While this is entered, names of the function's module lead to the classes that the function itself knows.

    Airflow may load a Dag file twice in one process (``airflow dags test`` does): then the module that is found by its name is another one.
    """
    function = inspect.unwrap(function)
    module, namespace = getattr(function, "__module__", ""), getattr(function, "__globals__", None)
    token = _step.set((stable_module(module), namespace) if module and namespace is not None else None)
    try:
        yield
    finally:
        _step.reset(token)


def stable_module(module: str) -> str:
    """A module's name without what differs from process to process."""
    for prefix, digits in _PREFIXES.items():
        if module.startswith(prefix):
            start, end = len(prefix), len(prefix) + digits
            hexadecimal, stem = module[start:end], module[end:]
            if not hexadecimal.strip("0123456789abcdef") and stem[:1] == "_" and stem[1:]:
                return stem[1:]
    return module


def name_of(cls: type) -> str:
    """The stored name of a class.

    Raises:
        NoCodecError: the name would not lead back to it.
    """
    module, qualname = cls.__module__, cls.__qualname__
    if "<locals>" in qualname:
        raise NoCodecError(
            f"the class {qualname} is defined inside a function, where nobody finds it when the value is loaded: move it to the top level of a module"
        )
    if module in ("__main__", "__mp_main__"):
        raise NoCodecError(
            f"the class {qualname} is defined in the script that runs ({module}), which other processes do not have: move it to a module"
        )
    name = f"{stable_module(module)}:{qualname}"
    if not _is_name(name) or not _leads_to(cls):
        raise NoCodecError(
            f"{module}.{qualname} does not lead to the class of this name: assign the class to its own name at the top level of its module. "
            "For a generic class with its types filled in, make a subclass: class Mine(Generic[int])"
        )
    return name


def _leads_to(cls: type) -> bool:
    """Whether the name is that of this class; or, in a Dag file, which may have been loaded anew meanwhile, of one that takes its place."""
    found = _attribute(sys.modules.get(cls.__module__), cls.__qualname__)
    if found is cls or stable_module(cls.__module__) == cls.__module__:
        return found is cls
    return isinstance(found, type) and (found.__module__, found.__qualname__) == (cls.__module__, cls.__qualname__)


def find(name: str) -> type:
    """The class of a stored name.

    Raises:
        ValueError: this is no such name.
        NoCodecError: there is no class of this name here, or more than one.
    """
    if not _is_name(name):
        raise ValueError(f"not the name of a class: {name[:80]!r}")
    module, _, qualname = name.partition(":")
    step = _step.get()
    if step is not None and step[0] == module and (own := _in([step[1]], module, qualname)):
        return own[0]
    known = _found.get(name)
    if known is not None and _attribute(sys.modules.get(known.__module__), qualname) is known:
        return known
    classes = _in_dag_files(module, qualname) or _in([sys.modules.get(module)], module, qualname)
    if not classes and _is_defined(module, qualname.partition(".")[0]):
        classes = _in([_import(module, name)], module, qualname)
    if not classes:
        raise NoCodecError(
            f"the class {qualname} of module {module} is not known here: import its module before the value is loaded, or install the package that has it. "
            "(A module is only imported by itself where its source defines the class)"
        )
    if len(classes) > 1:
        where = ", ".join(sorted(cls.__module__ for cls in classes))
        raise NoCodecError(f"there is more than one class {name} here ({where}): give the Dag files different names")
    _found[name] = classes[0]
    return classes[0]


def _is_name(name: str) -> bool:
    return len(name) <= _MAX_NAME and re.fullmatch(_NAME, name) is not None


def _in_dag_files(module: str, qualname: str) -> list[type]:
    ending = f"_{module}"
    loaded = [
        found for name, found in list(sys.modules.items()) if name.endswith(ending) and stable_module(name) != name
    ]
    return _in(loaded, module, qualname)


def _in(modules: Sequence[ModuleType | Mapping[str, Any] | None], module: str, qualname: str) -> list[type]:
    """The classes that say themselves that this is their name: a class that a module only imports is not meant."""
    found = [_attribute(candidate, qualname) for candidate in modules]
    return list(
        {
            cls
            for cls in found
            if isinstance(cls, type) and cls.__qualname__ == qualname and stable_module(cls.__module__) == module
        }
    )


def _attribute(module: ModuleType | Mapping[str, Any] | None, qualname: str) -> Any:
    """What stands under the name; looked up in namespaces alone, so that no code of a module or a metaclass runs."""
    found: Any = module
    for part in qualname.split("."):
        names = vars(found) if isinstance(found, (ModuleType, type)) else found
        found = names.get(part) if isinstance(names, Mapping) else None
    return found


def _import(module: str, name: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise NoCodecError(f"the class {name} cannot be imported here: {error}") from error


@lru_cache(maxsize=1000)
def _is_defined(module: str, name: str) -> bool:
    """Whether the source of an installed module defines this name at its top level."""
    source = _source(module)
    if source is None:
        return False
    try:
        return name in _top_level_names(ast.parse(source).body)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _source(module: str) -> str | None:
    """The text of a module, found without importing it or its parents."""
    parts = module.split(".")
    if any(part.startswith("__") for part in parts):  # __main__ runs programs
        return None
    path: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    for index in range(len(parts)):
        spec = _spec(".".join(parts[: index + 1]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    get_source = getattr(spec and spec.loader, "get_source", None)
    try:
        return get_source(module) if get_source is not None else None
    except (ImportError, OSError):
        return None


def _spec(module: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec(module, path) if find_spec is not None else None
        if spec is not None:
            return spec
    return None


def _top_level_names(body: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield statement.name
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Call):
            # namedtuple("Pair", …), Enum("Colour", …)
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(statement, (ast.If, ast.Try, ast.With)):
            yield from _top_level_names(
                [node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt)]
            )
