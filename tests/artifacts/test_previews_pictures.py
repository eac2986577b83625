"""Previews of figures and images."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure
from PIL import Image

from sematic_airflow_provider.artifacts.previews.form import FigurePreview, ImagePreview
from sematic_airflow_provider.artifacts.previews.pictures import preview_of
from tests.artifacts.preview_checks import shown, shown_with_picture


def _opened(picture: bytes | None) -> Any:
    assert picture is not None
    opened = Image.open(io.BytesIO(picture))
    opened.load()
    return opened


def test_a_figure_of_matplotlib_is_drawn() -> None:
    figure = Figure(figsize=(4, 3))
    figure.subplots().plot([1, 2])
    figure.suptitle("Delays")
    made, picture = shown_with_picture(figure)
    assert isinstance(made, ImagePreview)
    assert (made.title, made.width, made.height) == ("Delays", 400, 300)
    drawn = _opened(picture)
    assert (drawn.width, drawn.height) == (made.shown_width, made.shown_height)
    assert len(np.unique(np.asarray(drawn.convert("L")))) > 2, "something is drawn"


def test_a_large_figure_full_of_noise_is_drawn_smaller_until_it_fits() -> None:
    figure = Figure(figsize=(60, 60))
    figure.subplots().imshow(np.random.default_rng(0).normal(size=(800, 800)))
    _, picture = shown_with_picture(figure)
    assert max(_opened(picture).size) <= 1600


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "La", "RGBa", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"]
)
def test_images_of_every_mode_are_shown(mode: str) -> None:
    made, picture = shown_with_picture(Image.new(mode, (3000, 1500)))
    assert (made.width, made.height, made.mode) == (3000, 1500, mode)
    assert _opened(picture).size == (made.shown_width, made.shown_height) == (1024, 512)


def test_an_image_keeps_its_colours_and_is_not_changed() -> None:
    image = Image.new("RGB", (4000, 4000), (10, 200, 30))
    _, picture = shown_with_picture(image)
    assert _opened(picture).getpixel((5, 5)) == (10, 200, 30)
    assert image.size == (4000, 4000)


def test_numbers_beyond_a_byte_become_shades_from_least_to_greatest() -> None:
    levels = np.array([[1000.0, 2000.0], [3000.0, np.nan]], "f4")
    _, picture = shown_with_picture(Image.fromarray(levels))
    assert np.asarray(_opened(picture)).tolist() == [[0, 127], [255, 0]]


def test_noise_is_shown_smaller_until_it_fits() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 2000, 3), dtype="u1")
    _, picture = shown_with_picture(Image.fromarray(noise))
    assert 200 < max(_opened(picture).size) < 1024


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1)])
def test_a_line_is_an_image_too(size: tuple[int, int]) -> None:
    _, picture = shown_with_picture(Image.new("L", size))
    assert min(_opened(picture).size) == 1


def test_an_image_without_pixels_has_no_preview() -> None:
    assert preview_of(Image.new("RGB", (0, 5))) is None


def test_plotly_shows_its_parts_and_small_figures_their_json() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[0.1 + 0.2, 4], name="delays"), layout={"title": {"text": "By month"}})
    made = shown(figure)
    assert isinstance(made, FigurePreview)
    assert (made.title, made.trace_count) == ("By month", 1)
    assert [(trace.name, trace.type, trace.points) for trace in made.traces] == [("delays", "scatter", 2)]
    assert json.loads(made.json or "")["data"][0]["y"] == [0.1 + 0.2, 4]


def test_of_a_large_figure_of_plotly_the_parts_are_told() -> None:
    made = shown(go.Figure([go.Scatter(y=np.arange(1000.0), name="n" * 500) for _ in range(300)]))
    assert (made.json, made.trace_count, made.traces[0].points) == (None, 300, 1000)
