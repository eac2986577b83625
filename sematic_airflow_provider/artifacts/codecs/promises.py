"""What a codec promises of the identity of what it stores, by its name alone: for lineage events and the API server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from sematic_airflow_provider.artifacts.codecs import registry
from sematic_airflow_provider.artifacts.ref import IN_CHUNKS
from sematic_airflow_provider.errors import NoCodecError


@dataclass(frozen=True, slots=True)
class Promises:
    """``deterministic``: whether equal values have equal digests, under equal versions of the distributions in ``depends_on``.

    None: it is not known here, or up to the members of a collection. ``pickle``: loading it runs code that is in it.
    """

    deterministic: bool | None
    depends_on: tuple[str, ...]
    pickle: bool


@lru_cache(maxsize=256)
def promises_of(codec: str) -> Promises:
    """Of a codec, as a ref names it."""
    name = codec.removeprefix(IN_CHUNKS)
    if name in (registry.TREE, registry.FILES):
        return Promises(True if name == registry.FILES else None, (), pickle=False)
    try:
        found = registry.codec_named(name)
    except NoCodecError:
        return Promises(None, (), pickle=False)
    return Promises(found.deterministic, _installed(registry.depends_on(found)), name == registry.PICKLE)


def _installed(distributions: tuple[str, ...]) -> tuple[str, ...]:
    """Where several distributions bring the same package, those that are here; all of them where none is."""
    return tuple(name for name in distributions if _is_installed(name)) or distributions


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
