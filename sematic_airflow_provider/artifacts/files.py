"""``files/1``: a file or a folder, streamed. The artifact's blob lists the entries and the chunks of their contents, one after another.

Names, contents, empty folders, symbolic links that stay inside, and whether a file is executable come back; owners, times and other rights do not:
equal contents have equal digests wherever they lie.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from sematic_airflow_provider.artifacts.chunks import SMALLEST, ChunkList, ChunkReader, cut, put_listed
from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, short
from sematic_airflow_provider.artifacts.store import Store, Stored
from sematic_airflow_provider.errors import ArtifactError, MissingPartError, NoCodecError

NAME = "files/1"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Entry(NamedTuple):
    """One entry: ``kind`` is ``file``, ``executable``, ``folder`` or ``link``; ``content`` the SHA-256 of a file, the target of a link."""

    path: str
    kind: str
    size: int = 0
    content: str = ""


class Files(NamedTuple):
    """A file (``entries`` is its one entry, of its name) or a folder."""

    kind: str
    name: str
    entries: list[Entry]
    chunks: ChunkList

    def to_json(self) -> dict[str, object]:
        """As it is stored."""
        entries = [[entry.path, entry.kind, entry.size, entry.content] for entry in self.entries]
        return {
            "layout": NAME,
            "kind": self.kind,
            "name": self.name,
            "entries": entries,
            "content": self.chunks.to_json(),
        }

    @classmethod
    def from_json(cls, record: object) -> Files:
        """Read a listing back.

        Raises:
            ValueError: it is none, or would write outside of the folder that it is unpacked into.
        """
        if not isinstance(record, dict) or record.get("layout") != NAME:
            raise ValueError("not a listing of files")
        kind, name, entries = record.get("kind"), record.get("name"), record.get("entries")
        if kind not in ("file", "folder") or not isinstance(name, str) or not isinstance(entries, list):
            raise ValueError("a listing of files has a kind, a name and entries")
        _check_path(name, depth=1)
        found = cls(kind, name, [_entry(entry) for entry in entries], ChunkList.from_json(record.get("content")))
        if kind == "file" and (
            len(found.entries) != 1
            or found.entries[0].path != name
            or found.entries[0].kind not in ("file", "executable")
        ):
            raise ValueError("a file has one entry, of its own name")
        _check_links(found.entries)
        if sum(entry.size for entry in found.entries) != found.chunks.size:
            raise ValueError("the sizes of the files are not those of the content")
        return found


def save_path(store: Store, path: Path, *, compress: bool = False) -> tuple[Stored, str]:
    """Store a file or folder; what was stored, and which of both it is.

    Raises:
        NoCodecError: it is not there, or holds what cannot be stored (a socket, a link that leads outside).
        ArtifactError: a file changed meanwhile.
    """
    try:
        scanned, kind = _scan(path)
        content = _FileContents([(file, entry.size) for file, entry in scanned if entry.kind in ("file", "executable")])
        hashes = _FileHashes(content.sizes)
        chunks = cut(content, hashes.update, compress=compress)
        digests = iter(hashes.finish())
        entries = [
            Entry(e.path, e.kind, e.size, next(digests)) if e.kind in ("file", "executable") else e for _, e in scanned
        ]
        listing = canonical_json(Files(kind, path.resolve().name or "folder", entries, chunks).to_json())
        return put_listed(store, content, chunks, listing), kind
    except FileNotFoundError as error:
        raise NoCodecError(
            f"{error.filename or path} is not there: a step that returns a path must have written it"
        ) from error
    except UnicodeEncodeError as error:
        raise NoCodecError(f"a file name below {path} is not UTF-8: {error.object!r}") from error


def load_listing(store: Store, digest: Digest) -> Files:
    """What an artifact of this layout holds.

    Raises:
        ArtifactError: its blob is no listing of files.
    """
    try:
        return Files.from_json(json.loads(bytes(store.get(digest))))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"artifact {short(digest)} in {store.url} cannot be read by codec {NAME}: {error}"
        ) from error


def unpack(store: Store, found: Files, parent: Path, only: str | None = None) -> Path:
    """Write the file or folder into an empty folder; its path. With ``only``, just the file of that path in it.

    Raises:
        MissingPartError: there is no such file in it.
        ArtifactCorruptedError, ArtifactNotFoundError, StoreError: it cannot be read as it was saved.
        ArtifactError: there is no room for it, or the file system cannot hold its names.
    """
    root = parent if found.kind == "file" else parent / found.name
    wanted = [entry for entry in found.entries if only is None or entry.path == only]
    if only is not None and not any(entry.kind in ("file", "executable") for entry in wanted):
        raise MissingPartError(f"there is no file {only!r} in it")
    try:
        _check_room(parent, sum(entry.size for entry in wanted))
        root.mkdir(parents=True, exist_ok=True)
        _unpack_entries(store, found, root, wanted)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead round in a circle
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{found.name} from {store.url} cannot be unpacked into {parent}: {error}") from error
    return root / (only or found.name) if found.kind == "file" or only else root


def _check_room(folder: Path, size: int) -> None:
    """Before anything is written: a listing of a few lines can stand for any size."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(errno.ENOSPC, f"it has {size:,} bytes, there is room for {free:,}")


def _unpack_entries(store: Store, found: Files, root: Path, wanted: list[Entry]) -> None:
    """Links last: so nothing is ever written through one, whatever names a file system takes for the same."""
    starts = dict(zip(found.entries, accumulate((entry.size for entry in found.entries), initial=0), strict=False))
    made = {root}
    with ChunkReader(store, found.chunks) as reader:
        for entry in sorted(wanted, key=lambda entry: entry.kind == "link"):
            target = root / entry.path
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            _unpack_entry(reader, starts[entry], entry, target)
    for entry in wanted:
        if entry.kind == "link" and not (root / entry.path).resolve().is_relative_to(root.resolve()):
            raise ArtifactError(f"the link {entry.path!r} leads outside of the folder that it is in")


def _unpack_entry(reader: ChunkReader, position: int, entry: Entry, target: Path) -> None:
    if entry.kind == "folder":
        target.mkdir(exist_ok=True)
    elif entry.kind == "link":
        target.symlink_to(entry.content)
    else:
        with target.open("xb", buffering=0) as file:
            for piece in reader.pieces(position, entry.size):
                _write_all(file, piece)
            os.fchmod(file.fileno(), 0o755 if entry.kind == "executable" else 0o644)


def _write_all(file: IO[bytes], data: memoryview) -> None:
    while data.nbytes:
        data = data[file.write(data) :]


def _scan(path: Path) -> tuple[list[tuple[Path, Entry]], str]:
    """Entries in the order of their paths, files with the place that they are read from."""
    if path.is_file():
        return [(path, _file_entry(path, path.resolve().name))], "file"
    if not path.is_dir():
        if path.exists():
            raise NoCodecError(f"{path} is neither a file nor a folder")
        raise FileNotFoundError(2, "no such file", str(path))
    found = [(item, _scan_entry(item, path)) for item in _walk(path)]
    return sorted(found, key=lambda pair: pair[1].path.encode()), "folder"


def _walk(folder: Path) -> Iterator[Path]:
    for item in os.scandir(folder):
        yield Path(item.path)
        if item.is_dir(follow_symlinks=False):
            yield from _walk(Path(item.path))


def _scan_entry(item: Path, root: Path) -> Entry:
    name = item.relative_to(root).as_posix()
    name.encode()
    if item.is_symlink():
        target = os.readlink(item)
        if not _stays_inside(name, target) or not item.resolve().is_relative_to(root.resolve()):
            raise NoCodecError(f"{item} is a link to {target}, outside of the folder: put a copy there")
        return Entry(name, "link", content=target)
    if item.is_dir():
        return Entry(name, "folder")
    if not item.is_file():
        raise NoCodecError(f"{item} is neither a file nor a folder")
    return _file_entry(item, name)


def _file_entry(path: Path, name: str) -> Entry:
    found = path.stat()
    name.encode()
    return Entry(name, "executable" if found.st_mode & 0o100 else "file", found.st_size)


class _FileContents:
    """Many files as one content; a file is open only while it is read."""

    def __init__(self, files: list[tuple[Path, int]]) -> None:
        self._paths = [path for path, _ in files]
        self.sizes = [size for _, size in files]
        self._ends = list(accumulate(self.sizes))
        large = [(end - size, end) for end, size in zip(self._ends, self.sizes, strict=True) if size >= SMALLEST]
        self.borders = sorted({border for both in large for border in both})
        """Where large files begin and end: one that changes leaves its neighbours as they are stored."""

    @property
    def size(self) -> int:
        return self._ends[-1] if self._ends else 0

    def view(self, start: int, size: int) -> memoryview:
        size = min(size, self.size - start)
        data = memoryview(bytearray(size))
        number, done = bisect_right(self._ends, start), 0
        while done < size:
            first = self._ends[number] - self.sizes[number]
            wanted = min(size - done, self._ends[number] - (start + done))
            if wanted:
                with self._paths[number].open("rb", buffering=0) as file:
                    file.seek(start + done - first)
                    part = data[done : done + wanted]
                    while part.nbytes:
                        count = file.readinto(part)
                        if not count:
                            raise ArtifactError(f"{self._paths[number]} became shorter while it was being stored")
                        part = part[count:]
            done += wanted
            number += 1
        return data


class _FileHashes:
    """The SHA-256 of each of several files that come one after another."""

    def __init__(self, sizes: list[int]) -> None:
        self._left = list(sizes)
        self._digests: list[str] = []
        self._hash = hashlib.sha256()

    def update(self, block: memoryview) -> None:
        while block.nbytes:
            self._close_full()
            number = len(self._digests)
            part = block[: self._left[number]]
            self._hash.update(part)
            self._left[number] -= part.nbytes
            block = block[part.nbytes :]

    def finish(self) -> list[str]:
        self._close_full()
        return self._digests

    def _close_full(self) -> None:
        while len(self._digests) < len(self._left) and not self._left[len(self._digests)]:
            self._digests.append(self._hash.hexdigest())
            self._hash = hashlib.sha256()


def _entry(record: object) -> Entry:
    if not isinstance(record, list) or len(record) != 4:
        raise ValueError("an entry is a path, a kind, a size and a content")
    path, kind, size, content = record
    if (
        not isinstance(path, str)
        or not isinstance(content, str)
        or not isinstance(size, int)
        or isinstance(size, bool)
        or size < 0
    ):
        raise ValueError("an entry is a path, a kind, a size and a content")
    _check_path(path)
    content.encode()
    good = {
        "file": bool(_SHA256.fullmatch(content)),
        "folder": content == "" and size == 0,
        "link": size == 0 and _stays_inside(path, content),
    }
    if not good.get("file" if kind == "executable" else kind, False):
        raise ValueError(f"a bad entry {path[:100]!r}")
    return Entry(path, kind, size, content)


def _check_path(path: str, depth: int = 1000) -> None:
    parts = path.split("/")
    path.encode()  # a lone surrogate is a ValueError, and no name
    if len(parts) > depth or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"a path that leads elsewhere: {path[:100]!r}")


def _check_links(entries: list[Entry]) -> None:
    """Nothing may be written through a link, nor twice."""
    links = {entry.path for entry in entries if entry.kind in ("link", "file", "executable")}
    if len({entry.path for entry in entries}) != len(entries):
        raise ValueError("a path appears twice")
    for entry in entries:
        if any(str(parent) in links for parent in PurePosixPath(entry.path).parents):
            raise ValueError(f"a path below a link or file: {entry.path[:100]!r}")


def _stays_inside(path: str, target: str) -> bool:
    """Whether a link at this path in a folder leads to something in that folder."""
    if not target or target.startswith("/") or "\0" in target:
        return False
    depth = path.count("/")
    for part in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return False
    return True
