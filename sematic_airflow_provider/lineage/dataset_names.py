"""One name for one data set, whoever tells of it: OpenLineage's rules for namespaces and names, where producers in the field do not keep to them.

Airflow's own provider names the same file in two ways, Spark says ``s3a`` for ``s3``, and a table has a logical name in some catalog beside the place
where it lies. What is no case of these keeps the name that it was told under.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit

Name = tuple[str, str]
"""Namespace and name."""

_SCHEMES: Final = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "abfss", "postgresql": "postgres"}
_BUCKETS: Final = frozenset({"s3", "gs", "abfss", "wasbs"})
_PLACES: Final = _BUCKETS | {"file", "hdfs"}
_PORTS: Final = {"postgres": "5432", "mysql": "3306"}
_HERE: Final = frozenset({"", "localhost", "127.0.0.1"})


def canonical(namespace: str, name: str, symlinks: Any = None) -> Name:
    """The namespace and name by which a data set is known here.

    Args:
        namespace: as told.
        name: as told.
        symlinks: the data set's facet of that name: of a table that is told by its name in a catalog, the place where it lies counts, if that is told too.
    """
    own = _by_rule(namespace, name)
    if _scheme(own[0]) in _PLACES:
        return own
    places = sorted(found for found in map(_place, _identifiers(symlinks)) if found is not None)
    return places[0] if places else own


def of_uri(uri: str) -> Name | None:
    """The namespace and name of what a URI names; None for what is no URI."""
    parts = urlsplit(uri)
    if not parts.scheme or not (parts.netloc or parts.path):
        return None
    authority = parts.netloc.rpartition("@")[2]  # never with a password
    namespace = f"{parts.scheme.lower()}://{authority}" if authority else parts.scheme.lower()
    path = unquote(parts.path).strip("/")
    if _scheme(namespace) in _PORTS:
        path = path.replace("/", ".")
    return canonical(namespace, path or "/")


@lru_cache(20_000)
def _by_rule(namespace: str, name: str) -> Name:
    scheme, authority = _scheme(namespace), _authority(namespace)
    if scheme == "file" or (not namespace and name.startswith("/")):
        return ("file" if authority.lower() in _HERE else f"file://{authority}", _absolute(name))
    if scheme == "hdfs" and authority:
        return f"hdfs://{authority}", _absolute(name)
    if scheme in _BUCKETS and authority:
        return f"{scheme}://{authority}", name.strip("/") or "/"
    if scheme in _PORTS and authority and "," not in authority:
        host, colon, port = authority.rpartition(":")
        if not colon or port in ("None", ""):
            host, port = host or authority.rstrip(":"), _PORTS[scheme]
        return f"{scheme}://{host}:{port}", name
    return namespace, name


def _absolute(name: str) -> str:
    return "/" + name.strip("/")


def _scheme(namespace: str) -> str:
    head = namespace.partition(":")[0].lower() if ":" in namespace else namespace
    return _SCHEMES.get(head, head)


def _authority(namespace: str) -> str:
    return namespace.partition(":")[2].strip("/")


def _identifiers(symlinks: Any) -> list[Mapping[str, Any]]:
    found = symlinks.get("identifiers") if isinstance(symlinks, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _place(identifier: Mapping[str, Any]) -> Name | None:
    namespace, name = identifier.get("namespace"), identifier.get("name")
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        return None
    if str(identifier.get("type", "")).upper() == "ARTIFACT" or _scheme(namespace) not in _PLACES:
        return None
    return _by_rule(namespace, name)
