"""How puts and a collector stay out of each other's way in stores that have no locks (``retention`` tells why this suffices).

A collector writes down what it will delete (``gc/condemned/…``), waits ``settle`` seconds, looks at each blob once more and deletes those that are still
old; then it takes the paper away. A put that has found an old blob looks for such a paper. Where its blob stands in one it waits until the paper is gone or
has run out, and begins again; else it renews the blob, which the collector sees.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, short
from sematic_airflow_provider.artifacts.store import Store

log = logging.getLogger(__name__)

FOLDER = "gc/condemned"
_AT_ONCE = 8


def discard(store: Store, digests: Sequence[Digest], before: float, delete: Callable[[Digest], None]) -> list[Digest]:
    """Delete those whose time is before this; the digests of those that were. ``delete`` must send its request once, and not again when no answer comes.

    Raises:
        StoreError: the store failed. What has been condemned stays so until it runs out: a request may still be on its way.
    """
    pace, path = store.pace, f"{FOLDER}/{uuid.uuid4().hex}.json"
    begun = time.monotonic()
    store.write_document(path, canonical_json({"until": store.now() + pace.lease, "digests": list(digests)}))
    time.sleep(pace.settle)

    def deleted(digest: Digest) -> bool:
        found = store.stat(digest)
        if found is None or found.modified >= before or time.monotonic() - begun > pace.lease / 2:
            return False
        delete(digest)
        return True

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sematic-gc") as pool:
        gone = [digest for digest, done in zip(digests, pool.map(deleted, digests), strict=True) if done]
    store.delete_document(path)
    return gone


def renewed(store: Store, digest: Digest, size: int, renew: Callable[[], None]) -> bool:
    """Renew the time of an old blob; whether it is there, whole, and safe from any collector. If not, it must be written (anew).

    Raises:
        What ``renew`` raises; FileNotFoundError counts as "not there".
    """
    while True:
        asked = time.monotonic()
        if condemned(store, digest):
            wait_until_spared(store, digest)
            continue
        try:
            renew()
        except FileNotFoundError:
            return False
        if time.monotonic() - asked > store.pace.settle / 2 and condemned(store, digest):
            continue  # it took so long that a collector may have looked at the blob before
        found = store.stat(digest)
        return found is not None and found.size == size and store.now() - found.modified <= store.pace.refresh


def wait_until_spared(store: Store, digest: Digest) -> None:
    """Wait while a collector may be deleting this blob."""
    told = False
    while condemned(store, digest):
        if not told:
            log.info(
                "artifact %s is old and being deleted from %s: waiting until that is done", short(digest), store.url
            )
            told = True
        time.sleep(min(1.0, store.pace.settle / 10))


def condemned(store: Store, digest: Digest) -> bool:
    """Whether a paper that has not run out names it."""
    for path in store.list_documents(FOLDER):
        data = store.read_document(path)
        if data is not None and digest.encode() in data and _until(data) > store.now():
            return True
    return False


def _until(data: bytes) -> float:
    try:
        return float(json.loads(data)["until"])
    except (ValueError, KeyError, TypeError):
        return 0.0
