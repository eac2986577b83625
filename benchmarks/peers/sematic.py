"""Sematic 0.41: an artifact as its runner makes it, written and read as its server's local storage does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sematic.db.models.artifact import Artifact
from sematic.db.models.factories import deserialize_artifact_value, make_artifact


def save(kind: str, value: Any, store: Path) -> Any:
    """Make the artifact, and write what its runner would upload. The transfer to the server by HTTP is left out, in its favour."""
    type_ = dict[str, object] if kind == "json" else type(value)  # what a step would be annotated with
    artifact, payloads = make_artifact(value, type_)
    for payload in payloads:
        folder = store / payload.namespace.value
        folder.mkdir(exist_ok=True)
        (folder / payload.key).write_bytes(payload.payload)
    return [artifact.id, artifact.type_serialization]


def load(kind: str, handle: Any, store: Path) -> Any:
    """Read its payload, and decode it."""
    artifact = Artifact(id=handle[0], type_serialization=handle[1])
    return deserialize_artifact_value(artifact, (store / "artifacts" / handle[0]).read_bytes())
