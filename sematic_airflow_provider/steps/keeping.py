"""What the step cache keeps from being collected, and what goes of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from sematic_airflow_provider.artifacts.chunks import load_list
from sematic_airflow_provider.artifacts.codecs.registry import FILES, TREE
from sematic_airflow_provider.artifacts.digest import Digest, short
from sematic_airflow_provider.artifacts.files import load_listing
from sematic_airflow_provider.artifacts.parts import Part, direct_parts, part_of
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.references import Reference
from sematic_airflow_provider.artifacts.store import BlobStat, Store
from sematic_airflow_provider.artifacts.trees import load_tree
from sematic_airflow_provider.errors import (
    ArtifactCorruptedError,
    ArtifactError,
    ArtifactNotFoundError,
    StoreError,
)
from sematic_airflow_provider.steps.flight import delete_old_leases
from sematic_airflow_provider.steps.records import Entry, delete_entry, entry_keys, read_entry

AFTERWARDS = 3600.0
"""So many seconds after it has expired, an entry still keeps its outputs: a step that has found it just before is about to record them."""
_AT_ONCE = 8
_WAVE = 256


def entries(store: Store) -> Iterator[Entry]:
    """All entries that can be read.

    Raises:
        StoreError: the store cannot be read.
    """
    keys = entry_keys(store)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sematic-steps") as pool:
        while wave := list(islice(keys, _WAVE)):
            for found in pool.map(lambda key: read_entry(store, key), wave):
                if found is not None:
                    yield found


def kept_by_cache(store: Store) -> Iterator[Reference]:
    """What ``named_by_cache`` names, without where.

    Raises:
        StoreError: the store cannot be read.
    """
    return (reference for reference, _ in named_by_cache(store))


def named_by_cache(store: Store) -> Iterator[tuple[Reference, str]]:
    """The outputs of all entries that have not expired and can still be used.

    An entry that names what is not there keeps nothing, and does not stop a collection as a lost artifact of a run would: its step is computed again.

    Raises:
        StoreError: the store cannot be read.
    """
    now = time.time()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sematic-steps") as pool:
        source = (entry for entry in entries(store) if not entry.expired(now - AFTERWARDS))
        while wave := list(islice(source, _WAVE)):
            for entry, whole in zip(wave, pool.map(lambda entry: _can_be_followed(store, entry), wave), strict=True):
                if whole:
                    where = f"cached step {short(entry.key)}, computed by {entry.by}"
                    yield from ((Reference(ref.digest, ref.codec), where) for ref in entry.outputs.values())


def sweep(store: Store) -> int:
    """Delete entries that have expired, or whose outputs are not there any more, and what killed owners of leases have left; how many.

    Raises:
        StoreError: the store fails.
    """
    now = time.time()
    gone = [
        entry.key
        for entry in list(entries(store))
        if entry.expired(now - AFTERWARDS) or not _can_be_followed(store, entry)
    ]
    for key in gone:
        delete_entry(store, key)
    return len(gone) + delete_old_leases(store, store.now() - AFTERWARDS)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why the outputs of an entry cannot be used: which blob, and what is wrong with it."""

    digest: Digest
    what: str


def flaw(store: Store, entry: Entry, *, verify: bool = False) -> Flaw | None:
    """What is wrong with the outputs of an entry; None where nothing is.

    Each blob is looked at, for being there and its size; only manifests are read, and with ``verify`` all.

    Raises:
        StoreError: the store fails.
    """
    wanted: dict[Digest, int | None] = {}
    try:
        for digest, size in _blobs(store, entry.outputs.values()):
            wanted[digest] = size
    except ArtifactCorruptedError as error:
        return Flaw(Digest(error.expected), str(error))
    except ArtifactNotFoundError as error:
        return Flaw(Digest(error.digest), f"{short(error.digest)} is gone")
    except StoreError:
        raise
    except ArtifactError as error:
        return Flaw(next(iter(entry.outputs.values())).digest, str(error))
    digests = list(wanted)
    for digest, found in zip(digests, _stats(store, digests), strict=True):
        size = wanted[digest]
        if found is None:
            return Flaw(digest, f"{short(digest)} is gone")
        if size is not None and found.size != size:
            return Flaw(digest, f"{short(digest)} has {found.size} bytes instead of {size}")
    for digest in digests if verify else ():
        try:
            store.get(digest)
        except ArtifactCorruptedError as error:
            return Flaw(digest, str(error))
        except ArtifactNotFoundError:
            return Flaw(digest, f"{short(digest)} is gone")
    return None


def _blobs(store: Store, refs: Iterable[ArtifactRef]) -> Iterator[tuple[Digest, int | None]]:
    """All blobs of these artifacts with what they take in the store, None where that stands nowhere."""
    pending, seen = list(refs), set[Part]()
    while pending:
        ref = pending.pop()
        if part_of(ref) in seen:
            continue
        seen.add(part_of(ref))
        if ref.codec == FILES or ref.in_chunks:
            listed = load_listing(store, ref.digest).chunks if ref.codec == FILES else load_list(store, ref.digest)
            yield ref.digest, None
            for number, (digest, size) in enumerate(listed.chunks):
                yield digest, listed.packed.get(number, size)
            continue
        yield ref.digest, ref.size
        if ref.codec == TREE:
            pending.extend(member for _, member in load_tree(store, ref.digest).members if not member.has_value)


def _stats(store: Store, digests: list[Digest]) -> list[BlobStat | None]:
    if len(digests) <= _AT_ONCE:
        return [store.stat(digest) for digest in digests]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sematic-steps") as pool:
        return list(pool.map(store.stat, digests))


def _can_be_followed(store: Store, entry: Entry) -> bool:
    """Whether the outputs are there, with all manifests below them."""
    pending: list[Part] = [part_of(ref) for ref in entry.outputs.values()]
    if None in _stats(store, [part.digest for part in pending]):
        return False
    seen: set[Part] = set()
    while pending:
        part = pending.pop()
        if part in seen or not part.is_manifest:
            continue
        seen.add(part)
        try:
            pending.extend(direct_parts(store, part))
        except StoreError:
            raise
        except ArtifactError:
            return False
    return True
