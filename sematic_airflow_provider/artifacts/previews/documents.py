"""Previews in the store: ``previews/<first 2>/<digest>.json``, and ``.png`` where there is a picture. Equal values have one."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.digest import parse_digest, short
from sematic_airflow_provider.artifacts.previews.cells import cut
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import first_line

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.previews.form import Preview
    from sematic_airflow_provider.artifacts.ref import ArtifactRef

log = logging.getLogger(__name__)

MAX_JSON = 64 << 10
MAX_PICTURE = 512 << 10
MAX_SIDE = 4096
_PNG = b"\x89PNG\r\n\x1a\n"


def write(store: Store, ref: ArtifactRef, value: Any, *, unless_there: bool = False) -> bool:
    """Make and store the preview of a value that was just saved; whether one was. With ``unless_there``, not where it has one.

    Never raises: a value that cannot be shown is saved all the same.
    """
    from sematic_airflow_provider.artifacts.previews.making import is_shown_from_store, make

    try:
        if is_shown_from_store(ref) or (unless_there and store.read_document(_path(ref.digest, "json")) is not None):
            return False
        made = make(ref, value)
        if made is None:
            return False
        preview, picture = made
        data = _encoded(replace(preview, type=cut(ref.type)))
        if picture is not None and len(picture) <= MAX_PICTURE:
            store.write_document(_path(ref.digest, "png"), picture)
        store.write_document(_path(ref.digest, "json"), data)
    except Exception as error:  # noqa: BLE001 - libraries raise what they like on the values of others
        log.warning(
            "artifact %s (%s) gets no preview: %s: %s", short(ref.digest), ref.type, type(error).__name__, error
        )
        return False
    return True


def read(store: Store, digest: str) -> Preview | None:
    """The stored preview; None where there is none, or none that this version can read.

    Raises:
        ValueError: this is no digest.
        StoreError: the store fails.
    """
    data = store.read_document(_path(digest, "json"))
    if data is None:
        return None
    try:
        return _reader().validate_json(data[: MAX_JSON + 1])
    except ValueError as error:  # pydantic's errors are these
        log.warning("the preview of artifact %s cannot be read: %s", short(digest), first_line(error))
        return None


def read_picture(store: Store, digest: str) -> bytes | None:
    """The stored PNG; None where there is none, or something else in its place.

    Raises:
        ValueError: this is no digest.
        StoreError: the store fails.
    """
    data = store.read_document(_path(digest, "png"))
    return data if data is not None and len(data) <= MAX_PICTURE and _is_picture(data) else None


def delete(store: Store, digest: str) -> None:
    """Delete the preview of an artifact that is deleted; fine where there is none.

    Raises:
        ValueError: this is no digest.
        StoreError: the store fails.
    """
    for suffix in ("json", "png"):
        store.delete_document(_path(digest, suffix))


def _is_picture(data: bytes) -> bool:
    """Whether it begins as a PNG does, and has a size that no browser chokes on: who may write to the store may have put anything here."""
    sides = [int.from_bytes(data[start : start + 4], "big") for start in (16, 20)]
    return data.startswith(_PNG) and data[12:16] == b"IHDR" and all(0 < side <= MAX_SIDE for side in sides)


def _path(digest: str, suffix: str) -> str:
    parse_digest(digest)
    return f"previews/{digest[:2]}/{digest}.{suffix}"


def _encoded(preview: Preview) -> bytes:
    """As it is stored: with less in it, where it would be too large."""
    for step in range(20):
        shown = preview if not step else preview.narrowed(step)  # type: ignore[union-attr]  # those without it are never as large
        data = json.dumps(asdict(shown), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            errors="replace"
        )
        if len(data) <= MAX_JSON:
            return data
    raise ValueError(f"the preview has {len(data)} bytes, however little is in it")


def _reader() -> Any:
    from sematic_airflow_provider.artifacts.previews.reading import READER

    return READER
