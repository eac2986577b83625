"""Previews of figures and images: matplotlib and Pillow as a PNG, plotly as its parts."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from sematic_airflow_provider.artifacts.previews.cells import cut
from sematic_airflow_provider.artifacts.previews.form import FigurePreview, ImagePreview, Preview, Trace

LONGEST_SIDE = 1024
PICTURE_BYTES = 512 << 10
TRACES = 100
_IN_PNG = ("1", "L", "LA", "RGB", "RGBA")
_AVERAGED = (*_IN_PNG[1:], "CMYK", "YCbCr", "La", "RGBa")
_FIGURE_JSON = 24 << 10


def preview_of(value: object) -> tuple[Preview, bytes | None] | None:
    """The preview of a figure or an image, and its picture; None for anything else."""
    matplotlib, pillow, plotly = (
        sys.modules.get(name) for name in ("matplotlib.figure", "PIL.Image", "plotly.basedatatypes")
    )
    if matplotlib is not None and isinstance(value, matplotlib.Figure):
        return _matplotlib(value)
    if pillow is not None and isinstance(value, pillow.Image):
        return _pillow(value)
    if plotly is not None and isinstance(value, plotly.BaseFigure):
        return _plotly(value), None
    return None


def _matplotlib(figure: Any) -> tuple[Preview, bytes]:
    width, height = (float(side) for side in figure.get_size_inches())
    dpi = min(144.0, 1.5 * LONGEST_SIDE / max(width, height))
    while True:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi)
        data = file.getvalue()
        if len(data) <= PICTURE_BYTES:
            break
        if dpi * max(width, height) < 100:
            raise ValueError("the drawn figure stays too large, however small it is drawn")
        dpi *= 0.7
    shown = [int.from_bytes(data[start : start + 4], "big") for start in (16, 20)]  # where every PNG has its size
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    made = ImagePreview(
        width=round(width * figure.dpi),
        height=round(height * figure.dpi),
        shown_width=shown[0],
        shown_height=shown[1],
        title=cut(" · ".join(title for title in titles if title)),
    )
    return made, data


def _pillow(image: Any) -> tuple[Preview, bytes] | None:
    if not image.width or not image.height:
        return None
    thumbnail, side = _small(image), LONGEST_SIDE
    while True:
        thumbnail.thumbnail((side, side))
        file = io.BytesIO()
        thumbnail.save(file, format="PNG")
        if file.tell() <= PICTURE_BYTES:
            break
        side = round(side * 0.75)
    made = ImagePreview(
        width=image.width,
        height=image.height,
        shown_width=thumbnail.width,
        shown_height=thumbnail.height,
        mode=image.mode,
        frames=int(getattr(image, "n_frames", 1)),
    )
    return made, file.getvalue()


def _small(image: Any) -> Any:
    """A small copy in a mode that PNG has. No copy in full size is made on the way."""
    if image.mode.startswith(("I", "F")):
        return _shades(image)
    factor = min(image.width, image.height, max(image.width, image.height) // (2 * LONGEST_SIDE))
    if factor > 1 and image.mode in _AVERAGED:
        small = image.reduce(factor)
    elif factor > 1:  # numbers of a palette have no mean
        small = image.resize((image.width // factor, image.height // factor), resample=0)
    else:
        small = image.copy()
    if small.mode in ("La", "RGBa"):
        small = small.convert("LA" if small.mode == "La" else "RGBA")
    if small.mode in _IN_PNG:
        return small
    return small.convert("RGBA" if "A" in small.mode or "transparency" in small.info else "RGB")


def _shades(image: Any) -> Any:
    """Numbers beyond a byte as shades of grey, the least black and the greatest white; what is no number is black."""
    import numpy as np
    from PIL import Image

    scale = min(1.0, LONGEST_SIDE / max(image.size))
    small = image.resize([max(1, round(side * scale)) for side in image.size], resample=0)
    levels = np.asarray(small, dtype=np.float64)
    there = np.isfinite(levels)
    low, high = (levels[there].min(), levels[there].max()) if there.any() else (0.0, 0.0)
    with np.errstate(all="ignore"):
        grey = np.where(there, (levels - low) * (255 / (high - low) if high > low else 0), 0)
    return Image.fromarray(grey.astype(np.uint8))


def _plotly(figure: Any) -> FigurePreview:
    text = figure.to_json()
    size = len(text)
    if size <= 50 * _FIGURE_JSON:  # plotly adds its template to every figure
        record = json.loads(text)
        record.get("layout", {}).pop("template", None)
        text = json.dumps(record, indent=2, ensure_ascii=False)
    return FigurePreview(
        title=cut(str(figure.layout.title.text or "")),
        traces=[
            Trace(name=cut(str(trace.name or "")), type=str(trace.type), points=_points(trace))
            for trace in figure.data[:TRACES]
        ],
        trace_count=len(figure.data),
        size=size,
        json=text if len(text) <= _FIGURE_JSON else None,
    )


def _points(trace: Any) -> int | None:
    for name in ("x", "y", "values", "z", "lat", "r"):
        found = trace[name] if name in trace else None  # noqa: SIM401 - traces have no get
        if found is not None and hasattr(found, "__len__"):
            return len(found)
    return None
