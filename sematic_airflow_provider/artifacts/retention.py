"""Retention: which blobs are still needed, and deleting the others while tasks go on writing.

Marked is what the roots name and what that refers to, all the way down. Swept is what is not marked and has not been written, or found by a put, for at
least the grace time. Why nothing that is needed can be lost:

* A put leaves a blob whose time is at most ``pace.refresh`` (6 h) old: it writes the blob, or renews one that is older, or finds it that recent.
  Chunks are as recent as that when their list is, and a list counts as found for no longer: they are at most two times 6 h old.
* The moment from which grace is counted is taken before the first root is read. With a grace of 24 h or more a blob is swept only if no put has returned it
  within the last 12 h; all those hours there was time to record it: in XCom, an event, a document. Tasks that run longer are covered by ``not_after``.
* A blob is looked at once more when it is deleted, in a way that a put which renews it at that moment cannot miss, see ``Store.discard``.
* What is recorded by its digest alone, without a put, while a collection is under way (a pointer to an old artifact, say) is looked for before each few
  thousand deletions, see ``sweep``; whoever must be certain waits for that, see ``collectors``.
* Where it cannot be told what is needed (a manifest that cannot be read, a codec that is not known, clocks that disagree) nothing is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sematic_airflow_provider.artifacts.collectors import alone
from sematic_airflow_provider.artifacts.deletions import deleted_before, note_deletions
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.references import Reference, holds_others, named_in, references
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ArtifactError, ArtifactNotFoundError, CollectionRefusedError, StoreError

SHORTEST_GRACE: Final = 24 * 3600.0
_SKEW = 3600.0
_DERIVED = "previews/"
_CACHED = "steps/"
_HASHES = "audit/"  # of the event log: they look like digests of artifacts
_READERS = 8
_WAVE = 256
_BATCH = 5000

Progress = Callable[[str, int], None]


@dataclass(slots=True)
class Marks:
    """What is needed. 32 bytes for each digest, so that millions fit into memory."""

    digests: set[bytes] = field(default_factory=set)
    missing: list[Digest] = field(default_factory=list)
    """Manifests that are needed and were deleted by an earlier collection: what they referred to is not known any more."""

    def __contains__(self, digest: Digest) -> bool:
        return bytes.fromhex(digest) in self.digests


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collection would delete, and why not more."""

    started: float
    cutoff: float
    doomed: dict[bytes, int]
    """Size by digest."""
    kept: int
    kept_bytes: int
    young: int
    young_bytes: int
    """Not needed by anything that is recorded, but too recent to go."""
    missing: tuple[Digest, ...]

    @property
    def doomed_bytes(self) -> int:
        """What would be freed."""
        return sum(self.doomed.values())


@dataclass(slots=True)
class Swept:
    """What a collection has deleted."""

    blobs: int = 0
    bytes: int = 0
    spared: int = 0
    """Found by a put, or gone, after the plan was made."""
    leftovers: int = 0


def document_roots(store: Store) -> Iterator[Reference]:
    """What the documents in the store name: undelivered events, results of pods, pointers, and whatever else is laid there.

    Not what the step cache keeps, which also names what it does not keep: ``steps.keeping`` tells that.
    """
    paths = (path for path in store.documents() if not path.startswith((_DERIVED, _CACHED, _HASHES)))
    with ThreadPoolExecutor(_READERS, thread_name_prefix="sematic-gc") as pool:
        while wave := list(islice(paths, _WAVE)):
            for data in pool.map(store.read_document, wave):
                yield from named_in(data or b"")


def mark(
    store: Store, roots: Iterable[Reference], *, opaque: Collection[str] = (), progress: Progress | None = None
) -> Marks:
    """Everything that the roots need.

    Raises:
        CollectionRefusedError: something that is needed cannot be followed.
        StoreError: the store cannot be read.
    """
    marks, followed = Marks(), set[tuple[bytes, str | None]]()

    def new(reference: Reference) -> bool:
        raw = bytes.fromhex(reference.digest)
        marks.digests.add(raw)
        if not holds_others(reference.codec):
            references(store, *reference, opaque)  # asks the store for nothing, but refuses a codec that is not known
            return False
        seen = (raw, reference.codec) in followed
        followed.add((raw, reference.codec))
        return not seen

    def follow(reference: Reference) -> Sequence[Reference]:
        try:
            return references(store, *reference, opaque)
        except ArtifactNotFoundError:
            absent.append(reference.digest)
            return ()
        except (StoreError, CollectionRefusedError):
            raise
        except ArtifactError as error:
            raise CollectionRefusedError(
                f"artifact {reference.digest} is needed and cannot be read, so nobody can tell what it needs: {error}"
            ) from error

    absent: list[Digest] = []
    source = filter(new, roots)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="sematic-gc") as pool:
        while wave := list(islice(source, _WAVE)):
            while wave:
                wave = [found for several in pool.map(follow, wave) for found in several if new(found)]
                if progress is not None:
                    progress("needed", len(marks.digests))
    marks.missing = sorted(set(absent))
    if marks.missing:
        _check_missing(store, marks.missing)
    return marks


def plan(
    store: Store,
    roots: Callable[[], Iterable[Reference]],
    *,
    grace: float,
    not_after: float | None = None,
    opaque: Collection[str] = (),
    shortest_grace: float = SHORTEST_GRACE,
    progress: Progress | None = None,
) -> Plan:
    """Find what nothing needs. Deletes nothing.

    Args:
        store: the store.
        roots: called once the time from which grace counts is taken; everything recorded until then must be among what it gives.
        grace: seconds since a blob was written or last found by a put.
        not_after: delete nothing as recent as this: when the oldest task that still runs began.
        opaque: further codecs that refer to nothing.
        shortest_grace: for tests.
        progress: told the stage and how many have been looked at.

    Raises:
        ValueError: the grace time is too short to be safe.
        CollectionRefusedError: what must be kept cannot be told.
        StoreError: the store fails.
    """
    if grace < max(shortest_grace, 4 * store.pace.refresh):
        raise ValueError(f"a grace time of {grace:.0f} s is not safe: it must be {shortest_grace / 3600:g} h or more")
    started = _now(store)
    cutoff = started - grace
    if not_after is not None:
        cutoff = min(cutoff, not_after - max(shortest_grace / 2, 2 * store.pace.refresh))
    needed = mark(store, roots(), opaque=opaque, progress=progress)
    doomed: dict[bytes, int] = {}
    kept = kept_bytes = young = young_bytes = 0
    for number, (digest, found) in enumerate(store.blobs(), start=1):
        if digest in needed:
            kept, kept_bytes = kept + 1, kept_bytes + found.size
        elif found.modified >= cutoff:
            young, young_bytes = young + 1, young_bytes + found.size
        else:
            doomed[bytes.fromhex(digest)] = found.size
        if progress is not None and number % 1000 == 0:
            progress("stored", number)
    return Plan(started, cutoff, doomed, kept, kept_bytes, young, young_bytes, tuple(needed.missing))


def sweep(
    store: Store,
    found: Plan,
    *,
    named_since: Callable[[float], Iterable[Reference]] | None = None,
    opaque: Collection[str] = (),
    before_each: Callable[[], None] | None = None,
    progress: Progress | None = None,
) -> Swept:
    """Delete what a plan found.

    Args:
        store: the store.
        found: the plan.
        named_since: asked before each few thousand what has been recorded since a time, that of the plan: it stays, with all that it needs.
        opaque: as for the plan.
        before_each: called before each few thousand, and stops the sweep by raising.
        progress: told how many are deleted.

    Raises:
        CollectionRefusedError: another collector is at work in this store, or it cannot be told what has come to be needed.
        StoreError: the store fails; what has been deleted stays deleted.
    """
    done = Swept()
    doomed = [Digest(raw.hex()) for raw in found.doomed]
    with alone(store) as still_alone:
        for start in range(0, len(doomed), _BATCH):
            if before_each is not None:
                before_each()
            still_alone()
            batch = doomed[start : start + _BATCH]
            if named_since is not None:
                lately = mark(store, named_since(found.started), opaque=opaque)
                done.spared += sum(digest in lately for digest in batch)
                batch = [digest for digest in batch if digest not in lately]
            if not batch:
                continue
            with note_deletions(store, batch) as note:
                gone = store.discard(batch, found.cutoff)
                note(gone)
            done.blobs += len(gone)
            done.bytes += sum(found.doomed[bytes.fromhex(digest)] for digest in gone)
            done.spared += len(batch) - len(gone)
            if progress is not None:
                progress("deleted", done.blobs)
        done.leftovers = store.tidy(found.cutoff)
        if done.blobs:
            _delete_previews(store, set(doomed))
    return done


def _now(store: Store) -> float:
    """The store's time, where our own agrees.

    Raises:
        CollectionRefusedError: one of the two clocks is wrong, and ages would be too.
    """
    theirs, ours = store.now(), time.time()
    if abs(theirs - ours) > _SKEW:
        raise CollectionRefusedError(
            f"the clock of the store {store.url} and the one of this machine differ by {abs(theirs - ours):.0f} s: set the wrong one right first"
        )
    return min(theirs, ours)


def _check_missing(store: Store, missing: Sequence[Digest]) -> None:
    """See that manifests which are needed and gone were deleted by a collection, and not lost."""
    known = deleted_before(store)
    lost = [digest for digest in missing if bytes.fromhex(digest) not in known]
    if lost:
        names = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise CollectionRefusedError(
            f"{len(lost)} manifest(s) that are needed are not in the store {store.url}, and no collection has deleted them: {names}. Restore them from a "
            "backup first: what they refer to would be deleted"
        )


def _delete_previews(store: Store, doomed: Collection[str]) -> None:
    for path in list(store.documents()):
        digest = path.rpartition("/")[2].partition(".")[0]
        if path.startswith(_DERIVED) and digest in doomed and store.stat(Digest(digest)) is None:
            store.delete_document(path)
