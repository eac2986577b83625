"""Bytes and references that somebody made to do harm: nothing of them runs, nothing leads out of the folder, nothing fills memory or disk, all are refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.artifact import Artifact
from sematic_airflow_provider.artifacts.chunks import LARGEST, ChunkList, load_list
from sematic_airflow_provider.artifacts.codecs.registry import _BUILT_IN, PICKLE
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.digest import Digest, canonical_json, digest_bytes
from sematic_airflow_provider.artifacts.files import Files, load_listing
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import blob_path
from sematic_airflow_provider.artifacts.trees import Tree, load_tree
from sematic_airflow_provider.errors import ArtifactCorruptedError, ArtifactError, InvalidRefError, NoCodecError

ROOT = Path(__file__).parents[2]
SAFE_CODECS = [name for name, _ in _BUILT_IN if name != PICKLE]
DIGEST = "a" * 64


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path / "store", create=True), scratch=str(tmp_path))


def stored(repository: Repository, data: bytes, codec: str, type_: str = "x.Y", size: int | None = None) -> ArtifactRef:
    """A reference to these bytes that says what it likes."""
    digest = repository.store.put(of_bytes(data)).digest
    return ArtifactRef(digest, codec, type_, len(data) if size is None else size)


class _Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def _object_array(canary: Path) -> bytes:
    file = io.BytesIO()
    numpy.save(file, numpy.array([_Canary(canary)], dtype=object), allow_pickle=True)
    return file.getvalue()


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return file.getvalue()


def _skops(canary: Path) -> bytes:
    schema = {
        "__class__": "mkdir",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "content": {"module_path": "os", "function": "mkdir"},
        "protocol": 2,
        "__id__": 1,
    }
    return _zip(schema__json=json.dumps(schema).encode(), canary=str(canary).encode())


def _pickled_member(canary: Path) -> bytes:
    return _zip(schema__json=b"{}", data__pkl=pickle.dumps(_Canary(canary)), a__npy=_object_array(canary))


def _parquet(canary: Path) -> bytes:
    """A table whose column says that it is of a type that Python's pickle knows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    field = pa.field("a", pa.int64(), metadata={"ARROW:extension:name": "arrow.py_extension_type"})
    field = field.with_metadata({**field.metadata, "ARROW:extension:metadata": pickle.dumps(_Canary(canary))})
    table = pa.table([pa.array([1])], schema=pa.schema([field], metadata={"sematic.kind": "frame"}))
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


PAYLOADS: dict[str, Callable[[Path], bytes]] = {
    "pickle": lambda canary: pickle.dumps(_Canary(canary)),
    "old pickle": lambda canary: pickle.dumps(_Canary(canary), 0),
    "object array": _object_array,
    "skops": _skops,
    "pickle in a zip": _pickled_member,
    "pickle in parquet": _parquet,
    "json": lambda canary: canonical_json({"$type": "fields", "class": "os:mkdir", "value": {"path": str(canary)}}),
    "json object": lambda canary: canonical_json({"$type": "enum", "class": "subprocess:Popen", "name": "x"}),
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("codec", SAFE_CODECS)
def test_no_safe_codec_runs_what_it_reads(repository: Repository, tmp_path: Path, codec: str, payload: str) -> None:
    canary = tmp_path / "canary"
    ref = stored(repository, PAYLOADS[payload](canary), codec)
    try:
        value = repository.load(ref)
    except (ArtifactError, ImportError):
        value = b""
    assert isinstance(value, (bytes, str)) or type(value).__module__.startswith("pandas")
    assert not canary.exists()


def test_the_canary_would_be_seen(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(_Canary(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


def test_a_pickle_is_refused_whatever_calls_it_so(repository: Repository, tmp_path: Path) -> None:
    data = pickle.dumps(_Canary(tmp_path / "canary"))
    for codec in ("pickle/1", "chunks/1:pickle/1"):
        with pytest.raises(NoCodecError, match="allow_pickle"):
            repository.load(stored(repository, data, codec))
    member = stored(repository, data, "pickle/1")
    for kind, keys in (("list", [0]), ("dict", ["a"])):
        tree = Tree(kind, [(key, member) for key in keys]).to_bytes()
        with pytest.raises(NoCodecError, match="allow_pickle"):
            repository.load(stored(repository, tree, "tree/1"))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    "name", ["os:mkdir", "antigravity:fly", "this:s", "__main__:X", "builtins:object", "../x:Y", "a" * 9000]
)
def test_a_manifest_of_a_class_that_declares_nothing_makes_nothing(repository: Repository, name: str) -> None:
    loaded = set(sys.modules)
    member = repository.describe("x")
    with pytest.raises(ArtifactError):
        repository.load(stored(repository, Tree("object", [("path", member)], name).to_bytes(), "tree/1"))
    assert not {"antigravity", "this"} & (set(sys.modules) - loaded)


@pytest.mark.parametrize(
    "codec",
    [
        "json/1",
        "npy/1",
        "tree/1",
        "files/1",
        "chunks/1:bytes/1",
        "chunks/1:npy/1",
        "nothing/1",
        "",
        "chunks/1:",
        "../x",
    ],
)
def test_an_artifact_of_another_codec_is_an_error_that_names_it(repository: Repository, codec: str) -> None:
    ref = stored(repository, b"\x89plain bytes", codec)
    with pytest.raises(ArtifactError) as caught:
        repository.load(ref)
    assert ref.digest[:12] in str(caught.value) or repr(codec.removeprefix("chunks/1:")) in str(caught.value)


GOOD = {"sematic": 1, "digest": DIGEST, "codec": "json/1", "type": "builtins.int", "size": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "../../etc/passwd"},
        {"digest": "/etc/passwd"},
        {"digest": "s3://other/blobs/" + DIGEST},
        {"digest": DIGEST.upper()},
        {"digest": DIGEST + "\n"},
        {"digest": DIGEST[:-1] + "\u0661"},
        {"digest": None},
        {"digest": [DIGEST]},
        {"size": -1},
        {"size": 2**63},
        {"size": 10**400},
        {"size": 1.0},
        {"size": True},
        {"size": "1"},
        {"size": None},
        {"codec": None},
        {"codec": ["json/1"]},
        {"type": 1},
        {"name": {}},
        {"codec": "json/1\0"},
        {"type": "\ud800"},
        {"sematic": 2},
        {"sematic": True},
        {"sematic": 1.0},
        {"sematic": "1"},
        {"sematic": [1] * 10_000},
    ],
    ids=lambda change: str(change)[:50],
)
def test_a_reference_that_is_not_well_formed_is_refused(change: dict[str, Any]) -> None:
    assert ArtifactRef.from_json(GOOD).size == 1
    with pytest.raises(InvalidRefError) as caught:
        ArtifactRef.from_json(GOOD | change)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("size", [0, 1, 10**15])
def test_a_reference_with_another_size_than_the_artifact_is_refused(repository: Repository, size: int) -> None:
    with pytest.raises(InvalidRefError, match=f"says that it has {size} bytes, but it has 7"):
        repository.load(stored(repository, b"[1,2,3]", "json/1", size=size))


def test_an_inline_value_that_is_not_that_of_the_digest_is_not_believed(repository: Repository) -> None:
    ref = repository.save([1, 2, 3])
    for value in ([1, 2, 4], {"$type": "fields", "class": "os:mkdir", "value": {}}, "x" * 10_000_000, _nested(5000)):
        assert repository.load(ArtifactRef.from_json(ref.to_json() | {"value": value})) == [1, 2, 3]


def test_a_blob_that_is_a_link_to_a_file_of_somebody_elses_is_not_read_as_an_artifact(repository: Repository) -> None:
    path = Path(repository.store.url) / blob_path(Digest(DIGEST))
    path.parent.mkdir(parents=True)
    path.symlink_to("/etc/passwd")
    with pytest.raises(ArtifactCorruptedError) as caught:
        repository.store.get(Digest(DIGEST))
    assert "root:" not in str(caught.value)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_few_manifests_that_stand_for_a_billion_members_are_refused_at_once(repository: Repository) -> None:
    ref = stored(repository, b"1", "json/1")
    for _ in range(9):
        ref = stored(repository, Tree("list", [(n, ref) for n in range(10)]).to_bytes(), "tree/1")
    started = time.monotonic()
    with pytest.raises(ArtifactError, match=f"{ref.digest[:12]} in {repository.store.url} holds more than 10,000,000"):
        repository.load(ref)
    assert time.monotonic() - started < 2
    assert len(repository.members(ref)) == 10  # one by one they can be looked at


def test_manifests_that_share_members_are_loaded_with_each_read_once(repository: Repository) -> None:
    inner = stored(
        repository, Tree("list", [(n, stored(repository, b"7", "json/1")) for n in range(10)]).to_bytes(), "tree/1"
    )
    outer = stored(repository, Tree("tuple", [(n, inner) for n in range(10)]).to_bytes(), "tree/1")
    value = repository.load(outer)
    assert value == ([7] * 10,) * 10
    assert value[0] is not value[1]


def test_manifests_within_manifests_four_hundred_deep_are_refused(repository: Repository) -> None:
    ref = repository.describe(1)
    for _ in range(400):
        ref = stored(repository, Tree("list", [(0, ref)]).to_bytes(), "tree/1")
    with pytest.raises(ArtifactError, match=f"{repository.store.url}"):
        repository.load(ref)


MEMBER = GOOD | {"value": 1}
VALUE = MEMBER | {"digest": digest_bytes(b"1")}


@pytest.mark.parametrize(
    "record",
    [
        [],
        "tree",
        None,
        {"kind": "list"},
        {"kind": "set", "members": []},
        {"kind": ["list"], "members": []},
        {"kind": "list", "members": {"ab": 1}},
        {"kind": "list", "members": [[0]]},
        {"kind": "list", "members": [[1, MEMBER]]},
        {"kind": "list", "members": [[True, MEMBER], [False, MEMBER]]},
        {"kind": "tuple", "members": [[0, MEMBER], [0, MEMBER]]},
        {"kind": "dict", "members": [["a", MEMBER], ["a", MEMBER]]},
        {"kind": "dict", "members": [[1, MEMBER]]},
        {"kind": "object", "members": [], "of": 1},
        {"kind": "map", "members": [[{"$type": "nothing"}, VALUE]]},
        {"kind": "map", "members": [[[1], VALUE]]},
        {"kind": "list", "members": [[0, MEMBER | {"digest": "../x"}]]},
    ],
    ids=lambda record: str(record)[:60],
)
def test_what_is_no_manifest_is_an_error_that_names_it(repository: Repository, record: Any) -> None:
    ref = stored(repository, canonical_json(record), "tree/1")
    with pytest.raises(ArtifactError, match=f"{ref.digest[:12]}|bad digest"):
        repository.load(ref)


def listing(*entries: list[Any], kind: str = "folder", name: str = "data", chunks: Any = None, **more: Any) -> bytes:
    content = {"layout": "chunks/1", "size": sum(c[1] for c in chunks or ()), "chunks": chunks or []}
    return canonical_json(
        {"layout": "files/1", "kind": kind, "name": name, "entries": list(entries), "content": content} | more
    )


FILE = ["file", 0, digest_bytes(b"")]
LINK = ["link", 0]


@pytest.mark.parametrize(
    "data",
    [
        listing(["../x", *FILE]),
        listing(["/etc/cron.d/x", *FILE]),
        listing(["a/../../x", *FILE]),
        listing(["a//x", *FILE]),
        listing(["a/./x", *FILE]),
        listing(["", *FILE]),
        listing(["a\0b", *FILE]),
        listing(["x", *FILE], name=".."),
        listing(["x", *FILE], name="a/b"),
        listing(["x", *FILE], name=""),
        listing(["x", *FILE], ["x", *FILE]),
        listing(["x", *LINK, "/etc"]),
        listing(["x", *LINK, ".."]),
        listing(["a/x", *LINK, "../../etc"]),
        listing(["x", *LINK, "."], ["x/y", *FILE]),
        listing(["x", *FILE], ["x/y", *FILE]),
        listing(["x", *LINK, ""]),
        listing(["x", "device", 0, ""]),
        listing(["x", "file", -1, digest_bytes(b"")]),
        listing(["x", "file", 1 << 60, digest_bytes(b"")]),
        listing(["x", "file", 0, "../../x"]),
        listing(["x", "folder", 5, ""]),
        listing(["x", *FILE], kind="file", name="y"),
        listing(["x", *LINK, "y"], kind="file", name="x"),
        listing(["/".join("a" * 2000), *FILE]),
        listing(["x", "file", 5, DIGEST], chunks=[["../x", 5]]),
        listing(["x", "file", 5, DIGEST], chunks=[[DIGEST, LARGEST + 1]]),
        listing(["a", *LINK, "b"], ["b", *LINK, "a"]),
        listing(["d", *LINK, "e/f"], ["e/f", "link", 0, "../.."], ["z", *LINK, "d/../x"]),
        listing(["x" * 300, *FILE]),
        canonical_json({"layout": "files/1"}),
        b'{"layout":"files/1","kind":"folder","name":"d","entries":[["\\ud800","file",0,"'
        + digest_bytes(b"").encode()
        + b'"]],'
        b'"content":{"layout":"chunks/1","size":0,"chunks":[]}}',
        b"[" * 100_000,
    ],
    ids=range(33),
)
def test_a_listing_that_leads_elsewhere_is_refused_and_writes_nothing_there(
    repository: Repository, tmp_path: Path, data: bytes
) -> None:
    ref = stored(repository, data, "files/1", "pathlib.Path (folder)", 0)
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(ArtifactError) as caught:
        repository.load(ref)
    assert repository.store.url in str(caught.value) or "leads outside" in str(caught.value)
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("sematic-")) == [
        "outside",
        "store",
    ]


def test_names_that_some_file_systems_take_for_the_same_are_not_written_through_links(
    repository: Repository, tmp_path: Path
) -> None:
    data = listing(["A", *LINK, "b"], ["a/x", *FILE], ["b", "folder", 0, ""])
    root = repository.load(stored(repository, data, "files/1", size=0))
    assert (root / "a" / "x").exists()
    assert list((root / "b").iterdir()) == []


def test_a_listing_for_petabytes_is_refused_before_anything_is_written(repository: Repository, tmp_path: Path) -> None:
    chunk = repository.store.put(of_bytes(bytes(LARGEST)))
    count = 200_000  # 800 GiB
    data = listing(["x", "file", LARGEST * count, DIGEST], chunks=[[chunk.digest, LARGEST]] * count)
    with pytest.raises(ArtifactError, match="there is room for"):
        repository.load(stored(repository, data, "files/1", size=LARGEST * count))
    assert not [path for path in tmp_path.rglob("x") if path.is_file()]


@pytest.mark.parametrize(
    "record",
    [
        {"layout": "chunks/1", "size": 2**80, "chunks": []},
        {"layout": "chunks/1", "size": -1, "chunks": [[DIGEST, -1]]},
        {"layout": "chunks/1", "size": 2**62, "chunks": [[DIGEST, 2**62]]},
        {"layout": "chunks/1", "size": 1, "chunks": [[DIGEST, True]]},
        {"layout": "chunks/1", "size": 1, "chunks": [[DIGEST, 1.0]]},
        {"layout": "chunks/1", "size": 1, "chunks": {DIGEST: 1}},
        {"layout": "chunks/2", "size": 0, "chunks": []},
        {"layout": "chunks/1", "size": 1, "chunks": [["/etc/passwd", 1]]},
        [],
    ],
    ids=lambda record: str(record)[:60],
)
def test_what_is_no_list_of_chunks_is_an_error_that_names_it(repository: Repository, record: Any) -> None:
    ref = stored(repository, canonical_json(record), "chunks/1:bytes/1")
    with pytest.raises(ArtifactError, match=f"{ref.digest[:12]} in {repository.store.url}"):
        repository.load(ref)


def test_a_list_of_chunks_of_another_size_than_the_reference_is_refused_before_memory_is_taken(
    repository: Repository,
) -> None:
    chunk = repository.store.put(of_bytes(bytes(LARGEST)))
    record = ChunkList([(chunk.digest, LARGEST)] * 60_000).to_json()  # 234 GiB
    ref = stored(repository, canonical_json(record), "chunks/1:bytes/1", size=1000)
    with pytest.raises(InvalidRefError, match="tampered"):
        repository.load(ref)


_LOAD = """
import json, resource, sys, time
import numpy, pandas, pyarrow.parquet
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.errors import ArtifactError, MissingExtraError
repository = Repository(LocalStore(sys.argv[1]))
refs = [ArtifactRef.from_json(record) for record in json.loads(sys.argv[2])]
for ref in refs:  # what loading imports is there before the limit
    try:
        repository.load(ArtifactRef(repository.store.put(of_bytes(b"warm")).digest, ref.codec, "x", 4))
    except Exception:
        pass
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20),) * 2)
for ref in refs:
    started = time.monotonic()
    try:
        print(ref.codec, "loaded", type(repository.load(ref)))
    except (ArtifactError, MissingExtraError) as error:
        print(ref.codec, "refused", ref.size, round(time.monotonic() - started, 1), str(error)[:300].replace(chr(10), " "))
"""


def bombs() -> list[tuple[str, bytes]]:
    """Codecs, and a few bytes for each that say that they are much more."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: list[tuple[str, bytes]] = []
    file = io.BytesIO()
    table = pa.table({"a": numpy.zeros(1 << 26)}).replace_schema_metadata({"sematic.kind": "table"})  # 512 MiB
    pq.write_table(table, file, compression="zstd", use_dictionary=False, row_group_size=1 << 26)
    found.append(("parquet/1", file.getvalue()))
    del table
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
    npy = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(npy, header)
    found.append(("npy/1", npy.getvalue() + b"\0" * 64))
    for expression in ("(" * 5000, "-" * 60_000 + "1", "{'descr': " + "[" * 3000 + "]" * 3000 + "}"):
        text = expression.encode().ljust(65_000) + b"\n"
        found.append(("npy/1", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text))
    found.append(("png/1", png(60_000, 60_000)))
    found.append(("picture/1", png(60_000, 60_000)))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("schema.json", "w") as member:
        for _ in range(400):
            member.write(b" " * (1 << 20))
    found.append(("skops/1", zipped.getvalue()))
    found.append(("json/1", b"[" * 2_000_000))
    found.append(("json/1", b"9" * 5_000_000))
    found.append(("plotly/1", b'{"data":' + b"[" * 1_000_000))
    found.append(("text/1", b"\xff" * 100))
    found.append(("safetensors/1", struct.pack("<Q", 1 << 60) + b"{}"))
    return found


def png(width: int, height: int) -> bytes:
    """A small file that says that it is a large picture, and is one."""
    squeezed = zlib.compressobj(9)
    rows = b"".join([squeezed.compress(b"\0" * (1 << 20)) for _ in range(40)]) + squeezed.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_what_would_grow_when_it_is_read_is_refused_in_little_memory_and_time(repository: Repository) -> None:
    """In a process that may take 300 MiB more than it has."""
    refs = [stored(repository, data, codec) for codec, data in bombs()]
    assert all(ref.size < 6_000_000 for ref in refs)
    command = [sys.executable, "-c", _LOAD, repository.store.url, json.dumps([ref.to_json() for ref in refs])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(refs)
    assert [line for line in lines if " refused " not in line] == []
    assert all(float(line.split()[3]) < 10 for line in lines), done.stdout


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DIGESTS = st.sampled_from([DIGEST, "b" * 64, "B" * 64, "", "../x"])


def records(*fields: tuple[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Records with these fields, of which any may be something else or not there."""
    return st.fixed_dictionaries({}, optional={name: strategy | JSON for name, strategy in fields})


REFS = records(
    ("sematic", st.just(1)),
    ("digest", DIGESTS),
    ("codec", st.sampled_from(["json/1", "tree/1", "chunks/1:npy/1", "x"]) | st.text()),
    ("type", st.text()),
    ("size", st.integers(-1, 2**64)),
    ("name", st.text()),
    ("value", JSON),
)
GOOD_REFS = st.builds(
    lambda digest, codec, size: {"sematic": 1, "digest": digest, "codec": codec, "type": "t", "size": size},
    st.sampled_from([DIGEST, "b" * 64]),
    st.sampled_from(["json/1", "tree/1", "chunks/1:npy/1"]),
    st.integers(0, 2**40),
)
TREES = records(
    ("kind", st.sampled_from(["list", "tuple", "dict", "map", "object", "batches"])),
    (
        "members",
        st.lists(st.tuples(st.integers(0, 3) | st.text(max_size=3) | JSON, GOOD_REFS | REFS).map(list), max_size=4),
    ),
    ("of", st.text()),
)
CHUNKS = records(
    ("layout", st.just("chunks/1")),
    ("size", st.integers(-1, 10)),
    ("chunks", st.lists(st.tuples(DIGESTS, st.integers(-1, 5)).map(list), max_size=3)),
)
ENTRIES = st.lists(
    st.tuples(
        st.text(max_size=6) | st.sampled_from(["a", "a/b", "../a", "A"]),
        st.sampled_from(["file", "executable", "folder", "link", "x"]),
        st.integers(-1, 3),
        st.sampled_from(["", DIGEST, "a", "../x", "/x"]),
    ).map(list),
    max_size=4,
)
LISTINGS = records(
    ("layout", st.just("files/1")),
    ("kind", st.sampled_from(["file", "folder"])),
    ("name", st.sampled_from(["a", "..", ""])),
    ("entries", ENTRIES),
    ("content", CHUNKS),
)
FUZZED = settings(
    max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@FUZZED
@given(JSON | REFS | GOOD_REFS)
def test_any_json_is_a_reference_that_comes_back_the_same_or_is_refused(record: Any) -> None:
    try:
        ref = ArtifactRef.from_json(record)
    except InvalidRefError:
        return
    assert repr(ArtifactRef.from_json(ref.to_json())) == repr(ref)
    assert ArtifactRef.from_json(json.loads(json.dumps(ref.to_json()))).digest == ref.digest
    assert len(ref.digest) == 64


@FUZZED
@given(JSON | TREES)
def test_any_json_is_a_manifest_that_comes_back_the_same_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, record: Any
) -> None:
    store = LocalStore(tmp_path_factory.getbasetemp())
    try:
        tree = load_tree(store, store.put(of_bytes(json.dumps(record).encode())).digest)
    except ArtifactError:
        return
    try:
        data = tree.to_bytes()
    except ValueError:  # keys of a map that hold NaN or a lone surrogate, which no manifest of ours does
        return
    assert Tree.from_json(json.loads(data)) == tree


@FUZZED
@given(JSON | CHUNKS)
def test_any_json_is_a_list_of_chunks_that_comes_back_the_same_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, record: Any
) -> None:
    store = LocalStore(tmp_path_factory.getbasetemp())
    try:
        found = load_list(store, store.put(of_bytes(json.dumps(record).encode())).digest)
    except ArtifactError:
        return
    assert ChunkList.from_json(found.to_json()) == found
    assert found.size == record["size"]


@FUZZED
@given(JSON | LISTINGS)
def test_any_json_is_a_listing_of_files_that_comes_back_the_same_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, record: Any
) -> None:
    store = LocalStore(tmp_path_factory.getbasetemp())
    try:
        found = load_listing(store, store.put(of_bytes(json.dumps(record).encode())).digest)
    except ArtifactError:
        return
    assert Files.from_json(json.loads(canonical_json(found.to_json()))) == found
    assert all(not entry.path.startswith("/") and ".." not in entry.path.split("/") for entry in found.entries)


@pytest.mark.parametrize("keys", [[[1]], [{"$type": "nothing"}], [1, 1]], ids=str)
def test_keys_of_a_manifest_that_are_none_are_an_error_wherever_they_are_asked_for(
    repository: Repository, keys: list[Any]
) -> None:
    member = ArtifactRef.from_json(VALUE)
    ref = stored(repository, Tree("map", [(key, member) for key in keys]).to_bytes(), "tree/1")
    artifact = Artifact[Any](ref, repository)
    for use in (lambda: repository.load(ref), artifact.keys, lambda: list(artifact), lambda: artifact[1]):
        with pytest.raises(ArtifactError):
            use()
