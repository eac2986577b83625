"""Digests of values without storing them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sematic_airflow_provider.artifacts.content import Content, digest_of
from sematic_airflow_provider.artifacts.memory_store import MemoryStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Stored


class HashingStore(MemoryStore):
    """Keeps nothing of what is put into it, but tells its digest."""

    def put(self, content: Content) -> Stored:
        """See Store."""
        return Stored(digest_of(content), content.size, new=False)

    def put_all(self, contents: Sequence[Content]) -> list[Stored]:
        """See Store."""
        return [self.put(content) for content in contents]


@lru_cache(maxsize=1)
def hashing_repository() -> Repository:
    """A repository whose refs tell the digests that any other would give, and that stores nothing. Pickles are no identity: it makes none."""
    return Repository(HashingStore(), previews=False)
