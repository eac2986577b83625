"""ArtifactRef: the small JSON that stands for an artifact in XCom, in events and between worker and pod."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sematic_airflow_provider.artifacts.digest import Digest, parse_digest, short
from sematic_airflow_provider.errors import InvalidRefError

FORMAT: Final = 1
MARK: Final = "sematic"
IN_CHUNKS: Final = "chunks/1:"

_MAX_SIZE = 2**63 - 1
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class _NoValue:
    """There is no inline value. ``None`` will not do: it is a value."""

    def __repr__(self) -> str:
        return "NO_VALUE"


NO_VALUE: Final = _NoValue()


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """Stands for one artifact; carries no data but, for tiny JSON values, the value itself.

    ``name`` is the logical name of the output that wrote it (``dag_id.task_id.key``), empty where there is none. ``within``
    is the collection whose member it is, where a mapped task got it as its own element: what lineage says was read. Neither is
    part of the artifact's identity.
    """

    digest: Digest
    codec: str
    type: str
    size: int
    name: str = ""
    value: Any = NO_VALUE
    within: ArtifactRef | None = field(default=None, compare=False)

    @property
    def in_chunks(self) -> bool:
        """Whether the digest is that of a list of chunks, see ``chunks``; ``codec`` then says so in front: ``chunks/1:parquet/1``."""
        return self.codec.startswith(IN_CHUNKS)

    @property
    def codec_name(self) -> str:
        """The codec that made the bytes, without how they are stored."""
        return self.codec.removeprefix(IN_CHUNKS)

    @property
    def has_value(self) -> bool:
        """Whether the value itself is here, so that the store need not be asked."""
        return self.value is not NO_VALUE

    def named(self, name: str) -> ArtifactRef:
        """The same artifact under the logical name of another output."""
        return replace(self, name=name)

    def member_of(self, collection: ArtifactRef | None) -> ArtifactRef:
        """The same artifact as a member of a collection, or as one of none."""
        return replace(self, within=collection)

    def to_json(self) -> dict[str, Any]:
        """The ref as it is written into XCom: plain, readable JSON."""
        record: dict[str, Any] = {
            MARK: FORMAT,
            "digest": self.digest,
            "codec": self.codec,
            "type": self.type,
            "size": self.size,
        }
        if self.name:
            record["name"] = self.name
        if self.has_value:
            record["value"] = self.value
        if self.within is not None:
            record["within"] = replace(self.within, value=NO_VALUE, within=None).to_json()
        return record

    @staticmethod
    def is_json(record: object) -> bool:
        """Whether this JSON value says that it is a ref."""
        return isinstance(record, Mapping) and MARK in record and "digest" in record

    @classmethod
    def from_json(cls, record: object) -> ArtifactRef:
        """Read a ref back.

        Raises:
            InvalidRefError: it is not a ref, was written by a newer version, or was tampered with.
        """
        if not isinstance(record, Mapping) or not cls.is_json(record):
            raise InvalidRefError(f"not an artifact reference: {str(record)[:200]}")
        if type(record[MARK]) is not int or record[MARK] != FORMAT:
            raise InvalidRefError(
                f"this artifact reference has format {str(record[MARK])[:20]!r}, this version of sematic-airflow-provider reads "
                f"format {FORMAT}: upgrade the package here"
            )
        try:
            digest = parse_digest(record["digest"])
        except ValueError as error:
            raise InvalidRefError(f"artifact reference with a bad digest: {error}") from error
        codec, type_, size, name = record.get("codec"), record.get("type"), record.get("size"), record.get("name", "")
        if not isinstance(codec, str) or not isinstance(type_, str) or not isinstance(name, str):
            raise InvalidRefError(f"artifact reference {short(digest)}: codec, type and name must be text")
        if any(_UNWRITABLE.search(text) for text in (codec, type_, name)):
            raise InvalidRefError(f"artifact reference {short(digest)}: text that no database can hold")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
            raise InvalidRefError(f"artifact reference {short(digest)}: size must be a number of bytes")
        within = record.get("within")
        if isinstance(within, Mapping) and "within" in within:
            raise InvalidRefError(f"artifact reference {short(digest)}: within a collection that is within another")
        collection = None if within is None else cls.from_json(within)
        return cls(digest, codec, type_, size, name, record.get("value", NO_VALUE), collection)

    def __repr__(self) -> str:
        return f"<{self.type} {short(self.digest)} {self.codec} {self.size} B>"
