"""Healing: what was found damaged or missing is made way for, so that saving the value again writes it anew.

A put that finds a blob of the right size, or a list of chunks that was stored lately, looks no further. So a damaged blob is set aside, and the lists that
name a chunk which is not there (any more) go too: nobody could load what they stand for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from sematic_airflow_provider.artifacts.codecs.registry import TREE
from sematic_airflow_provider.artifacts.deletions import note_deletions
from sematic_airflow_provider.artifacts.digest import Digest, short
from sematic_airflow_provider.artifacts.parts import Part, direct_parts, part_of
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactError, StoreError

log = logging.getLogger(__name__)


def make_way(store: Store, digest: Digest, within: Iterable[ArtifactRef] = ()) -> bool:
    """See that the next save of a value writes this blob, where it is damaged or missing; whether it is.

    Args:
        store: the store.
        digest: what was found damaged or missing. It is read again first.
        within: artifacts that it may be a part of.

    Raises:
        StoreError: the store fails.
    """
    if store.set_aside(digest):
        log.warning("artifact %s is damaged, and was set aside in %s", short(digest), store.url)
    elif store.stat(digest) is not None:
        return False
    lists = [found for found in _lists_naming(store, digest, within) if found != digest]
    if lists:
        with note_deletions(store, lists) as note:
            for found in lists:
                store.delete(found)
            note(lists)
    return True


def heal(error: ArtifactCorruptedError, store: Store, inputs: Iterable[ArtifactRef]) -> str:
    """An input was found damaged: make way for it to be written anew; what to tell the person. Never raises."""
    try:
        if make_way(store, Digest(error.expected), inputs):
            return "The damaged bytes are set aside: clear the task that made it, and they are written anew."
    except (ArtifactError, ValueError) as failure:
        return f"The damaged bytes cannot be set aside: {failure}"
    return "Read again, it was whole: try again."


def _lists_naming(store: Store, digest: Digest, within: Iterable[ArtifactRef]) -> list[Digest]:
    found: list[Digest] = []
    pending, seen = [part_of(ref) for ref in within], set[Part]()
    while pending:
        part = pending.pop()
        if part in seen or not part.is_manifest:
            continue
        seen.add(part)
        try:
            below = direct_parts(store, part)
        except StoreError:
            raise
        except (ArtifactError, json.JSONDecodeError):
            continue
        if part.codec != TREE and any(member.digest == digest for member in below):
            found.append(part.digest)
        pending.extend(below)
    return found
