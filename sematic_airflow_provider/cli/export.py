"""``artifacts get``: stored bytes into a file, verified before they have their name; a folder into a folder. Nothing is decoded, so nothing can run."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from sematic_airflow_provider.artifacts.chunks import Chunk, load_list
from sematic_airflow_provider.artifacts.codecs.registry import FILES
from sematic_airflow_provider.artifacts.digest import short
from sematic_airflow_provider.artifacts.files import Files, load_listing, unpack
from sematic_airflow_provider.artifacts.parts import Part
from sematic_airflow_provider.artifacts.ref import IN_CHUNKS
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ArtifactError, ArtifactNotFoundError

_READERS = 4
_SUFFIXES = {
    "json": ".json",
    "tree": ".json",
    "text": ".txt",
    "npy": ".npy",
    "parquet": ".parquet",
    "polars-parquet": ".parquet",
    "safetensors": ".safetensors",
    "pickle": ".pickle",
    "skops": ".skops",
    "png": ".png",
}


class TargetExistsError(ArtifactError, FileExistsError):
    """There is something already where it should be written."""

    def __str__(self) -> str:
        return str(self.args[0])


def export(store: Store, part: Part, target: Path, *, force: bool) -> Path:
    """Write an artifact to a path, or into the folder at that path under a name of its own; where it was written. All or nothing.

    Raises:
        TargetExistsError: something is there, and is no file or may not be replaced.
        ArtifactNotFoundError, ArtifactCorruptedError, StoreError: it cannot be read as it was saved.
        OSError: it cannot be written.
    """
    listing = load_listing(store, part.digest) if part.codec == FILES else None
    if target.is_dir():
        target = target / (listing.name if listing is not None else _file_name(part))
    if os.path.lexists(target) and (target.is_dir() or not force):
        hint = "folders are not replaced" if target.is_dir() else "give another path, or --force to replace it"
        raise TargetExistsError(f"{target} is there already: {hint}")
    with tempfile.TemporaryDirectory(prefix=".sematic-get-", dir=target.parent) as folder:
        if listing is not None:
            written = unpack(store, listing, Path(folder))
        else:
            written = Path(folder) / "content"
            with written.open("w+b") as file:
                _fill(store, part, None, file)
        os.replace(written, target)
    return target


def export_to_stream(store: Store, part: Part, stream: BinaryIO) -> None:
    """Write an artifact that is one file to a stream, once all of it is verified.

    Raises:
        ArtifactError: it is a folder.
        ArtifactNotFoundError, ArtifactCorruptedError, StoreError: it cannot be read as it was saved.
    """
    listing = load_listing(store, part.digest) if part.codec == FILES else None
    if listing is not None and listing.kind != "file":
        raise ArtifactError(f"artifact {short(part.digest)} is a folder: say where to write it with -o PATH")
    with tempfile.TemporaryFile() as file:
        _fill(store, part, listing, file)
        file.seek(0)
        shutil.copyfileobj(file, stream, 1 << 20)


def _fill(store: Store, part: Part, listing: Files | None, file: BinaryIO) -> None:
    """Write the content through a map of the file: however large it is, it is never in memory as a whole."""
    chunks = _chunks(store, part, listing)
    size = sum(chunk[1] for chunk in chunks)
    if size == 0:
        for digest, _ in chunks:
            store.get(digest)  # verified all the same
        return
    file.truncate(size)
    starts = accumulate((chunk[1] for chunk in chunks), initial=0)
    mapped = mmap.mmap(file.fileno(), size)  # closed with the last view of it: an error that is under way may hold one
    target = memoryview(mapped)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="sematic-get") as readers:
        jobs = [
            readers.submit(store.read_into, digest, target[start : start + length])
            for (digest, length), start in zip(chunks, starts, strict=False)
        ]
        try:
            for job in jobs:
                job.result()
        finally:
            for job in jobs:
                job.cancel()
    mapped.flush()


def _chunks(store: Store, part: Part, listing: Files | None) -> list[Chunk]:
    """The blobs that the content consists of, in order."""
    if listing is not None:
        return list(listing.chunks.chunks)
    if part.codec is not None and part.codec.startswith(IN_CHUNKS):
        return list(load_list(store, part.digest).chunks)
    found = store.stat(part.digest)
    if found is None:
        raise ArtifactNotFoundError(part.digest, store.url)
    return [(part.digest, found.size)]


def suffix_of(codec: str | None) -> str:
    """How the names of files end that hold what a codec writes."""
    return _SUFFIXES.get((codec or "").removeprefix(IN_CHUNKS).partition("/")[0], ".bin")


def _file_name(part: Part) -> str:
    return short(part.digest) + suffix_of(part.codec)
