"""Small artifacts of plain text or JSON, read from the store. Nothing in them is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from sematic_airflow_provider.artifacts.digest import parse_digest
from sematic_airflow_provider.errors import SematicError
from sematic_airflow_provider.server.previews import opened_store

_MOST_BYTES: Final = 2 << 20
_MOST: Final = 200  # artifacts of one answer


def content_of(missing: list[str]) -> Callable[[Any], Any]:
    """A function from a ref to the value it stands for; what cannot be read is None, and why stands in ``missing`` then, once."""
    known: dict[str, Any] = {}

    def content(ref: Any) -> Any:
        if not isinstance(ref, Mapping) or not isinstance(ref.get("digest"), str):
            return None
        if ref.get("value") is not None:
            return ref["value"]
        digest = ref["digest"]
        if digest not in known:
            known[digest] = _read(ref, missing) if len(known) < _MOST else None
        return known[digest]

    return content


def _read(ref: Mapping[str, Any], missing: list[str]) -> Any:
    codec, size = ref.get("codec"), ref.get("size")
    if codec not in ("json/1", "text/1") or not isinstance(size, int) or size > _MOST_BYTES:
        return None
    try:
        data = bytes(opened_store().get(parse_digest(ref["digest"])))
        return data.decode() if codec == "text/1" else json.loads(data)
    except (SematicError, FileNotFoundError, ValueError, RecursionError) as error:
        reason = f"what was recorded of code and packages cannot be read: {error}"
        if len(missing) < 5 and reason not in missing:
            missing.append(reason)
        return None
