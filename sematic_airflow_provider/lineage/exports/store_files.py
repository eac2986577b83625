"""What the artifact store has for an export: how artifacts look, and the recorded lists of packages and differences that runs name."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sematic_airflow_provider.artifacts import previews
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import SematicError
from sematic_airflow_provider.lineage.exports.ro_crate import Attachment
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from sematic_airflow_provider.lineage.graph import ArtifactNode
from sematic_airflow_provider.lineage.shapes import mapping

log = logging.getLogger(__name__)

_LARGEST: Final = 4 << 20
_MOST_BYTES: Final = 64 << 20


def looks(store: Store, part: Subgraph) -> list[Attachment]:
    """Previews and pictures of the artifacts that are not locked, until there are 64 MiB of them.

    Raises:
        StoreError: the store fails.
    """
    found: list[Attachment] = []
    left = _MOST_BYTES
    for node in part.data_nodes:
        if not isinstance(node, ArtifactNode) or node.locked or not node.digest or node.has_value:
            continue
        for suffix, media_type, data in _looks(store, node.digest):
            left -= len(data)
            if left < 0:
                return found
            path = f"previews/{node.digest}.{suffix}"
            found.append(Attachment(node.id, path, media_type, False, lambda data=data: data, len(data)))  # type: ignore[misc]
    return found


def documents(store: Store, part: Subgraph) -> dict[str, Any]:
    """The contents of the lists of packages and differences that runs name, by digest; without those that cannot be read.

    A digest that stands in an event says nothing of what it is of: only what has the form of such a document is given.
    """
    found: dict[str, Any] = {}
    for facts in part.runs.values():
        for ref in (facts.provenance.get("packages"), mapping(facts.git).get("diff")):
            try:
                read = ArtifactRef.from_json(ref)
                if read.digest not in found and not read.has_value:
                    found[read.digest] = _document(store, read)
            except (SematicError, ValueError, OSError, RecursionError) as error:
                log.debug("a document of a run cannot be shown: %s", error)
    return {digest: content for digest, content in found.items() if content is not None}


def _document(store: Store, ref: ArtifactRef) -> Any:
    if ref.codec not in ("json/1", "text/1"):
        return None
    stat = store.stat(ref.digest)
    if stat is None or stat.size > _LARGEST:
        return None
    text = str(store.get(ref.digest), "utf-8")
    if ref.codec == "text/1":
        return text
    content = json.loads(text)
    if isinstance(content, Mapping) and all(isinstance(value, str) for value in content.values()):
        return content
    return content if isinstance(content, str) else None


def _looks(store: Store, digest: str) -> Iterator[tuple[str, str, bytes]]:
    if previews.read(store, digest) is not None:
        document = store.read_document(f"previews/{digest[:2]}/{digest}.json")
        if document is not None:
            yield "json", "application/json", document
    if (picture := previews.read_picture(store, digest)) is not None:
        yield "png", "image/png", picture
