"""Repository: values in, refs out, and back."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs.json import from_json, is_plain, to_json
from sematic_airflow_provider.artifacts.codecs.registry import JSON, PICKLE, TREE, Codec, codec_for, codec_named
from sematic_airflow_provider.artifacts.digest import canonical_json, digest_bytes, short
from sematic_airflow_provider.artifacts.ref import NO_VALUE, ArtifactRef
from sematic_airflow_provider.artifacts.store import Store, open_store
from sematic_airflow_provider.errors import ArtifactError, MissingExtraError, NoCodecError

log = logging.getLogger(__name__)

_MAX_DEPTH = 100
_MEMBER_LIMIT = (
    256  # part of tree/1: a manifest's digest depends on its members, never on this deployment's inline_limit
)


class Repository:
    """Saves and loads values in one store.

    A list, tuple or dict that no codec writes as a whole becomes a manifest of its members (``tree/1``), each an artifact of its own.
    """

    def __init__(self, store: Store, *, inline_limit: int = 1024, allow_pickle: bool = False) -> None:
        self.store = store
        self._inline_limit = inline_limit
        self._allow_pickle = allow_pickle

    def save(self, value: Any, name: str = "") -> ArtifactRef:
        """Store a value, unless the same bytes are stored already. A ref that is given is returned, renamed when a name is given.

        Raises:
            NoCodecError: the value, or a member of it, cannot be stored.
            StoreError: the store fails.
        """
        return self._save(value, name, 0)

    def describe(self, value: Any, name: str = "") -> ArtifactRef:
        """The ref of a value; it is stored only where the ref does not carry it.

        Raises:
            NoCodecError, StoreError: as ``save`` does.
        """
        return self._save(value, name, 0, inline_limit=self._inline_limit, also_stored=False)

    def load(self, ref: ArtifactRef) -> Any:
        """The value, verified; a new object each time.

        Raises:
            ArtifactNotFoundError, ArtifactCorruptedError, StoreError: it cannot be read as it was saved.
            NoCodecError: its codec is not known or not allowed here.
            MissingExtraError: a library it needs is not installed.
        """
        if ref.has_value and (inline := _inline_bytes(ref)) is not None:
            return from_json(json.loads(inline))
        if ref.codec == TREE:
            return self._load_tree(ref)
        codec = codec_named(ref.codec)
        if ref.codec == PICKLE and not self._allow_pickle:
            raise NoCodecError(
                f"artifact {short(ref.digest)} ({ref.type}) is a pickle, and loading it would run the code in it: "
                "set [sematic] allow_pickle = True where you trust everyone who can write to the store"
            )
        data = self.store.get(ref.digest)
        try:
            return codec.decode(data)
        except (ArtifactError, MissingExtraError):
            raise
        except Exception as error:  # decoders raise what they like on bytes that are not theirs
            raise ArtifactError(
                f"artifact {short(ref.digest)} ({ref.type}) cannot be read by codec {ref.codec}: {type(error).__name__}: {error}"
            ) from error

    def members(self, ref: ArtifactRef) -> list[ArtifactRef]:
        """The members of a manifest, in order; empty for an artifact that is none."""
        return [member for _, member in self._manifest(ref)[1]] if ref.codec == TREE else []

    def _save(
        self, value: Any, name: str, depth: int, *, inline_limit: int | None = None, also_stored: bool = True
    ) -> ArtifactRef:
        if isinstance(value, ArtifactRef):
            return value.named(name) if name else value
        codec = codec_for(value)
        if codec is None:
            if type(value) in (list, tuple) or (type(value) is dict and all(type(key) is str for key in value)):
                return self._save_tree(value, name, depth)
            codec = self._last_resort(value)
        if codec.name == JSON:
            limit = self._inline_limit if inline_limit is None else inline_limit
            return self._save_json(value, name, limit, also_stored=also_stored)
        stored = self.store.put(lambda file: codec.encode(value, file))
        return ArtifactRef(stored.digest, codec.name, _type_name(value), stored.size, name)

    def _save_json(self, value: Any, name: str, inline_limit: int, *, also_stored: bool) -> ArtifactRef:
        form = to_json(value)
        data = canonical_json(form)
        inline = len(data) <= inline_limit and is_plain(form, value)
        if also_stored or not inline:
            self.store.put(lambda file: _write(file, data))
        return ArtifactRef(digest_bytes(data), JSON, _type_name(value), len(data), name, form if inline else NO_VALUE)

    def _last_resort(self, value: Any) -> Codec:
        if self._allow_pickle:
            return codec_named(PICKLE)
        raise NoCodecError(
            f"no codec can store {_type_name(value)}. Return plain values, lists, dicts, NumPy arrays, pandas tables or scikit-learn models, "
            "register a codec (entry point sematic_airflow_provider.codecs), or set [sematic] allow_pickle = True"
        )

    def _save_tree(self, value: Any, name: str, depth: int) -> ArtifactRef:
        if depth > _MAX_DEPTH:
            raise NoCodecError(f"a value nested deeper than {_MAX_DEPTH}, or holding itself, cannot be stored")
        members = []
        for key, member in sorted(value.items()) if isinstance(value, dict) else enumerate(value):
            try:
                members.append([key, self._save_member(member, depth + 1).to_json()])
            except NoCodecError as error:
                raise NoCodecError(f"member {key!r}: {error}") from error
        manifest = canonical_json({"kind": type(value).__name__, "members": members})
        stored = self.store.put(lambda file: _write(file, manifest))
        return ArtifactRef(stored.digest, TREE, _type_name(value), stored.size, name)

    def _save_member(self, member: Any, depth: int) -> ArtifactRef:
        """A member as the manifest has it: tiny plain JSON stands in it and is nowhere else, all else is stored on its own.

        Refs keep their names, by which the record of a step that reads them tells which outputs it read.
        """
        if not isinstance(member, ArtifactRef):
            return self._save(member, "", depth, inline_limit=_MEMBER_LIMIT, also_stored=False)
        if member.codec != JSON or not (member.has_value or member.size <= _MEMBER_LIMIT):
            return member
        return self._save_json(self.load(member), member.name, _MEMBER_LIMIT, also_stored=False)

    def _load_tree(self, ref: ArtifactRef) -> Any:
        kind, members = self._manifest(ref)
        if kind == "dict":
            return {key: self.load(member) for key, member in members}
        values = [self.load(member) for _, member in members]
        return tuple(values) if kind == "tuple" else values

    def _manifest(self, ref: ArtifactRef) -> tuple[str, list[tuple[Any, ArtifactRef]]]:
        try:
            record = json.loads(bytes(self.store.get(ref.digest)))
            kind = record["kind"]
            members = [(key, ArtifactRef.from_json(member)) for key, member in record["members"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"artifact {short(ref.digest)} is no manifest: {type(error).__name__}: {error}"
            ) from error
        if kind not in ("list", "tuple", "dict"):
            raise ArtifactError(f"artifact {short(ref.digest)} is a manifest of unknown kind {str(kind)[:40]!r}")
        return kind, members


def open_repository(
    url: str, *, inline_limit: int = 1024, allow_pickle: bool = False, create: bool = False
) -> Repository:
    """The repository of the store at this URL.

    Raises:
        StoreError: the store is not there.
    """
    return Repository(open_store(url, create=create), inline_limit=inline_limit, allow_pickle=allow_pickle)


def facts_of(value: Any) -> dict[str, Any]:
    """What a table says of itself: ``schema`` (a list of ``{"name", "type"}``) and ``rowCount``; empty for anything else."""
    pandas, pyarrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return {
            "schema": [{"name": str(name), "type": str(dtype)} for name, dtype in value.dtypes.items()],
            "rowCount": len(value),
        }
    if pandas is not None and isinstance(value, pandas.Series):
        return {"schema": [{"name": str(value.name or "value"), "type": str(value.dtype)}], "rowCount": len(value)}
    if pyarrow is not None and isinstance(value, pyarrow.Table):
        return {
            "schema": [{"name": field.name, "type": str(field.type)} for field in value.schema],
            "rowCount": value.num_rows,
        }
    return {}


def _inline_bytes(ref: ArtifactRef) -> bytes | None:
    """What is stored for the value that a ref carries; None when it is not that of the digest, so that the store must be asked.

    Databases rewrite JSON (numbers, the order of keys), and people can edit it.
    """
    try:
        data = canonical_json(ref.value)
    except (TypeError, ValueError, RecursionError):
        data = b""
    if ref.codec == JSON and digest_bytes(data) == ref.digest:
        return data
    log.warning("the value in the reference to %s is not the one that was saved: reading the store", short(ref.digest))
    return None


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
