"""Pointers: named, versioned names of artifacts, such as ``models/flight-delay@production``.

Each is a document, ``pointers/<name>+<label>.json``, where the name's slashes are ``=``; so one listing tells them all. It keeps what it names, and the last
few that it named before, from every collection.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sematic_airflow_provider.artifacts.collectors import wait_for_collector
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.parts import all_parts, part_of
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ArtifactError, ArtifactNotFoundError

FOLDER: Final = "pointers"
HISTORY: Final = 10
"""How many versions a pointer remembers, the one that holds among them."""

_WORD = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?P<name>{_WORD}(?:/{_WORD})*)@(?P<label>{_WORD})")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Version:
    """What a pointer named from a time on."""

    ref: ArtifactRef
    set_at: dt.datetime
    set_by: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer; ``versions`` begins with the one that holds."""

    name: str
    versions: tuple[Version, ...]

    @property
    def ref(self) -> ArtifactRef:
        """What it names."""
        return self.versions[0].ref


def is_pointer_name(text: str) -> bool:
    """Whether this has the form of a pointer's name: words of letters, digits, ``_``, ``.`` and ``-`` between slashes, ``@``, and a label."""
    return len(text) <= _LONGEST and ".." not in text and _NAME.fullmatch(text) is not None


def set_pointer(store: Store, name: str, ref: ArtifactRef, *, by: str) -> Pointer:
    """Let a pointer name an artifact from now on. Returns when no collector can delete it any more.

    Of two that set one pointer at the same moment the later wins; its history may lack the other.

    Raises:
        ValueError: this is no name of a pointer.
        ArtifactNotFoundError: the store does not have the artifact, with all that it consists of; the pointer names what it named before.
        ArtifactError and its kinds: the store fails, or what the pointer names now cannot be read.
    """
    path, before = _path(name), read_pointer(store, name)
    version = Version(ref, dt.datetime.fromtimestamp(store.now(), dt.timezone.utc), by[:200])
    made = Pointer(name, (version, *(before.versions if before else ()))[:HISTORY])
    _check_whole(store, ref)
    store.write_document(path, _encoded(made))
    wait_for_collector(store)
    try:
        _check_whole(store, ref)  # it may have been deleted before the collector could see the pointer
    except ArtifactNotFoundError:
        if before is None:
            store.delete_document(path)
        else:
            store.write_document(path, _encoded(before))
        raise
    return made


def read_pointer(store: Store, name: str) -> Pointer | None:
    """A pointer; None where there is none.

    Raises:
        ValueError: this is no name of a pointer.
        ArtifactError: what stands in its place was not written by us.
    """
    data = store.read_document(_path(name))
    return None if data is None else _decoded(name, data)


def delete_pointer(store: Store, name: str) -> None:
    """Forget a pointer; one that is gone already is fine. What it named stays until a collection finds that nothing else needs it.

    Raises:
        ValueError: this is no name of a pointer.
    """
    store.delete_document(_path(name))


def pointers(store: Store) -> Iterator[Pointer]:
    """All pointers, by name.

    Raises:
        ArtifactError: one of them was not written by us.
    """
    for path in store.list_documents(FOLDER):
        stem = path.removeprefix(f"{FOLDER}/").removesuffix(".json")
        name, plus, label = stem.rpartition("+")
        full = f"{name.replace('=', '/')}@{label}"
        data = store.read_document(path) if plus and path.endswith(".json") and is_pointer_name(full) else None
        if data is not None:
            yield _decoded(full, data)


def _path(name: str) -> str:
    if not is_pointer_name(name):
        raise ValueError(
            f"{name[:80]!r} is no name of a pointer: that is words of letters, digits, '_', '.' and '-' between slashes, then @ and a label, such as "
            "models/flight-delay@production"
        )
    return f"{FOLDER}/{name.replace('/', '=').replace('@', '+')}.json"


def _check_whole(store: Store, ref: ArtifactRef) -> None:
    """See that the blob of an artifact and all that it refers to are there."""
    if ref.has_value:
        return
    for part in all_parts(store, [part_of(ref)]):
        if store.stat(part.digest) is None:
            raise ArtifactNotFoundError(part.digest, store.url)


def _encoded(pointer: Pointer) -> bytes:
    versions = [
        {"ref": version.ref.to_json(), "set_at": version.set_at.isoformat(), "set_by": version.set_by}
        for version in pointer.versions
    ]
    return canonical_json({"pointer": pointer.name, "versions": versions})


def _decoded(name: str, data: bytes) -> Pointer:
    try:
        versions = tuple(_version(record) for record in json.loads(data)["versions"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"the pointer {name} cannot be read ({type(error).__name__}: {error}): set it anew"
        ) from error
    if not versions:
        raise ArtifactError(f"the pointer {name} names nothing: set it anew")
    return Pointer(name, versions)


def _version(record: Any) -> Version:
    return Version(
        ArtifactRef.from_json(record["ref"]), dt.datetime.fromisoformat(record["set_at"]), str(record["set_by"])
    )
