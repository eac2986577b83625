"""Previews as the API server finds them: what the worker left in the store, or what can be read there without decoding anything."""

from __future__ import annotations

import time
from functools import lru_cache

from sematic_airflow_provider.artifacts import previews
from sematic_airflow_provider.artifacts.digest import parse_digest
from sematic_airflow_provider.artifacts.previews import stored
from sematic_airflow_provider.artifacts.previews.form import Preview
from sematic_airflow_provider.artifacts.previews.texts import of_json
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.configured_store import configured_store
from sematic_airflow_provider.lineage.graph import ArtifactNode
from sematic_airflow_provider.settings import Settings, load_settings

_OPEN_SECONDS = 300
"""How long a store stays open: an edited connection is noticed after that."""


class NoPreviewError(LookupError):
    """There is nothing to show of an artifact; the message says why."""


def preview_of(node: ArtifactNode) -> Preview:
    """The preview of an artifact.

    Raises:
        NoPreviewError: there is none; the message says why.
        StoreError, ConfigurationError, MissingExtraError: the store cannot be read.
    """
    if node.has_value:
        return of_json(node.value)
    digest, store = parse_digest(node.digest or ""), opened_store()
    found = previews.read(store, digest) or stored.preview_of(store, digest, node.codec or "", node.type or "")
    if found is not None:
        return found
    if store.stat(digest) is None:
        raise NoPreviewError("the store does not hold this artifact any more")
    if not load_settings().previews:
        raise NoPreviewError("[sematic] previews is off")
    raise NoPreviewError(
        "none was made of this value: it was stored while previews were off, is one of very many members, or nothing knows how to show its type"
    )


def picture_of(digest: str) -> bytes:
    """The PNG of a figure or an image.

    Raises:
        NoPreviewError: there is none.
        StoreError, ConfigurationError, MissingExtraError: the store cannot be read.
    """
    picture = previews.read_picture(opened_store(), digest)
    if picture is None:
        raise NoPreviewError("there is no picture of this artifact")
    return picture


def opened_store() -> Store:
    """The store, opened now or not long ago.

    Raises:
        StoreError, ConfigurationError, MissingExtraError: it cannot be opened.
    """
    return _opened(load_settings(), int(time.monotonic() / _OPEN_SECONDS))


@lru_cache(maxsize=1)
def _opened(settings: Settings, moment: int) -> Store:
    return configured_store(settings)
