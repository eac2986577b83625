"""What a ``skops/1`` file may name. Everything in it that is not a number or text is named by module and attribute, so this list is the wall.

skops trusts estimators and ufuncs by itself. Of the rest we let pass classes that scikit-learn defines, its scoring functions, and a few names of NumPy and
SciPy. A prefix is not enough: one kind of node *calls* what it names while the file is loaded, and ``numpy.testing`` alone has functions that run text as code.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType
from typing import Any

from sematic_airflow_provider.artifacts.codecs.model_form import SCHEMA, UFUNC_MODULES

_NAMES = frozenset(
    {
        "numpy.dtype",
        *(f"numpy.{name}" for name in ("mean", "median", "max", "min", "amax", "amin", "sum")),
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.interpolate._interpolate.interp1d",
        *(f"scipy.sparse._{kind}.{kind}_{form}" for kind in ("csr", "csc", "coo") for form in ("matrix", "array")),
    }
)
_CLOSED = frozenset({"tests", "externals", "datasets", "_testing", "conftest", "experimental"})
_FUNCTIONS = ("sklearn.feature_selection.", "sklearn.metrics.", "sklearn.cluster._kmeans.")
_PLAIN = {
    "DictNode": frozenset({"builtins.dict"}),
    "JsonNode": frozenset(f"builtins.{name}" for name in ("NoneType", "bool", "float", "int", "str")),
    "ListNode": frozenset({"builtins.list"}),
    "NdArrayNode": frozenset({"numpy.ndarray", "numpy.float64", "numpy.int64"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "TypeNode": frozenset({"builtins.str", "builtins.int", "builtins.float"}),
}
"""What skops trusts and nearly every model names, by the kind of node that names it."""
_CALLING = "ConstructorFromReduceNode"


@dataclass(frozen=True, slots=True)
class Named:
    """What a file names: ``trusted`` is what may be loaded, ``others`` the rest, of which skops trusts some by itself, ``refused`` what loading would call
    and must not."""

    trusted: list[str]
    others: list[str]
    refused: list[str]


def named_in(data: bytes) -> Named:
    """Sort what a file names.

    Raises:
        ValueError, KeyError, zipfile.BadZipFile: these bytes are no model.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(SCHEMA))
    named = _names(schema)
    trusted = {name for _, name in named if _may_be_named(name)}
    others = {name for loader, name in named if name not in trusted and name not in _PLAIN.get(loader, ())}
    refused = {name for loader, name in named if loader == _CALLING and not (name in _NAMES or _is_class(name))}
    return Named(sorted(trusted), sorted(others), sorted(refused))


def _names(node: Any) -> set[tuple[str, str]]:
    """What nodes name, each with the kind of the node."""
    found: set[tuple[str, str]] = set()
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            if "__class__" in item:
                found.add((str(item.get("__loader__")), f"{item.get('__module__')}.{item['__class__']}"))
            pending.extend(item.values())
    return found


def _may_be_named(name: str) -> bool:
    return name in _NAMES or _is_class(name) or _is_scoring_function(name) or _is_ufunc(name)


def _is_ufunc(name: str) -> bool:
    """skops knows them by the name of the module that it found them in."""
    module, _, attribute = name.rpartition(".")
    return module in UFUNC_MODULES and type(getattr(import_module(module), attribute, None)).__name__ == "ufunc"


def _is_class(name: str) -> bool:
    return isinstance(_defined_by_sklearn(name), type)


def _is_scoring_function(name: str) -> bool:
    return name.startswith(_FUNCTIONS) and isinstance(_defined_by_sklearn(name), FunctionType)


def _defined_by_sklearn(name: str) -> Any:
    """What scikit-learn itself defines under this name; None for anything else, what it only imports included."""
    module, _, attribute = name.rpartition(".")
    parts = module.split(".")
    if parts[0] != "sklearn" or not _CLOSED.isdisjoint(parts):
        return None
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError):
        return None
    return found if getattr(found, "__module__", None) == module else None
