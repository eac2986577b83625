"""Figures and images: what is drawn can be looked at, what is loaded draws and does nothing else, and no small file becomes a large image."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sematic_airflow_provider.artifacts.codecs.registry import codec_named
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.picture import Picture
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.codec_contract import CodecContract


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


class TestPng(CodecContract):
    codec = "png/1"
    header = """
import io
import numpy as np
from PIL import Image
noise = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype="u1")
def palette(transparency=None):
    image = Image.fromarray(noise[:, :, 0] % 5, "L").convert("P")
    image.putpalette(bytes(range(15)))
    if transparency is not None:
        image.info["transparency"] = transparency
    return image
def opened(form, **options):
    file = io.BytesIO()
    Image.fromarray(noise[:, :, :3]).save(file, form, **options)
    file.seek(0)
    return Image.open(file)
def marked(image, **info):
    image.info.update(info)
    return image
"""
    sources = (
        "Image.fromarray(noise)",
        "Image.fromarray(noise[:, :, :3])",
        "Image.fromarray(noise[:, :, 0])",
        "Image.fromarray(noise[:, :, 0]).convert('1')",
        "Image.fromarray(noise).convert('LA')",
        "Image.fromarray(noise[:, :, 0].astype('u2') * 251)",
        "palette()",
        "palette(3)",
        "palette(bytes([0, 128, 255, 7]))",
        "Image.fromarray(noise[:, :, :3]).quantize(11)",
        "marked(Image.new('RGB', (3, 2)), transparency=(0, 0, 0))",
        "opened('JPEG')",
        "opened('JPEG', exif=b'Exif\\0\\0MM\\0*\\0\\0\\0\\x08\\0\\x01\\x01\\x12\\0\\x03\\0\\0\\0\\x01\\0\\x06\\0\\0\\0\\0\\0\\0')",
        "opened('PNG', icc_profile=b'not checked', dpi=(72, 72))",
        "opened('BMP')",
    )

    def same(self, one: Any, other: Any) -> bool:
        kept = {name: other.info[name] for name in ("transparency", "icc_profile", "exif") if name in other.info}
        assert type(one) is Image.Image
        assert (one.mode, one.size, one.info) == (other.mode, other.size, kept)
        assert one.getexif().get(0x112) == other.getexif().get(0x112)
        return one.tobytes() == other.tobytes() and one.convert("RGBA").tobytes() == other.convert("RGBA").tobytes()


class TestPicture(CodecContract):
    codec = "picture/1"
    header = """
import numpy as np
from matplotlib.figure import Figure
from sematic_airflow_provider.artifacts.picture import Picture
def figure(points=5, url=None):
    drawn = Figure(figsize=(3, 2))
    axes = drawn.subplots()
    axes.plot(np.arange(points), np.sin(np.arange(points)), label="sine", url=url)
    axes.imshow(np.eye(3))
    axes.legend()
    drawn.suptitle("Delays & more $x^2$")
    return drawn
def scatter():
    drawn = Figure(figsize=(3, 2))
    drawn.subplots().scatter(*np.random.default_rng(0).random((2, 30_000)), c=np.arange(30_000))
    return drawn
"""
    sources = (
        "figure()",
        "figure(url='https://example.org/run?a=1')",
        "figure(url='javascript:alert(1)')",
        "scatter()",
        "Picture(b'<svg xmlns=\"http://www.w3.org/2000/svg\"/>\\n')",
    )

    def same(self, one: Any, other: Any) -> bool:
        return type(one) is Picture and (type(other) is not Picture or one == other)


class TestPlotly(CodecContract):
    codec = "plotly/1"
    header = """
import numpy as np
import plotly.graph_objects as go
import plotly.express as px
"""
    sources = (
        "go.Figure(go.Scatter(x=[1, 2], y=[3.5, 4]), layout={'title': {'text': 'Delays <b>ü</b>'}})",
        "go.Figure([go.Bar(x=['a', 'b'], y=np.arange(2)), go.Heatmap(z=np.eye(3, dtype='f4'))])",
        "px.scatter(x=[1, 2, 3], y=[1, 2, 3], color=['a', 'b', 'a'])",
        "go.Figure(go.Scatter(y=np.array([1.0, np.nan])), frames=[go.Frame(data=[go.Scatter(y=[2, 3])], name='one')])",
        "go.Figure()",
    )

    def same(self, one: Any, other: Any) -> bool:
        return type(one) is type(other) and json.loads(one.to_json(engine="json")) == json.loads(
            other.to_json(engine="json")
        )


def test_a_figure_is_stored_as_a_document_that_shows_it(repository: Repository, tmp_path: Path) -> None:
    loaded = repository.load(repository.save(TestPicture().make("figure()")))
    assert loaded.media_type == "image/svg+xml"
    assert loaded._repr_png_() is None
    assert loaded._repr_svg_().startswith("<?xml")
    assert b"<dc:date>" not in loaded.data
    loaded.save(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_bytes() == loaded.data
    with pytest.raises(ValueError, match=r"\.svg"):
        loaded.save(tmp_path / "figure.png")


@pytest.mark.parametrize("source", ["scatter()", "figure(url='javascript:alert(1)')"])
def test_a_figure_with_too_much_in_it_is_stored_as_pixels(repository: Repository, source: str) -> None:
    loaded = repository.load(repository.save(TestPicture().make(source)))
    assert loaded.media_type == "image/png"
    assert loaded._repr_svg_() is None
    assert Image.open(io.BytesIO(loaded._repr_png_())).size == (300, 200)


def test_a_link_in_a_figure_is_kept(repository: Repository) -> None:
    loaded = repository.load(repository.save(TestPicture().make(TestPicture.sources[1])))
    assert b'"https://example.org/run?a=1"' in loaded.data


def test_a_part_of_a_figure_is_refused_with_advice(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match=r"Axes is a part of a figure.*axes\.figure"):
        repository.save(TestPicture().make("figure()").axes[0])


def _svg(inside: str, before: str = "") -> bytes:
    return f'{before}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{inside}</svg>\n'.encode()


@pytest.mark.parametrize(
    "document",
    [
        _svg("<script>alert(1)</script>"),
        _svg("<g onload='alert(1)'/>"),
        _svg("<image xlink:href='http://tracker.example/x.png'/>"),
        _svg("<foreignObject/>"),
        _svg("<a xlink:href='javascript:alert(1)'/>"),
        _svg("<style>@import url(//x)</style>"),
        _svg("<use href='other.svg#a'/>"),
        _svg("<set attributeName='x'/>"),
        _svg("&a;", '<!DOCTYPE svg [<!ENTITY a "aaaa">]>'),
        _svg("<g style='fill: url(http://x)'/>"),
        _svg("", "<?xml-stylesheet href='x'?>"),
        b"<html/>\n",
        _svg("<g>"),
        _svg("<x:script xmlns:x='http://www.w3.org/2000/svg'/>"),
        _svg("<image href='data:image/svg+xml;base64,AAAA'/>"),
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_a_picture_that_would_do_more_than_draw_is_refused(repository: Repository, document: bytes) -> None:
    stored = repository.store.put(of_bytes(document))
    with pytest.raises(ArtifactError, match="picture/1"):
        repository.load(ArtifactRef(stored.digest, "picture/1", "picture", stored.size))
    with pytest.raises(NoCodecError, match="no picture"):
        repository.save(Picture(document))


@pytest.mark.parametrize(
    "record",
    [
        {},
        [],
        {"data": 1, "layout": {}},
        {"data": [{"type": "spell"}], "layout": {}},
        {"data": [], "layout": {"odd": 1}},
        {"data": [], "layout": {}, "x": 1},
    ],
)
def test_what_plotly_does_not_know_is_refused(repository: Repository, record: Any) -> None:
    stored = repository.store.put(of_bytes(json.dumps(record).encode()))
    with pytest.raises(ArtifactError, match="plotly/1"):
        repository.load(ArtifactRef(stored.digest, "plotly/1", "figure", stored.size))


def _animated() -> Any:
    file, frames = io.BytesIO(), [Image.new("L", (2, 2), shade) for shade in (0, 128)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return Image.open(file)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Image.new("CMYK", (2, 2)), "mode CMYK.*convert"),
        (lambda: Image.new("F", (2, 2)), r"mode F.*numpy\.asarray"),
        (_animated, "2 frames.*ImageSequence"),
        (lambda: Image.new("I;16B", (2, 2)), "I;16B"),
        (lambda: Image.new("1", (1 << 14, 1 << 14)), "16384 × 16384"),
        (lambda: Image.new("L", (0, 3)), "0 × 3"),
    ],
)
def test_an_image_that_png_would_change_is_refused_with_advice(repository: Repository, make: Any, words: str) -> None:
    with pytest.raises(NoCodecError, match=words):
        repository.save(make())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, pixels: bytes, *more: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + _chunk(b"IDAT", zlib.compress(pixels)) + _chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        _png(1 << 15, 1 << 15, b""), _png(2**31 - 1, 2**31 - 1, b""), _png(0, 5, b""), _png(4, 4, b"\0\1"), _png(2, 1, b"\0\1\2") + b"more",
        _png(1, 1, b"\0\0", _chunk(b"acTL", struct.pack(">II", 3, 0))), _png(1, 1, b"\0\0", _chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 25)))),
        _png(1, 1, b"\0\0", _chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1 << 27)))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("codec", ["png/1"])
def test_a_file_that_would_fill_the_memory_or_is_odd_is_refused(
    repository: Repository, data: bytes, codec: str
) -> None:
    stored = repository.store.put(of_bytes(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning would not be enough
        with pytest.raises(ArtifactError, match=codec):
            repository.load(ArtifactRef(stored.digest, codec, "image", stored.size))


@settings(max_examples=200, deadline=None)
@given(
    place=st.integers(0, 10**6),
    byte=st.integers(0, 255),
    cut=st.integers(0, 500),
    which=st.sampled_from(["png/1", "picture/1", "plotly/1"]),
)
def test_damaged_files_give_values_or_errors(place: int, byte: int, cut: int, which: str) -> None:
    codec, data = codec_named(which), bytearray(_VALID[which])
    data[place % len(data)] = byte
    for damaged in (data, data[:cut]):
        try:
            codec.decode(memoryview(bytes(damaged)))
        except (ValueError, LookupError, TypeError, ArtifactError):
            continue


def _encoded(contract: type[CodecContract], source: str) -> bytes:
    file = io.BytesIO()
    codec_named(contract.codec).encode(contract().make(source), file)
    return file.getvalue()


_VALID = {
    "png/1": _encoded(TestPng, TestPng.sources[8]),
    "picture/1": _svg("<g id='a'><path d='M 1 2' style='fill: #fff; clip-path: url(#p)'/><use xlink:href='#a'/></g>"),
    "plotly/1": _encoded(TestPlotly, TestPlotly.sources[1]),
}
