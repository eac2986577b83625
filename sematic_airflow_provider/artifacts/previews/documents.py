"""Previews in the store: ``previews/<first 2>/<digest>.json``, and ``.png`` where there is a picture. Equal values have one."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.digest import parse_digest, short
from sematic_airflow_provider.artifacts.store import Store

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.previews.form import Preview
    from sematic_airflow_provider.artifacts.ref import ArtifactRef

log = logging.getLogger(__name__)

MAX_JSON = 64 << 10
MAX_PICTURE = 512 << 10
_PNG = b"\x89PNG\r\n\x1a\n"


def write(store: Store, ref: ArtifactRef, value: Any) -> None:
    """Make and store the preview of a value that was just saved. Never raises: a value that cannot be shown is saved all the same."""
    from sematic_airflow_provider.artifacts.previews.making import make

    try:
        made = make(ref, value)
        if made is None:
            return
        preview, picture = made
        data = _encoded(replace(preview, type=ref.type))
        if picture is not None and len(picture) <= MAX_PICTURE:
            store.write_document(_path(ref.digest, "png"), picture)
        store.write_document(_path(ref.digest, "json"), data)
    except Exception as error:  # noqa: BLE001 - libraries raise what they like on the values of others
        log.warning(
            "artifact %s (%s) gets no preview: %s: %s", short(ref.digest), ref.type, type(error).__name__, error
        )


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
        log.warning("the preview of artifact %s cannot be read: %s", short(digest), str(error).splitlines()[0])
        return None


def read_picture(store: Store, digest: str) -> bytes | None:
    """The stored PNG; None where there is none.

    Raises:
        ValueError: this is no digest.
        StoreError: the store fails.
    """
    data = store.read_document(_path(digest, "png"))
    return data if data is not None and data.startswith(_PNG) and len(data) <= MAX_PICTURE else None


def delete(store: Store, digest: str) -> None:
    """Delete the preview of an artifact that is deleted; fine where there is none.

    Raises:
        ValueError: this is no digest.
        StoreError: the store fails.
    """
    for suffix in ("json", "png"):
        store.delete_document(_path(digest, suffix))


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
