"""Previews of JSON, text, bytes, folders and collections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sematic_airflow_provider.artifacts import previews
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.previews import stored, texts
from sematic_airflow_provider.artifacts.previews.form import (
    BytesPreview,
    FilesPreview,
    JsonPreview,
    TextPreview,
    TreePreview,
)
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from tests.artifacts.preview_checks import memory_store, shown


@pytest.fixture
def repository() -> Repository:
    return Repository(memory_store())


def _stored(repository: Repository, value: Any) -> Any:
    """As the API server shows it, of what is stored; no preview was written."""
    ref = repository.save(value)
    assert [path for path in repository.store.documents() if path.startswith("previews/")] == []
    return stored.preview_of(repository.store, ref.digest, ref.codec, ref.type)


def test_json_is_shown_from_the_store_indented_and_exact(repository: Repository) -> None:
    made = _stored(repository, {"b": [0.1 + 0.2, None], "a": "é"})
    assert isinstance(made, JsonPreview)
    assert (made.text, made.complete, made.entries) == (
        '{\n  "a": "é",\n  "b": [\n    0.30000000000000004,\n    null\n  ]\n}', True, 2,
    )  # fmt: skip
    assert made.type == "builtins.dict"


def test_json_that_is_long_is_cut_between_characters(repository: Repository) -> None:
    made = _stored(repository, ["é" * 100] * 1000)
    assert (made.complete, made.entries) == (False, 1000)
    assert 20_000 < len(made.text.encode()) <= 24 << 10


def test_of_very_large_json_the_first_entries_are_shown_whatever_lies_deeper() -> None:
    value = {"first": list(range(2_000_000)), "second": {str(n): ["x" * 10_000] * 50 for n in range(50)}}
    made = shown(value, "json/1")
    assert (made.kind, made.complete, made.entries, made.entries_shown) == ("json", False, 2, 2)
    assert made.text.startswith(json.dumps({"first": list(range(10))}, indent=2)[:-2])
    assert '"xxx' in made.text
    long = shown(list(range(2_000_000)), "json/1")
    assert (long.entries, long.entries_shown, json.loads(long.text)) == (2_000_000, 20, list(range(20)))


def test_text_is_shown_from_the_store_by_its_beginning(repository: Repository) -> None:
    made = _stored(repository, "line\n" * 5000)
    assert isinstance(made, TextPreview)
    assert (made.head, made.characters, made.lines) == (("line\n" * 5000)[: texts.HEAD], 25_000, 5000)


def test_large_text_and_bytes_get_previews_when_they_are_saved(repository: Repository) -> None:
    for value, kind in (("ü" * 5_000_000, TextPreview), (b"\x00\x01" * 5_000_000, BytesPreview)):
        ref = repository.save(value)
        assert ref.in_chunks
        assert isinstance(previews.read(repository.store, ref.digest), kind)


@pytest.mark.parametrize(
    ("data", "media_type", "text"),
    [
        (b"hello\n" * 100, "text/plain", "hello\n" * 100),
        (b"", "application/octet-stream", None),
        (b"\x89PNG\r\n\x1a\nrest", "image/png", None),
        (b"%PDF-1.7\n", "application/pdf", "%PDF-1.7\n"),
        (b"RIFFxxxxWAVE", "audio/wav", "RIFFxxxxWAVE"),
        (b"\x00\x01", "application/octet-stream", None),
        (b"\xff\xfe", "application/octet-stream", None),
    ],
)
def test_bytes_show_what_they_seem_to_be(
    data: bytes, media_type: str, text: str | None, repository: Repository
) -> None:
    made = _stored(repository, data)
    assert (made.media_type, made.size, made.text, made.head) == (media_type, len(data), text, data[: texts.HEX].hex())


def test_a_character_that_the_cut_hits_is_left_out() -> None:
    made = texts.of_bytes(b"a" + "ü".encode() * 4000)
    assert made.text == "a" + "ü" * 2047


def test_control_characters_do_not_blow_a_preview_up() -> None:
    assert shown("\x01" * 10_000_000).characters == 10_000_000


def test_a_folder_is_listed_from_the_store(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("hello")
    (folder / "link").symlink_to("sub/a.txt")
    made = _stored(repository, folder)
    assert isinstance(made, FilesPreview)
    assert (made.name, made.of, made.count, made.size) == ("data", "folder", 2, 5)
    assert {(entry.path, entry.entry, entry.size, entry.target) for entry in made.entries} == {
        ("link", "link", 0, "sub/a.txt"), ("sub", "folder", 0, ""), ("sub/a.txt", "file", 5, ""),
    }  # fmt: skip


def test_a_folder_of_thousands_of_files_is_counted_and_its_listing_cut(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1500):
        (folder / f"{number:05}.txt").write_text(str(number))
    made = _stored(repository, folder)
    assert (made.count, len(made.entries), made.entries[0].path) == (1500, 200, "00000.txt")


def test_a_collection_lists_its_members(repository: Repository) -> None:
    ref = repository.save({"x": np.arange(3), "n": 5})
    made = stored.preview_of(repository.store, ref.digest, ref.codec, ref.type)
    assert isinstance(made, TreePreview)
    assert (made.of, made.count) == ("dict", 2)
    assert [(member.key, member.codec, member.value) for member in made.members] == [
        ("n", "json/1", "5"),
        ("x", "npy/1", None),
    ]
    assert made.members[1].digest == repository.members(ref)[1].digest


def test_what_is_not_of_its_codec_is_not_shown(repository: Repository) -> None:
    broken = [b"\xff\x00{", b"[1, 2", b'{"kind": "list"}x', b"[" * 100_000, b'{"kind": "list", "members": [[0, {}]]}']
    for codec, data in [
        ("text/1", b"\xff"),
        *((codec, data) for codec in ("json/1", "tree/1", "files/1") for data in broken),
    ]:
        digest = repository.store.put(of_bytes(data)).digest
        made = stored.preview_of(repository.store, digest, codec, "t")
        assert made is None or (codec, data) == ("json/1", broken[-1])


def test_what_is_no_plain_data_is_never_opened(repository: Repository) -> None:
    digest = repository.store.put(of_bytes(b"cos\nsystem\n(S'false'\ntR.")).digest
    for codec in ("pickle/1", "skops/1", "npy/1", "parquet/1", "chunks/1:json/1", "theirs/1", ""):
        assert stored.preview_of(repository.store, digest, codec, "t") is None


def test_a_blob_that_is_larger_than_the_server_reads_is_not_read(repository: Repository) -> None:
    digest = repository.store.put(of_bytes(b'"' + b"x" * (5 << 20) + b'"')).digest
    assert stored.preview_of(repository.store, digest, "json/1", "t") is None


def test_a_large_manifest_shows_its_first_members(repository: Repository) -> None:
    ref = repository.save([np.arange(2)] + [{"n": n} for n in range(3000)])
    made = stored.preview_of(repository.store, ref.digest, ref.codec, ref.type)
    assert isinstance(made, TreePreview)
    assert (made.count, len(made.members)) == (3001, 200)
    assert isinstance(ref, ArtifactRef)
