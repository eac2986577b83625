"""Values of artifacts, from the store that holds them."""

from __future__ import annotations

from typing import Any

from sematic_airflow_provider.client.models import ArtifactNode
from sematic_airflow_provider.errors import ConfigurationError, StoreError


def load_value(node: ArtifactNode, store: str | None, *, allow_pickle: bool = False) -> Any:
    """The value of an artifact.

    Raises:
        ConfigurationError: it is not known where artifacts are.
        ArtifactNotFoundError, ArtifactCorruptedError, StoreError: the store has it not, or cannot be read from here.
        NoCodecError, MissingExtraError: what reads it is not installed here, or not allowed.
    """
    from sematic_airflow_provider.artifacts.digest import parse_digest
    from sematic_airflow_provider.artifacts.memory_store import MemoryStore
    from sematic_airflow_provider.artifacts.ref import NO_VALUE, ArtifactRef
    from sematic_airflow_provider.artifacts.repository import Repository
    from sematic_airflow_provider.artifacts.store import open_store

    ref = ArtifactRef(
        parse_digest(node.digest or ""),
        node.codec or "",
        node.type or "",
        node.size or 0,
        node.names[0] if node.names else "",
        node.value if node.has_value else NO_VALUE,
    )
    if node.has_value:
        return Repository(MemoryStore(), allow_pickle=allow_pickle).load(ref)
    if store is None:
        raise ConfigurationError(
            "store",
            f"artifact {ref.digest} is in Airflow's artifact store, and it is not known here where that is: LineageClient(…, store='s3://bucket/path'), "
            "or AIRFLOW__SEMATIC__STORE",
        )
    try:
        opened = open_store(store)
    except OSError as error:
        raise StoreError(f"the artifact store {store} cannot be reached from here: {error}", store) from error
    return Repository(opened, allow_pickle=allow_pickle).load(ref)
