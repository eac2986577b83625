"""Repository: values in, refs out, and back."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from sematic_airflow_provider.artifacts.artifact import Artifact
from sematic_airflow_provider.artifacts.batches import Batches, is_stream
from sematic_airflow_provider.artifacts.chunks import (
    ONE_BLOB,
    ChunkList,
    ChunkReader,
    load_list,
    put_chunked,
    read_chunks,
)
from sematic_airflow_provider.artifacts.codecs.json import from_json, is_plain, to_json
from sematic_airflow_provider.artifacts.codecs.registry import (
    FILES,
    JSON,
    PICKLE,
    TREE,
    Codec,
    advice_for,
    codec_for,
    codec_named,
    is_chunked,
    is_compressed,
)
from sematic_airflow_provider.artifacts.codecs.type_names import stable_module
from sematic_airflow_provider.artifacts.content import Content, Spool, of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, digest_bytes, short
from sematic_airflow_provider.artifacts.files import load_listing, save_path, unpack
from sematic_airflow_provider.artifacts.ref import IN_CHUNKS, NO_VALUE, ArtifactRef
from sematic_airflow_provider.artifacts.scratch import Scratch
from sematic_airflow_provider.artifacts.store import Store, Stored, open_store
from sematic_airflow_provider.artifacts.trees import Tree, load_manifests, load_tree
from sematic_airflow_provider.errors import ArtifactError, InvalidRefError, MissingExtraError, NoCodecError

log = logging.getLogger(__name__)

_MAX_DEPTH = 100
_MEMBER_LIMIT = (
    256  # part of tree/1: a manifest's digest depends on its members, never on this deployment's inline_limit
)


_MOST_PREVIEWS = 100


class _Showing:
    """How many more artifacts get previews in one save: of a list of ten thousand arrays, the first hundred."""

    left: int = _MOST_PREVIEWS


class Repository:
    """Saves and loads values in one store.

    What no codec writes as a whole is taken apart: a list, tuple, dict, dataclass or generator becomes a manifest of its members (``trees``), each an
    artifact of its own; a path becomes the file or folder it names (``files``).
    """

    def __init__(
        self,
        store: Store,
        *,
        inline_limit: int = 1024,
        allow_pickle: bool = False,
        scratch: str | None = None,
        previews: bool = True,
        compress: bool = False,
    ) -> None:
        self.store = store
        self.scratch = Scratch(scratch)
        self._inline_limit = inline_limit
        self._allow_pickle = allow_pickle
        self._previews = previews
        self._compress = compress

    def save(self, value: Any, name: str = "") -> ArtifactRef:
        """Store a value, unless the same bytes are stored already. A ref that is given is returned, renamed when a name is given.

        Raises:
            NoCodecError: the value, or a member of it, cannot be stored.
            StoreError: the store fails.
        """
        return self._save(value, name, 0, _Showing())

    def describe(self, value: Any, name: str = "") -> ArtifactRef:
        """The ref of a value; it is stored only where the ref does not carry it.

        Raises:
            NoCodecError, StoreError: as ``save`` does.
        """
        return self._save(value, name, 0, _Showing(), inline_limit=self._inline_limit, also_stored=False)

    def load(self, ref: ArtifactRef) -> Any:
        """The value, verified; a new object each time. Paths lead to copies that live until ``scratch`` is cleared.

        Raises:
            ArtifactNotFoundError, ArtifactCorruptedError, StoreError: it cannot be read as it was saved.
            NoCodecError: its codec is not known or not allowed here.
            MissingExtraError: a library it needs is not installed.
        """
        if ref.has_value and (inline := _inline_bytes(ref)) is not None:
            return self._decoded(ref, lambda: from_json(json.loads(inline)))
        if ref.codec == TREE:
            return self._load_tree(ref, load_manifests(self.store, ref.digest))
        if ref.codec == FILES:
            return unpack(self.store, load_listing(self.store, ref.digest), self.scratch.folder())
        codec = self._codec_to_read(ref)
        if not ref.in_chunks:
            return self._decoded(ref, lambda: codec.decode(self._blob(ref)))
        if hasattr(codec, "decode_columns"):  # a table: its file and its values are never in memory together
            with self.opened(ref) as file:
                return self._decoded(ref, lambda: codec.decode_columns(file, None))
        return self._decoded(ref, lambda: codec.decode(read_chunks(self.store, self._chunks(ref))))

    def load_columns(self, ref: ArtifactRef, columns: Sequence[str]) -> Any:
        """Some columns of a table; of a large one, only the chunks that hold them are read.

        Raises:
            TypeError: it is no table.
            MissingPartError: it has no such column.
            ArtifactError and its kinds: as ``load`` does.
        """
        decode = getattr(self._codec_to_read(ref), "decode_columns", None) if ref.codec not in (TREE, FILES) else None
        if decode is None:
            raise TypeError(f"artifact {short(ref.digest)} is no table ({ref.codec}): it has no columns to load alone")
        with self.opened(ref) as file:
            return self._decoded(ref, lambda: decode(file, list(columns)))

    def load_file(self, ref: ArtifactRef, path: str) -> Path:
        """One file of a folder.

        Raises:
            MissingPartError: there is no such file.
            ArtifactError and its kinds: as ``load`` does.
        """
        if ref.codec != FILES:
            raise TypeError(f"artifact {short(ref.digest)} is no folder ({ref.codec})")
        return unpack(self.store, load_listing(self.store, ref.digest), self.scratch.folder(), only=path)

    def tree(self, ref: ArtifactRef) -> Tree | None:
        """The manifest of an artifact, None for one that has none."""
        return load_tree(self.store, ref.digest) if ref.codec == TREE else None

    def members(self, ref: ArtifactRef) -> list[ArtifactRef]:
        """The members of a manifest, in order; empty for an artifact that is none."""
        tree = self.tree(ref)
        return [member for _, member in tree.members] if tree else []

    def opened(self, ref: ArtifactRef) -> IO[bytes]:
        """The stored bytes as a file that can seek.

        Raises:
            ArtifactError and its kinds: they cannot be read.
        """
        if ref.in_chunks:
            return io.BufferedReader(ChunkReader(self.store, self._chunks(ref)), 1 << 16)
        return io.BytesIO(self._blob(ref))

    def _load_tree(self, ref: ArtifactRef, known: Mapping[Digest, Tree]) -> Any:
        def load(member: ArtifactRef) -> Any:
            inside = member.codec == TREE and member.digest in known
            return self._load_tree(member, known) if inside else self.load(member)

        return self._decoded(ref, lambda: known[ref.digest].value(load))

    def _blob(self, ref: ArtifactRef) -> memoryview:
        data = self.store.get(ref.digest)
        _check_size(ref, data.nbytes)
        return data

    def _chunks(self, ref: ArtifactRef) -> ChunkList:
        """Before anything is made of that size: a list of chunks can claim any."""
        found = load_list(self.store, ref.digest)
        _check_size(ref, found.size)
        return found

    def _decoded(self, ref: ArtifactRef, decode: Callable[[], Any]) -> Any:
        try:
            return decode()
        except (ArtifactError, MissingExtraError):
            raise
        except Exception as error:  # decoders raise what they like on bytes that are not theirs
            raise ArtifactError(
                f"artifact {short(ref.digest)} ({ref.type}) in {self.store.url} cannot be read by codec {ref.codec}: {type(error).__name__}: {error}"
            ) from error

    def _codec_to_read(self, ref: ArtifactRef) -> Codec:
        if ref.codec_name == PICKLE and not self._allow_pickle:
            raise NoCodecError(
                f"artifact {short(ref.digest)} ({ref.type}) is a pickle, and loading it would run the code in it: "
                "set [sematic] allow_pickle = True where you trust everyone who can write to the store"
            )
        return codec_named(ref.codec_name)

    def _save(
        self,
        value: Any,
        name: str,
        depth: int,
        showing: _Showing,
        *,
        inline_limit: int | None = None,
        also_stored: bool = True,
    ) -> ArtifactRef:
        if isinstance(value, Artifact):
            value = value.ref
        if isinstance(value, ArtifactRef):
            alone = value.member_of(None)  # a manifest is the same, whatever collection its members came from
            return alone.named(name) if name else alone
        if isinstance(value, Path):
            stored, kind = save_path(self.store, value, compress=self._compress)
            return ArtifactRef(stored.digest, FILES, f"pathlib.Path ({kind})", stored.size, name)
        codec = codec_for(value)
        if codec is None:
            members = _members_of(value)
            if members is not None:
                return self._save_tree(value, *members, name, depth, showing)
            codec = self._last_resort(value)
        if codec.name == JSON:
            limit = self._inline_limit if inline_limit is None else inline_limit
            return self._save_json(value, name, limit, showing, also_stored=also_stored)
        with _encoded(codec, value) as content:
            in_chunks = is_chunked(codec) and content.size > ONE_BLOB
            if in_chunks:
                compress = self._compress and not is_compressed(codec)
                stored = put_chunked(self.store, content, compress=compress)
            else:
                stored = self.store.put(content)
        codec_name = IN_CHUNKS + codec.name if in_chunks else codec.name
        ref = ArtifactRef(stored.digest, codec_name, type_name(value), stored.size, name)
        return self._shown(value, ref, stored, showing)

    def _shown(self, value: Any, ref: ArtifactRef, stored: Stored, showing: _Showing) -> ArtifactRef:
        """Give an artifact its preview when it is new; and when it is found again after hours, see that it has one.

        In between a value that is known asks nothing of the store for its preview.
        """
        if self._previews and showing.left > 0 and (stored.new or stored.renewed):
            from sematic_airflow_provider.artifacts import previews as preview_documents

            showing.left -= preview_documents.write(self.store, ref, value, unless_there=not stored.new)
        return ref

    def _save_json(
        self, value: Any, name: str, inline_limit: int, showing: _Showing, *, also_stored: bool
    ) -> ArtifactRef:
        form = to_json(value)
        data = canonical_json(form)
        inline = len(data) <= inline_limit and is_plain(form, value)
        ref = ArtifactRef(digest_bytes(data), JSON, type_name(value), len(data), name, form if inline else NO_VALUE)
        if also_stored or not inline:
            stored = self.store.put(of_bytes(data))
            return ref if inline else self._shown(value, ref, stored, showing)
        return ref

    def _last_resort(self, value: Any) -> Codec:
        if self._allow_pickle:
            return codec_named(PICKLE)
        if (advice := advice_for(value)) is not None:
            raise NoCodecError(f"{advice}, or set [sematic] allow_pickle = True")
        raise NoCodecError(
            f"no codec can store {type_name(value)}. Return plain values, dataclasses, lists, dicts, NumPy arrays, tables, models, figures or paths, "
            "register a codec (entry point sematic_airflow_provider.codecs), or set [sematic] allow_pickle = True"
        )

    def _save_tree(
        self,
        value: Any,
        kind: str,
        of: str,
        members: Iterable[tuple[Any, Any]],
        name: str,
        depth: int,
        showing: _Showing,
    ) -> ArtifactRef:
        if depth > _MAX_DEPTH:
            raise NoCodecError(f"a value nested deeper than {_MAX_DEPTH}, or holding itself, cannot be stored")
        refs: list[tuple[Any, ArtifactRef]] = []
        for key, member in members:
            try:
                refs.append((key, self._save_member(member, depth + 1, showing)))
            except NoCodecError as error:
                raise NoCodecError(f"member {key!r}: {error}") from error
        stored = self.store.put(of_bytes(Tree(kind, refs, of).to_bytes()))
        return ArtifactRef(stored.digest, TREE, type_name(value), stored.size, name)

    def _save_member(self, member: Any, depth: int, showing: _Showing) -> ArtifactRef:
        """A member as the manifest has it: tiny plain JSON stands in it and is nowhere else, all else is stored on its own.

        Refs keep their names, by which the record of a step that reads them tells which outputs it read.
        """
        if not isinstance(member, ArtifactRef):
            return self._save(member, "", depth, showing, inline_limit=_MEMBER_LIMIT, also_stored=False)
        member = member.member_of(None)
        if member.codec != JSON or not (member.has_value or member.size <= _MEMBER_LIMIT):
            return member
        return self._save_json(self.load(member), member.name, _MEMBER_LIMIT, showing, also_stored=False)


def _members_of(value: Any) -> tuple[str, str, Iterable[tuple[Any, Any]]] | None:
    """Kind, type and members of what can be taken apart; None for anything else."""
    kind = type(value)
    if kind in (list, tuple):
        return kind.__name__, "", enumerate(value)
    if kind is dict and all(type(key) is str for key in value):
        return "dict", "", sorted(value.items())
    if kind is dict:
        return (
            "map",
            "",
            sorted(((to_json(key), member) for key, member in value.items()), key=lambda pair: canonical_json(pair[0])),
        )
    if is_stream(value):
        return "batches", "", enumerate(value.refs if isinstance(value, Batches) else value)
    from sematic_airflow_provider.artifacts.codecs import declared

    fields = declared.fields_of(value)
    return None if fields is None else ("object", declared.type_name(value), fields.items())


@contextmanager
def _encoded(codec: Codec, value: Any) -> Iterator[Content]:
    """What a codec writes for a value, from where it lies in memory where that is possible."""
    find = getattr(codec, "buffers", None)
    pieces = find(value) if find is not None else None
    if pieces is not None:
        yield of_bytes(*pieces)
        return
    spool = Spool()
    try:
        codec.encode(value, cast("BinaryIO", spool))
        yield spool.content()
    finally:
        spool.close()


def _check_size(ref: ArtifactRef, size: int) -> None:
    if size != ref.size:
        raise InvalidRefError(
            f"the reference to artifact {short(ref.digest)} says that it has {ref.size} bytes, but it has {size}: it was tampered with"
        )


def open_repository(url: str, *, create: bool = False, **options: Any) -> Repository:
    """The repository of the store at this URL, which is opened as the environment says. Options are those of ``Repository``.

    Raises:
        StoreError: the store is not there.
    """
    return Repository(open_store(url, create=create), **options)


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


def type_name(value: Any) -> str:
    """The type of a value as refs show it; of a class in a Dag file without what Airflow puts before the file's name."""
    return f"{stable_module(type(value).__module__)}.{type(value).__qualname__}"
