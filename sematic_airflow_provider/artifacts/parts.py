"""Parts: the blobs that must be stored so that an artifact can be loaded. Unlike ``references``, this takes manifests at their word and fails on a bad one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sematic_airflow_provider.artifacts.chunks import load_list
from sematic_airflow_provider.artifacts.codecs.registry import FILES, TREE
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.files import load_listing
from sematic_airflow_provider.artifacts.ref import IN_CHUNKS, ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.artifacts.trees import load_tree

CHUNK = "chunk"
"""Stands for the codec of a chunk."""


class Part(NamedTuple):
    """A blob. ``codec`` is that of the artifact that it is, None where that is not known."""

    digest: Digest
    codec: str | None

    @property
    def is_manifest(self) -> bool:
        """Whether it names others."""
        return self.codec is not None and (self.codec in (TREE, FILES) or self.codec.startswith(IN_CHUNKS))


def part_of(ref: ArtifactRef) -> Part:
    """The blob that a ref names."""
    return Part(ref.digest, ref.codec)


def direct_parts(store: Store, part: Part) -> list[Part]:
    """What a manifest names, as often as it does: members that do not stand in it themselves, chunks. Nothing for what is no manifest.

    Raises:
        ArtifactNotFoundError, ArtifactCorruptedError, StoreError: it cannot be read.
        ArtifactError: it is not what its codec says.
    """
    if not part.is_manifest:
        return []
    if part.codec == TREE:
        return [part_of(ref) for _, ref in load_tree(store, part.digest).members if not ref.has_value]
    listing = load_listing(store, part.digest).chunks if part.codec == FILES else load_list(store, part.digest)
    return [Part(digest, CHUNK) for digest, _ in listing.chunks]


def all_parts(store: Store, start: Iterable[Part]) -> Iterator[Part]:
    """These and everything below them, each once.

    Raises:
        ArtifactError and its kinds: as ``direct_parts`` does.
    """
    pending, seen = list(start), set[Part]()
    while pending:
        part = pending.pop()
        if part in seen:
            continue
        seen.add(part)
        yield part
        pending.extend(direct_parts(store, part))
