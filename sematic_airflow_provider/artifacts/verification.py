"""Verification: blobs are read and hashed, and what manifests name is looked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.parts import Part, direct_parts
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactError, ArtifactNotFoundError, StoreError

State = Literal["missing", "corrupted", "unreadable", "deleted"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one blob. ``deleted`` is no damage: a collection found that nothing kept needs it."""

    digest: Digest
    state: State
    detail: str


@dataclass(slots=True)
class Checked:
    """What was looked at, and what was wrong."""

    blobs: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)


def check_blobs(
    store: Store,
    digests: Iterable[Digest],
    *,
    jobs: int,
    checked: Checked,
    each: Callable[[Digest], None] | None = None,
) -> None:
    """Read and hash blobs, several at a time; ``each`` is told which one is dealt with, in their order.

    Raises:
        StoreError: the store fails.
    """
    with ThreadPoolExecutor(jobs, thread_name_prefix="sematic-verify") as pool:
        waiting: deque[tuple[Digest, Future[int | Problem]]] = deque()

        def settle() -> None:
            digest, future = waiting.popleft()
            found = future.result()
            if isinstance(found, Problem):
                checked.problems.append(found)
            else:
                checked.bytes += found
            checked.blobs += 1
            if each is not None:
                each(digest)

        try:
            for digest in digests:
                waiting.append((digest, pool.submit(_check, store, digest)))
                if len(waiting) > 2 * jobs:
                    settle()
            while waiting:
                settle()
        finally:
            for _, future in waiting:
                future.cancel()


def check_parts(
    store: Store, start: Iterable[tuple[Part, str]], is_there: Container[Digest], checked: Checked, *, jobs: int
) -> Iterator[Part]:
    """Follow manifests down and find what they name and what is not there; everything met, each once.

    Args:
        store: the store.
        start: where to begin, each with where it is named.
        is_there: which blobs are stored.
        checked: takes the problems.
        jobs: how many manifests to read at a time.

    Raises:
        StoreError: the store fails.
    """
    seen: set[Part] = set()
    source = iter(start)
    with ThreadPoolExecutor(jobs, thread_name_prefix="sematic-verify") as pool:
        wave = list(_next(source, seen))
        while wave:
            manifests: list[tuple[Part, str]] = []
            for part, whence in wave:
                yield part
                if part.digest not in is_there:
                    checked.problems.append(Problem(part.digest, "missing", f"needed by {whence}"))
                elif part.is_manifest:
                    manifests.append((part, whence))
            below: list[tuple[Part, str]] = []
            for (part, _), found in zip(manifests, pool.map(lambda one: _below(store, *one), manifests), strict=True):
                if isinstance(found, Problem):
                    checked.problems.append(found)
                else:
                    below += [(member, f"artifact {part.digest} ({part.codec})") for member in found]
            wave = [*_unseen(below, seen)] or list(_next(source, seen))


def _next(source: Iterator[tuple[Part, str]], seen: set[Part], most: int = 256) -> Iterator[tuple[Part, str]]:
    for one in source:
        if one[0] not in seen:
            seen.add(one[0])
            yield one
            most -= 1
            if not most:
                return


def _unseen(found: Iterable[tuple[Part, str]], seen: set[Part]) -> Iterator[tuple[Part, str]]:
    for one in found:
        if one[0] not in seen:
            seen.add(one[0])
            yield one


def _check(store: Store, digest: Digest) -> int | Problem:
    try:
        return store.get(digest).nbytes
    except ArtifactNotFoundError:
        return Problem(digest, "missing", f"it is not in the store {store.url}")
    except ArtifactCorruptedError as error:
        return Problem(digest, "corrupted", str(error))


def _below(store: Store, part: Part, whence: str) -> list[Part] | Problem:
    try:
        return direct_parts(store, part)
    except ArtifactNotFoundError:
        return Problem(part.digest, "missing", f"needed by {whence}")
    except ArtifactCorruptedError as error:
        return Problem(part.digest, "corrupted", str(error))
    except StoreError:
        raise
    except ArtifactError as error:
        return Problem(part.digest, "unreadable", f"named by {whence}: {error}")
