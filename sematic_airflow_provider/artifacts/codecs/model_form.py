"""One form for equal models: what ``skops/1`` makes of a file that skops wrote.

skops numbers objects by their memory address and keeps the order in which things were set, so a model differs from its own copy. Here

* numbers are left only where an object appears twice and could be changed (it stays one object), counted in the order of the sorted schema;
* members of the archive are named by their content, and not compressed: compressed bytes depend on the zlib that is installed;
* attributes, keys of dicts and members of sets are sorted;
* bytes between the fields of records, which nobody set, are zero;
* functions of NumPy and SciPy have the name that users know, not that of whichever module was loaded first.

skops loads the result as it would its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sematic_airflow_provider.errors import NoCodecError

SCHEMA = "schema.json"
UFUNC_MODULES = ("numpy", "scipy.special")
# Whether two of these are one object never matters: they cannot be changed, and loading shares them as it likes.
_IMMUTABLE = frozenset(
    {"JsonNode", "TypeNode", "FunctionNode", "DTypeNode", "OperatorFuncNode", "SliceNode", "BytesNode", "TupleNode"}
)

_NPY_HEADER = 100
"""How far into an array's file its dtype begins: behind ten or twelve bytes, the header is a sorted dict whose first key it is."""

_KEYS = frozenset({"builtins.str", "builtins.int", "builtins.float", "numpy.str_"})
_NUMBER = re.compile(r"numpy\.(u?int|float)\d+")


def settled(raw: bytes) -> bytes:
    """What skops wrote, in the form that all equal models have.

    Raises:
        NoCodecError: skops does not keep the model as it is.
    """
    with zipfile.ZipFile(io.BytesIO(raw)) as source:
        schema = json.loads(source.read(SCHEMA))
        members, names = {}, {}
        for old in source.namelist():
            if old != SCHEMA:
                data = _settled_member(old, source.read(old))
                names[old] = f"{hashlib.sha256(data).hexdigest()[:32]}.{old.rpartition('.')[2]}"
                members[names[old]] = data
    _settle(schema, names)
    _number(schema)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr(zipfile.ZipInfo(SCHEMA), json.dumps(schema, sort_keys=True))
        for name in sorted(members):
            target.writestr(zipfile.ZipInfo(name), members.pop(name))
    return out.getvalue()


def check_sizes(data: bytes) -> None:
    """See that nothing in a file grows when it is read.

    Raises:
        ValueError: something is compressed, which this codec never does.
        zipfile.BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise ValueError(f"the member {entry.filename[:80]} is compressed")
            if entry.filename.endswith(".npz"):
                check_sizes(archive.read(entry))


def _settled_member(name: str, data: bytes) -> bytes:
    if name.endswith(".npy"):
        return _without_gaps(data)
    if not name.endswith(".npz"):
        return data
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for member in sorted(source.namelist()):
            target.writestr(zipfile.ZipInfo(member), source.read(member))
    return out.getvalue()


def _without_gaps(data: bytes) -> bytes:
    """An array with zero in the bytes between the fields of its records."""
    if b"'descr': [" not in data[:_NPY_HEADER]:  # a list of fields; anything else has none
        return data
    import numpy as np

    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    # zeros_like leaves such bytes as they are
    clean, out = np.zeros(array.shape, array.dtype, order="C" if array.flags.c_contiguous else "F"), io.BytesIO()
    for field in array.dtype.names:
        clean[field] = array[field]
    np.save(out, clean, allow_pickle=False)
    return out.getvalue()


def _settle(node: Any, names: dict[str, str]) -> None:
    """Everything but the numbers, from the leaves up."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _settle(child, names)
    if not isinstance(node, dict):
        return
    loader = node.get("__loader__")
    if isinstance(node.get("file"), str):
        node["file"] = names.get(node["file"], node["file"])
    if loader in _IMMUTABLE or (loader == "NdArrayNode" and node.get("__class__") != "ndarray"):
        node.pop("__id__", None)
    if loader == "DictNode":
        _sort_dict(node)
    elif loader == "SetNode":
        node["content"].sort(key=lambda member: json.dumps(member, sort_keys=True))
    elif loader == "FunctionNode":
        node["__module__"] = _public_module(node["__module__"], node["__class__"])


def _sort_dict(node: dict[str, Any]) -> None:
    """skops keeps the types of keys in a list beside them, in the same order."""
    content, types = node["content"], node["key_types"]["content"]
    if len(content) != len(types):
        raise NoCodecError(
            f"skops would lose members of a dict in this model: of its {len(types)} keys some are equal as text, or stand for properties: {list(content)[:20]}"
        )
    odd = {f"{kind['__module__']}.{kind['__class__']}" for kind in types} - _KEYS
    if unkept := sorted(name for name in odd if not _NUMBER.fullmatch(name)):
        raise NoCodecError(f"skops does not keep keys of dicts of type {', '.join(unkept)}: use text or whole numbers")
    pairs = sorted(zip(content, types, strict=True), key=lambda pair: pair[0])
    node["content"] = {key: content[key] for key, _ in pairs}
    node["key_types"]["content"] = [kind for _, kind in pairs]


def _public_module(module: str, name: str) -> str:
    function = getattr(sys.modules.get(module), name, None)
    for public in UFUNC_MODULES:
        if function is not None and getattr(sys.modules.get(public), name, None) is function:
            return public
    return module


def _number(schema: Any) -> None:
    counts = Counter(node["__id__"] for node in _nodes(schema))
    numbers: dict[int, int] = {}
    for node in _nodes(schema):
        old = node.pop("__id__")
        if counts[old] > 1:
            node["__id__"] = numbers.setdefault(old, len(numbers) + 1)


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """All nodes with a number, in the order of the sorted schema."""
    if isinstance(node, list):
        for child in node:
            yield from _nodes(child)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            yield node
        for key in sorted(node):
            yield from _nodes(node[key])
