"""A local store that tells what was asked of it."""

from __future__ import annotations

from sematic_airflow_provider.artifacts.content import Content
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.store import BlobStat, Stored


class CountingStore(LocalStore):
    """Digests that were read, in order, and the blobs that were written."""

    def __init__(self, root: str) -> None:
        super().__init__(root, create=True)
        self.read: list[Digest] = []
        self.asked: list[Digest] = []
        self.written: list[Stored] = []

    def get(self, digest: Digest) -> memoryview:
        """Noted."""
        self.read.append(digest)
        return super().get(digest)

    def read_into(self, digest: Digest, target: memoryview) -> None:
        """Noted."""
        self.read.append(digest)
        super().read_into(digest, target)

    def stat(self, digest: Digest) -> BlobStat | None:
        """Noted."""
        self.asked.append(digest)
        return super().stat(digest)

    def put(self, content: Content) -> Stored:
        """Noted, when it was new."""
        stored = super().put(content)
        self.written += [stored] if stored.new else []
        return stored

    def put_all(self, contents: list[Content]) -> list[Stored]:  # type: ignore[override]
        """Noted, those that were new."""
        stored = super().put_all(contents)
        self.written += [one for one in stored if one.new]
        return stored
