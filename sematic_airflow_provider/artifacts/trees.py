"""``tree/1``: manifests. A collection whose members are artifacts of their own, so that one can be loaded, mapped over, compared and stored once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sematic_airflow_provider.artifacts.batches import Batches
from sematic_airflow_provider.artifacts.codecs.json import from_json
from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, short
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ArtifactError

KINDS = ("list", "tuple", "dict", "map", "object", "batches")
NAME = "tree/1"
MOST_MEMBERS = 10_000_000
"""What is loaded at once at most, counted with all repetitions: a few small manifests that hold one another many times could stand for any number."""


class Tree(NamedTuple):
    """``members`` are pairs of key and ref: indices, text keys, the JSON forms of other keys (``map``) or field names (``object``, of the type ``of``)."""

    kind: str
    members: Sequence[tuple[Any, ArtifactRef]]
    of: str = ""

    def to_bytes(self) -> bytes:
        """As it is stored."""
        record: dict[str, Any] = {"kind": self.kind, "members": [[key, ref.to_json()] for key, ref in self.members]}
        return canonical_json(record | {"of": self.of} if self.of else record)

    @classmethod
    def from_json(cls, record: Any) -> Tree:
        """Read a manifest back.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        kind, of = record["kind"], record.get("of", "")
        members = [(key, ArtifactRef.from_json(member)) for key, member in record["members"]]
        if kind not in KINDS or not isinstance(of, str):
            raise ValueError(f"unknown kind {str(kind)[:40]!r}")
        keys = [key for key, _ in members]
        if kind in ("dict", "object"):
            if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
                raise ValueError(f"the keys of a {kind} must be text, each another one")
        elif kind != "map" and (keys != list(range(len(keys))) or not all(type(key) is int for key in keys)):
            raise ValueError(f"the keys of a {kind} must be numbers, one after another")
        return cls(kind, members, of)

    def labels(self) -> list[Any]:
        """The keys of the members, in order.

        Raises:
            ArtifactError: one is none, or appears twice: this was not written by us.
        """
        try:
            return self._labels()
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"a manifest with a key that is none: {error}") from error

    def member(self, key: Any) -> ArtifactRef:
        """The member under a key or index.

        Raises:
            LookupError: there is none.
        """
        if self.kind in ("list", "tuple", "batches"):
            if not isinstance(key, int):
                raise LookupError(f"a {self.kind} has members by number, not by {key!r}")
            return self.members[key][1]
        for known, (_, ref) in zip(self.labels(), self.members, strict=True):
            if known == key:
                return ref
        raise KeyError(key)

    def value(self, load: Callable[[ArtifactRef], Any]) -> Any:
        """The collection, of members as ``load`` gives them; batches load theirs when they are reached."""
        if self.kind == "batches":
            return Batches([ref for _, ref in self.members], load)
        if self.kind == "dict":
            return {key: load(ref) for key, ref in self.members}
        if self.kind == "map":
            return {key: load(ref) for key, (_, ref) in zip(self._labels(), self.members, strict=True)}
        if self.kind == "object":
            from sematic_airflow_provider.artifacts.codecs import declared

            return declared.rebuild(self.of, {key: load(ref) for key, ref in self.members})
        values = [load(ref) for _, ref in self.members]
        return tuple(values) if self.kind == "tuple" else values

    def _labels(self) -> list[Any]:
        if self.kind != "map":
            return [key for key, _ in self.members]
        labels = {from_json(key): None for key, _ in self.members}
        if len(labels) != len(self.members):
            raise ValueError("a key appears twice")
        return list(labels)


def load_tree(store: Store, digest: Digest) -> Tree:
    """The manifest of an artifact.

    Raises:
        ArtifactError: its blob is no manifest.
    """
    try:
        return Tree.from_json(json.loads(bytes(store.get(digest))))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"artifact {short(digest)} in {store.url} is no manifest (codec tree/1): {type(error).__name__}: {error}"
        ) from error


def load_manifests(store: Store, digest: Digest) -> dict[Digest, Tree]:
    """The manifest of an artifact and all manifests that loading it takes, each read once; batches load theirs later.

    Raises:
        ArtifactError: one is none, or together they stand for more members than can be loaded at once.
    """
    known: dict[Digest, Tree] = {}
    sizes: dict[Digest, int] = {}  # with all repetitions
    pending = [digest]
    while pending:
        current = pending[-1]
        if current not in known:
            known[current] = load_tree(store, current)
        tree = known[current]
        inner = [ref.digest for _, ref in tree.members if ref.codec == NAME] if tree.kind != "batches" else []
        # each is stored before what holds it, so none can hold itself
        if missing := [one for one in dict.fromkeys(inner) if one not in sizes]:
            pending.extend(missing)
            continue
        pending.pop()
        sizes[current] = len(tree.members) + sum(sizes[one] for one in inner)
        if sizes[current] > MOST_MEMBERS:
            raise ArtifactError(
                f"artifact {short(digest)} in {store.url} holds more than {MOST_MEMBERS:,} members, counted with those that its members hold: "
                "load them one by one (a parameter annotated Artifact)"
            )
    return known
