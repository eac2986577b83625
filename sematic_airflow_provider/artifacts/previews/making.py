"""Which preview a value gets."""

from __future__ import annotations

from typing import Any

from sematic_airflow_provider.artifacts.codecs import registry
from sematic_airflow_provider.artifacts.previews import arrays, models, pictures, tables, texts
from sematic_airflow_provider.artifacts.previews.form import Preview
from sematic_airflow_provider.artifacts.ref import ArtifactRef

SHOWN_FROM_STORE = {"json/1": 4 << 20, "text/1": 4 << 20, "bytes/1": 4 << 20, "tree/1": 32 << 20, "files/1": 32 << 20}
"""Artifacts of up to these sizes need none: the API server shows what is stored (see ``stored``), which costs the task nothing.

Of ``files/1`` it is the size of the listing.
"""


def is_shown_from_store(ref: ArtifactRef) -> bool:
    """Whether it needs no preview."""
    limit = SHOWN_FROM_STORE.get(ref.codec)
    return limit is not None and (ref.size <= limit or ref.codec in (registry.TREE, registry.FILES))


def make(ref: ArtifactRef, value: Any) -> tuple[Preview, bytes | None] | None:
    """The preview of a value, and its picture where it has one; None where there is nothing that makes one of it."""
    if ref.codec_name == registry.JSON:
        return texts.of_large_json(value), None
    if isinstance(value, str):
        return texts.of_text(value), None
    if isinstance(value, bytes):
        return texts.of_bytes(value), None
    picture = pictures.preview_of(value)
    if picture is not None:
        return picture
    made = tables.preview_of(value) or arrays.preview_of(value) or models.preview_of(value) or _of_codec(ref, value)
    return None if made is None else (made, None)


def _of_codec(ref: ArtifactRef, value: Any) -> Preview | None:
    """What the codec itself says of the value, by its optional method ``preview``: anything that has a JSON form; None is nothing."""
    from sematic_airflow_provider.artifacts.codecs.json import to_json

    describe = getattr(registry.codec_named(ref.codec_name), "preview", None)
    said = describe(value) if describe is not None else None
    return None if said is None else texts.of_json(to_json(said))
