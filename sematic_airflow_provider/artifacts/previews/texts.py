"""Previews of JSON, text and bytes: made from the value, or by the API server from what is stored."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import Any

from sematic_airflow_provider.artifacts.codecs.json import to_json
from sematic_airflow_provider.artifacts.previews.form import BytesPreview, JsonPreview, TextPreview

HEAD = 4096
HEX = 256
_JSON_BYTES = 24 << 10
_ENTRIES = 20
_COUNTED = 16 << 20

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"ARROW1", "application/vnd.apache.arrow.file"),
    (b"\x93NUMPY", "application/x-npy"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"\x7fELF", "application/x-elf"),
    (b"\x89HDF", "application/x-hdf5"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)


def of_json(form: Any) -> JsonPreview:
    """A JSON form, indented; only as much of it is written as is shown."""
    pieces: list[str] = []
    size, complete = 0, True
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(form):
        room = _JSON_BYTES - size
        encoded = piece.encode(errors="replace")
        if len(encoded) > room:
            pieces.append(encoded[:room].decode(errors="ignore"))
            complete = False
            break
        pieces.append(piece)
        size += len(encoded)
    entries = len(form) if isinstance(form, (list, dict)) else None
    return JsonPreview(text="".join(pieces), complete=complete, entries=entries)


def of_large_json(value: Any) -> JsonPreview:
    """The first entries of a value with a JSON form, too large to be read again only to be shown."""
    some = _begun(value)
    made = of_json(to_json(some))
    if type(value) not in (dict, list, tuple):
        return made if some is value else replace(made, complete=False)
    return replace(made, complete=False, entries=len(value), entries_shown=len(some))


def _begun(value: Any, depth: int = 0) -> Any:
    """The first entries of a container, fewer of those deeper in it, and the beginning of a long text."""
    kind, some = type(value), max(1, _ENTRIES >> depth)
    if kind is dict:
        keys = sorted(value) if all(type(key) is str for key in value) else list(islice(value, some))
        return {key: _begun(value[key], depth + 1) for key in keys[:some]}
    if kind in (list, tuple):
        return kind(_begun(member, depth + 1) for member in value[:some])
    limit = max(200, HEAD >> depth)
    return f"{value[:limit]}…" if kind is str and len(value) > limit else value


def of_text(text: str) -> TextPreview:
    """How it begins."""
    whole = len(text) <= _COUNTED
    lines = text.count("\n") + (0 if not text or text.endswith("\n") else 1) if whole else None
    return TextPreview(head=text[:HEAD], characters=len(text), lines=lines)


def of_bytes(data: bytes | memoryview) -> BytesPreview:
    """How they begin."""
    head = bytes(data[:HEAD])
    text = _as_text(head, whole=len(head) == len(data))
    return BytesPreview(head=head[:HEX].hex(), size=len(data), media_type=_media_type(head, text), text=text)


def _media_type(head: bytes, text: str | None) -> str:
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE"):
        return "image/webp" if head[8:12] == b"WEBP" else "audio/wav"
    return "application/octet-stream" if text is None else "text/plain"


def _as_text(head: bytes, *, whole: bool) -> str | None:
    """The bytes as UTF-8, None where they are none; a character that the cut has hit is left out."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(head) - 3:
            return None
        text = head[: error.start].decode()
    return text if text and not any(ord(c) < 32 and c not in "\t\n\r\f\x1b" for c in text) else None
