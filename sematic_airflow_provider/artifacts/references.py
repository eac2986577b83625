"""References: what an artifact needs beside its own blob, and which artifacts a record names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from sematic_airflow_provider.artifacts.chunks import ChunkList
from sematic_airflow_provider.artifacts.codecs.registry import FILES, TREE, codec_named
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.files import Files
from sematic_airflow_provider.artifacts.ref import IN_CHUNKS, MARK, ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.artifacts.trees import Tree
from sematic_airflow_provider.errors import CollectionRefusedError, InvalidRefError, NoCodecError

OPAQUE = ""
"""Stands for the codec of what is certain to refer to nothing: a chunk."""

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_LARGEST_MANIFEST = 256 << 20


class Reference(NamedTuple):
    """An artifact that is needed; ``codec`` is None where only its digest is told."""

    digest: Digest
    codec: str | None


def holds_others(codec: str | None) -> bool:
    """Whether artifacts of this codec may refer to others."""
    return codec is None or codec in (TREE, FILES) or codec.startswith(IN_CHUNKS)


def references(store: Store, digest: Digest, codec: str | None, opaque: Iterable[str] = ()) -> list[Reference]:
    """What an artifact refers to: members, chunks; not what these refer to. ``opaque`` names further codecs that refer to nothing.

    Raises:
        ArtifactNotFoundError: it may refer to others, and is not there.
        CollectionRefusedError: its codec is not known here, so that nobody can tell.
        ArtifactCorruptedError, StoreError: it cannot be read.
    """
    if not holds_others(codec):
        _check_known(digest, codec or OPAQUE, opaque)
        return []
    _check_known(digest, (codec or OPAQUE).removeprefix(IN_CHUNKS), opaque)
    found = store.stat(digest)
    if found is None and codec is None:
        return []  # what looks like a digest need not be one of ours
    if found is not None and found.size > _LARGEST_MANIFEST:
        return [] if codec is None else _refused(digest, codec, found.size)
    data = bytes(store.get(digest))
    if codec is None and data[:1] != b"{":
        return []
    try:
        return _READ[(codec or "").partition(":")[0]](json.loads(data))
    except (KeyError, TypeError, ValueError, RecursionError):
        # Whole, and not what the codec says: nobody can load it. It may be of a later version, so all that it names is kept.
        return list(named_in(data))


def _refused(digest: Digest, codec: str, size: int) -> list[Reference]:
    raise CollectionRefusedError(
        f"artifact {digest} is said to be a manifest ({codec}), and has {size} bytes, more than any has: whatever names it is wrong or hostile"
    )


def named_in(text: str | bytes) -> Iterator[Reference]:
    """Every artifact that a JSON record names: with its codec where a ref or facet tells it, else anything that looks like a digest.

    Naming too many is harmless. Text that is no JSON is searched for digests all the same.
    """
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    digests = set(_DIGEST.findall(text))
    if not digests:
        return
    told: set[str] = set()
    for item in _objects(text):
        digest, codec = item.get("digest"), item.get("codec")
        if isinstance(digest, str) and isinstance(codec, str) and digest in digests:
            told.add(digest)
            yield Reference(Digest(digest), codec or None)
    for digest in digests - told:
        yield Reference(Digest(digest), None)


def refs_in(text: str | bytes) -> Iterator[ArtifactRef]:
    """The refs that a JSON record holds, wherever they stand in it; what only looks like one is left out."""
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    for item in _objects(text) if MARK in text else ():
        if ArtifactRef.is_json(item):
            with suppress(InvalidRefError):
                yield ArtifactRef.from_json(item)


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """All objects in a JSON text, and in JSON texts that stand in it as strings; none where it is no JSON."""
    try:
        pending: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, str) and item[:1] in "{[" and '"digest"' in item:
            try:
                pending.append(json.loads(item))
            except (ValueError, RecursionError):
                continue


def _check_known(digest: Digest, codec: str, opaque: Iterable[str]) -> None:
    if codec in (OPAQUE, TREE, FILES) or codec in opaque:
        return
    try:
        codec_named(codec)
    except NoCodecError as error:
        raise CollectionRefusedError(
            f"artifact {digest} is written by codec {codec[:80]!r}, which is not known here, so nobody can tell what else it needs. Install here what the "
            "workers have, or name the codec as one that refers to no other artifacts"
        ) from error


def _guessed(record: Any) -> list[Reference]:
    """What a blob refers to if it is a manifest; most are not."""
    for read in (_tree, _files, _chunks):
        try:
            return read(record)
        except (KeyError, TypeError, ValueError):
            continue
    return []


def _tree(record: Any) -> list[Reference]:
    return [Reference(ref.digest, ref.codec) for _, ref in Tree.from_json(record).members]


def _files(record: Any) -> list[Reference]:
    return [Reference(digest, OPAQUE) for digest, _ in Files.from_json(record).chunks.chunks]


def _chunks(record: Any) -> list[Reference]:
    return [Reference(digest, OPAQUE) for digest, _ in ChunkList.from_json(record).chunks]


_READ = {"": _guessed, TREE: _tree, FILES: _files, IN_CHUNKS.rstrip(":"): _chunks}
