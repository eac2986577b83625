"""``skops/1``: scikit-learn estimators and pipelines, without code in the file that loading would run.

The file is skops' own format (a zip of a schema and arrays), repacked so that equal models have equal bytes: members in order, no times. skops numbers objects
by their memory address; the numbers are replaced by the order of appearance.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
import zipfile
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs.model_trust import SCHEMA, refused
from sematic_airflow_provider.errors import MissingExtraError, NoCodecError


class SkopsCodec:
    """Models of scikit-learn; types of other libraries inside them are refused."""

    name = "skops/1"
    deterministic = True

    def handles(self, value: object) -> bool:
        """Estimators that scikit-learn itself defines."""
        sklearn = sys.modules.get("sklearn.base")
        return (
            sklearn is not None
            and isinstance(value, sklearn.BaseEstimator)
            and type(value).__module__.startswith("sklearn.")
        )

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the model."""
        sio = _skops()
        try:
            raw = sio.dumps(value)
        except sio.exceptions.UnsupportedTypeException as error:
            raise NoCodecError(f"skops cannot store this model: {error}") from error
        names = _refused(sio, raw)
        if names:
            raise NoCodecError(
                f"the model holds types or functions that are not of scikit-learn, NumPy or SciPy, or not safe to load: {', '.join(names)}. "
                "Keep such steps out of the pipeline, register a codec, or set [sematic] allow_pickle"
            )
        _repack(raw, file)

    def decode(self, data: memoryview) -> Any:
        """The model.

        Raises:
            ValueError: it holds types that are not trusted: this file was not written by this codec.
        """
        sio = _skops()
        content = bytes(data)
        names = _refused(sio, content)
        if names:
            raise ValueError(f"the model holds types or functions that are not trusted: {', '.join(names)}")
        return sio.loads(content, trusted=sio.get_untrusted_types(data=content))


def _skops() -> Any:
    try:
        with warnings.catch_warnings():
            # importing it probes every loaded module for ufuncs, deprecated attributes included
            warnings.simplefilter("ignore")
            import skops.io as sio
    except ImportError as error:
        raise MissingExtraError("storing scikit-learn models", "sklearn") from error
    return sio


def _refused(sio: Any, data: bytes) -> list[str]:
    return refused(data, sio.get_untrusted_types(data=data))


def _repack(raw: bytes, file: BinaryIO) -> None:
    with zipfile.ZipFile(io.BytesIO(raw)) as source:
        schema = json.loads(source.read(SCHEMA))
        names: dict[str, str] = {}
        _renumber(schema, {}, names)
        members = {names.get(name, name): source.read(name) for name in source.namelist() if name != SCHEMA}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        content = {SCHEMA: json.dumps(schema, sort_keys=True).encode(), **dict(sorted(members.items()))}
        for name, data in content.items():
            target.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    file.write(packed.getvalue())


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str]) -> None:
    """Replace object ids, and file names made of them, by their order of appearance; the order is the schema's own."""
    if isinstance(node, list):
        for member in node:
            _renumber(member, ids, names)
        return
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__id__"), int):
        node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
    if isinstance(node.get("file"), str):
        old = node["file"]
        suffix = "." + old.rsplit(".", 1)[-1] if "." in old else ""
        node["file"] = names.setdefault(old, f"member-{len(names) + 1:06}{suffix}")
    for key, member in node.items():
        if key not in ("__id__", "file"):
            _renumber(member, ids, names)
