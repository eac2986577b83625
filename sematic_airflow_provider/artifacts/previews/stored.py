"""Previews made of what is stored, by the API server: of formats that are plain data, and small enough to read."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

from sematic_airflow_provider.artifacts.digest import Digest, short
from sematic_airflow_provider.artifacts.files import load_listing
from sematic_airflow_provider.artifacts.previews import texts
from sematic_airflow_provider.artifacts.previews.collections import of_files, of_tree
from sematic_airflow_provider.artifacts.previews.form import Preview
from sematic_airflow_provider.artifacts.previews.making import SHOWN_FROM_STORE
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.artifacts.trees import load_tree
from sematic_airflow_provider.errors import ArtifactError, StoreError

log = logging.getLogger(__name__)


def preview_of(store: Store, digest: Digest, codec: str, type_: str) -> Preview | None:
    """The preview of an artifact of such a codec; None for any other, one that is larger, or bytes that are not of this codec.

    Raises:
        ArtifactNotFoundError: the store has no such artifact.
        StoreError: the store fails.
    """
    limit = SHOWN_FROM_STORE.get(codec)
    found = store.stat(digest) if limit is not None else None
    if limit is None or found is None or found.size > limit:
        return None
    try:
        return replace(_made(store, digest, codec), type=type_)
    except (StoreError, FileNotFoundError):
        raise
    except (ArtifactError, ValueError, RecursionError) as error:
        log.warning("artifact %s (%s) cannot be shown: %s", short(digest), codec, error)
        return None


def _made(store: Store, digest: Digest, codec: str) -> Preview:
    if codec == "tree/1":
        return of_tree(load_tree(store, digest))
    if codec == "files/1":
        return of_files(load_listing(store, digest))
    data = store.get(digest)
    if codec == "bytes/1":
        return texts.of_bytes(data)
    if codec == "text/1":
        return texts.of_text(str(data, "utf-8"))
    return texts.of_json(json.loads(bytes(data)))
