"""Give a value its preview, and look at it as the API server does."""

from __future__ import annotations

import json
import uuid
from typing import Any

from sematic_airflow_provider.artifacts import previews
from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.artifacts.previews.documents import MAX_JSON, MAX_PICTURE
from sematic_airflow_provider.artifacts.previews.form import Preview
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import Store, open_store

DIGEST = digest_bytes(b"some value")


def memory_store() -> Store:
    """A new one."""
    return open_store(f"memory://{uuid.uuid4().hex}")


def shown_with_picture(value: Any, codec: str = "npy/1") -> tuple[Any, bytes | None]:
    """What a reader gets of the preview of a value, of any type, whatever codec would store it."""
    store = memory_store()
    ref = ArtifactRef(DIGEST, codec, f"{type(value).__module__}.{type(value).__qualname__}", 1 << 30)
    assert previews.write(store, ref, value)
    data = store.read_document(f"previews/{DIGEST[:2]}/{DIGEST}.json")
    assert data is not None
    assert len(data) <= MAX_JSON
    json.loads(data, parse_constant=_refuse)
    found = previews.read(store, DIGEST)
    assert found is not None
    assert found.type == ref.type
    picture = previews.read_picture(store, DIGEST)
    assert picture is None or len(picture) <= MAX_PICTURE
    return found, picture


def shown(value: Any, codec: str = "npy/1") -> Any:
    """The same without the picture."""
    found: Preview = shown_with_picture(value, codec)[0]
    return found


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
