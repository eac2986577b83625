"""flytekit: values become literals by the type engine, blobs go to local storage, and the literals to ``outputs.pb``, as its tasks do."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

from flyteidl.core import literals_pb2
from flytekit.core.context_manager import FlyteContext, FlyteContextManager
from flytekit.core.data_persistence import FileAccessProvider
from flytekit.core.type_engine import TypeEngine
from flytekit.core.utils import load_proto_from_file, write_proto_to_file
from flytekit.models.literals import LiteralMap


def save(kind: str, value: Any, store: Path) -> Any:
    """Turn the value into a literal, and write that."""
    name, type_ = f"{uuid.uuid4().hex}/outputs.pb", _type_of(kind)
    if kind == "folder":
        value = type_(str(value))
    with FlyteContextManager.with_context(_context(store)) as context:
        literal = TypeEngine.to_literal(context, value, type_, TypeEngine.to_literal_type(type_))
        (store / name).parent.mkdir()
        write_proto_to_file(LiteralMap({"o0": literal}).to_flyte_idl(), str(store / name))
    return name


def load(kind: str, handle: Any, store: Path) -> Any:
    """Read the literal, and turn it back."""
    with FlyteContextManager.with_context(_context(store)) as context:
        found = LiteralMap.from_flyte_idl(load_proto_from_file(literals_pb2.LiteralMap, str(store / handle)))
        value = TypeEngine.to_python_value(context, found.literals["o0"], _type_of(kind))
        return Path(value.download()) if kind == "folder" else value


def _context(store: Path) -> FlyteContext.Builder:
    access = FileAccessProvider(tempfile.mkdtemp(dir=store), str(store / "raw"))
    return FlyteContextManager.current_context().with_file_access(access)


def _type_of(kind: str) -> Any:
    if kind == "folder":
        from flytekit.types.directory import FlyteDirectory

        return FlyteDirectory
    if kind == "model":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier
    if kind == "json":
        return dict
    if kind in ("array", "integers"):
        import numpy as np

        return np.ndarray
    import pandas as pd

    return pd.DataFrame
