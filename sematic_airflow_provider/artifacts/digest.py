"""Digests: SHA-256, as 64 lower-case hex characters."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NewType

Digest = NewType("Digest", str)

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_FORM = re.compile(r"[0-9a-f]{64}")


def digest_bytes(data: bytes | bytearray | memoryview) -> Digest:
    """The address of stored bytes: what ``sha256sum`` prints for them."""
    return Digest(hashlib.sha256(data).hexdigest())


def digest_record(kind: str, fields: Mapping[str, Any]) -> Digest:
    """Identity of a structured record.

    The kind is part of the pre-image, so records of two kinds never collide.

    Raises:
        ValueError: a field holds NaN or infinity, which JSON does not have.
    """
    return digest_bytes(canonical_json([kind, fields]))


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN."""
    return _CANONICAL.encode(value).encode()


def parse_digest(text: object) -> Digest:
    """Check that text is a digest.

    Raises:
        ValueError: it is not 64 lower-case hex characters.
    """
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise ValueError(f"not a digest (64 lower-case hex characters): {str(text)[:80]!r}")
    return Digest(text)


def short(digest: str) -> str:
    """The form shown to people: 12 characters."""
    return digest[:12]
