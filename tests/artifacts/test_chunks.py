"""Large contents in chunks: borders that follow the content, readers that read what is touched."""

from __future__ import annotations

import hashlib
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.chunks import (
    LARGEST,
    ONE_BLOB,
    SMALLEST,
    ChunkList,
    ChunkReader,
    cut,
    load_list,
    put_chunked,
    read_chunks,
)
from sematic_airflow_provider.artifacts.content import FilePart, of_bytes
from sematic_airflow_provider.artifacts.digest import Digest
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactError, ArtifactNotFoundError
from tests.contracts.counting_store import CountingStore

_GOLDEN = Path(__file__).parents[1] / "golden" / "chunks.json"
_BYTES = random.Random(7).randbytes(40_000_000)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(str(tmp_path / "store"))


def test_borders_never_change() -> None:
    """They are part of the format: another version of the chunker must find the same ones, or old data would be stored again."""
    found = cut(of_bytes(_BYTES[:12_000_000]))
    assert [[digest[:16], size] for digest, size in found.chunks] == json.loads(_GOLDEN.read_text())


def test_chunks_have_the_sizes_that_the_format_says() -> None:
    sizes = [size for _, size in cut(of_bytes(_BYTES)).chunks]
    assert sum(sizes) == len(_BYTES)
    assert min(sizes[:-1]) >= SMALLEST
    assert max(sizes) <= LARGEST
    assert 20 < len(sizes) < 80
    assert [size for _, size in cut(of_bytes(b"\0" * (3 * LARGEST))).chunks] == [LARGEST] * 3, "no borders in it"


@pytest.mark.parametrize("how", ["one buffer", "many buffers", "file"])
def test_borders_do_not_depend_on_how_the_content_is_held(how: str, tmp_path: Path) -> None:
    data = _BYTES[:20_000_000]
    expected = cut(of_bytes(data))
    if how == "file":
        (tmp_path / "x").write_bytes(data)
        with (tmp_path / "x").open("rb") as file:
            assert cut(FilePart(file)) == expected
    else:
        pieces = [data] if how == "one buffer" else [data[n : n + 999_983] for n in range(0, len(data), 999_983)]
        assert cut(of_bytes(*pieces)) == expected


@pytest.mark.parametrize("change", ["append", "insert", "overwrite", "delete"])
def test_a_small_change_stores_a_little(store: CountingStore, change: str) -> None:
    middle = len(_BYTES) // 2
    changed = {
        "append": _BYTES + b"x" * 1000,
        "insert": _BYTES[:middle] + b"new" + _BYTES[middle:],
        "overwrite": _BYTES[:middle] + b"new" + _BYTES[middle + 3 :],
        "delete": _BYTES[:middle] + _BYTES[middle + 5 :],
    }[change]
    put_chunked(store, of_bytes(_BYTES))
    store.written.clear()
    stored = put_chunked(store, of_bytes(changed))
    assert sum(one.size for one in store.written) < 3 * LARGEST
    assert read_chunks(store, load_list(store, stored.digest)) == changed


def test_a_row_group_that_stays_is_stored_once(store: CountingStore) -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    table = pandas.DataFrame(numpy.random.default_rng(7).random((600_000, 4)))
    table.columns = ["a", "b", "c", "d"]
    repository = Repository(store, previews=False)
    repository.save(table.iloc[:550_000])
    store.written.clear()
    ref = repository.save(table)
    assert ref.in_chunks
    last_group = 600_000 % 131_072  # rows behind the last full group of 4 MiB
    assert sum(one.size for one in store.written) < 1.1 * last_group * 4 * 8
    assert repository.load(ref).equals(table)


def test_what_is_stored_is_asked_for_once(store: CountingStore) -> None:
    first = put_chunked(store, of_bytes(_BYTES))
    store.asked.clear()
    store.written.clear()
    again = put_chunked(store, of_bytes(_BYTES))
    assert (again.digest, again.size, again.new, store.written) == (first.digest, len(_BYTES), False, [])
    assert set(store.asked) == {first.digest}


def test_a_reader_reads_what_is_touched(store: CountingStore) -> None:
    stored = put_chunked(store, of_bytes(_BYTES))
    found = load_list(store, stored.digest)
    store.read.clear()
    with ChunkReader(store, found) as reader:
        reader.seek(25_000_000)
        assert reader.read(10) == _BYTES[25_000_000:25_000_010]
    assert len(store.read) == 1


@pytest.mark.parametrize("keep", [1, 3, 16])
@pytest.mark.parametrize("seed", range(5))
def test_a_reader_is_a_file(store: CountingStore, keep: int, seed: int) -> None:
    stored = put_chunked(store, of_bytes(_BYTES))
    there, file = random.Random(seed), io.BytesIO(_BYTES)
    with ChunkReader(store, load_list(store, stored.digest), keep) as reader:
        assert (reader.seekable(), reader.readable(), reader.read(0)) == (True, True, b"")
        for _ in range(60):
            offset, whence = there.choice(
                [(there.randrange(len(_BYTES) + 5), 0), (there.randrange(-(9**6), 9**6), 1), (-(9**6), 2)]
            )
            if whence == 1 and file.tell() + offset < 0:
                continue
            size = there.choice([1, 1000, 3_000_000])
            assert reader.seek(offset, whence) == file.seek(offset, whence)
            assert _read(reader, size) == file.read(size)
            assert reader.tell() == file.tell()


def _read(reader: ChunkReader, size: int) -> bytes:
    pieces = []
    while size and (piece := reader.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("damage", ["lost", "flipped", "short"])
def test_a_damaged_chunk_is_named(store: CountingStore, tmp_path: Path, damage: str) -> None:
    stored = put_chunked(store, of_bytes(_BYTES))
    found = load_list(store, stored.digest)
    victim = found.chunks[5][0]
    path = next((tmp_path / "store").rglob(victim))
    data = bytearray(path.read_bytes())
    path.chmod(0o644)
    if damage == "lost":
        path.unlink()
    else:
        data[100] ^= 1
        path.write_bytes(data if damage == "flipped" else data[:-1])
    expected = ArtifactNotFoundError if damage == "lost" else ArtifactCorruptedError
    with pytest.raises(expected, match=victim):
        read_chunks(store, found)
    with ChunkReader(store, found) as reader, pytest.raises(expected, match=victim):
        _read(reader, len(_BYTES))


def test_a_value_that_changes_while_it_is_stored_is_not_stored(store: CountingStore) -> None:
    class Changing:
        """Other bytes each time they are asked for."""

        size = ONE_BLOB * 2
        asked = 0

        def view(self, start: int, size: int) -> memoryview:
            self.asked += 1
            return memoryview(bytes([self.asked % 256]) * min(size, self.size - start))

    with pytest.raises(ArtifactError, match="changed while"):
        put_chunked(store, Changing())


_HOSTILE: list[Any] = [
    None, [], {}, {"layout": "chunks/1"}, {"layout": "chunks/1", "size": 0, "chunks": {}}, {"layout": "chunks/2", "size": 0, "chunks": []},
    {"layout": "chunks/1", "size": 5, "chunks": []}, {"layout": "chunks/1", "size": 5, "chunks": [["../x", 5]]},
    {"layout": "chunks/1", "size": 5, "chunks": [["a" * 64, -5]]}, {"layout": "chunks/1", "size": 5, "chunks": [["a" * 64, 5, 5]]},
    {"layout": "chunks/1", "size": 1 << 60, "chunks": [["a" * 64, 1 << 60]]}, {"layout": "chunks/1", "size": True, "chunks": [["a" * 64, True]]},
    {"layout": "chunks/1", "size": 5, "chunks": [["a" * 64, 5.0]]}, {"layout": "chunks/1", "size": 5, "chunks": [[["a"], 5]]},
]  # fmt: skip


@pytest.mark.parametrize("record", _HOSTILE, ids=lambda record: json.dumps(record)[:60])
def test_a_list_that_is_none_is_refused(store: CountingStore, record: Any) -> None:
    stored = store.put(of_bytes(json.dumps(record).encode()))
    with pytest.raises(ArtifactError, match="cannot be read by layout chunks/1"):
        load_list(store, stored.digest)
    with pytest.raises(ArtifactError):
        Repository(store).load(ArtifactRef(stored.digest, "chunks/1:npy/1", "numpy.ndarray", 5))


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.integers() | st.text(max_size=9), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_are_a_list_or_refused(data: bytes) -> None:
    try:
        ChunkList.from_json(json.loads(data))
    except (ValueError, RecursionError):
        return
    raise AssertionError("no such list is generated")


def test_the_stored_list_names_its_chunks(store: CountingStore) -> None:
    """The format, as another program would read it."""
    stored = put_chunked(store, of_bytes(_BYTES[:9_000_000]))
    record = json.loads(bytes(store.get(stored.digest)))
    assert list(record) == ["chunks", "layout", "size"]
    whole = b"".join(bytes(store.get(Digest(digest))) for digest, _ in record["chunks"])
    assert whole == _BYTES[:9_000_000]
    assert all(hashlib.sha256(bytes(store.get(Digest(d)))).hexdigest() == d for d, _ in record["chunks"])
