"""``picture/1``: figures of matplotlib as the picture they draw; ``plotly/1``: figures of plotly as their JSON.

matplotlib has no format for a figure but pickle, which runs code. So what is stored is an SVG, or a PNG where that would be large, and it is loaded as a
``Picture``: the figure's lines can be looked at, and not be changed any more. Return the data as well where a later step needs it.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs import svg_check
from sematic_airflow_provider.artifacts.codecs.images import size_of_png
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.picture import PNG, Picture
from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_SVG_BYTES = 2 << 20
_SAME_EVERYWHERE = {"svg.hashsalt": "sematic", "svg.fonttype": "path", "svg.image_inline": True}


class PictureCodec:
    """A figure is drawn with its own size; its time, and the program that drew it, are not in the document. See the module for what is lost."""

    name = "picture/1"
    deterministic = False  # text is drawn in the fonts that the machine has
    depends_on = ("matplotlib",)

    def handles(self, value: object) -> bool:
        """Figures, and what they are loaded as."""
        figure = sys.modules.get("matplotlib.figure")
        return type(value) is Picture or (figure is not None and type(value) is figure.Figure)

    def advice(self, value: object) -> str | None:
        """What to do with parts of a figure."""
        artist = sys.modules.get("matplotlib.artist")
        if artist is None or not isinstance(value, artist.Artist):
            return None
        return f"{type(value).__name__} is a part of a figure of matplotlib: return the whole figure (axes.figure)"

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Draw the figure."""
        if type(value) is Picture:
            try:
                _check(value.data)
            except ValueError as error:
                raise NoCodecError(f"this is no picture that can be stored: {error}") from error
            file.write(value.data)
        else:
            file.write(_drawn(value))

    def decode(self, data: memoryview) -> Picture:
        """The picture."""
        content = bytes(data)
        _check(content)
        return Picture(content)

    def preview(self, value: Any) -> Any:
        """Of a picture that is stored again; figures are drawn for their preview."""
        return {"media_type": value.media_type, "bytes": len(value.data)} if type(value) is Picture else None


class PlotlyCodec:
    """The whole figure, frames and template included, comes back validated; NaN comes back as a gap, as plotly writes it."""

    name = "plotly/1"
    deterministic = True
    depends_on = ("plotly",)  # its template is part of each figure

    def handles(self, value: object) -> bool:
        """Exactly ``plotly.graph_objects.Figure``."""
        figure = sys.modules.get("plotly.graph_objs._figure")
        return figure is not None and type(value) is figure.Figure

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write canonical JSON."""
        text = value.to_json(validate=False, engine="json")  # not whichever is installed
        file.write(canonical_json(json.loads(text)))

    def decode(self, data: memoryview) -> Any:
        """The figure."""
        try:
            import plotly.graph_objects as go
        except ImportError as error:
            raise MissingExtraError("reading a plotly figure", "figures") from error
        record = json.loads(bytes(data))
        if not isinstance(record, dict) or not {"data", "layout"} <= set(record) <= {"data", "layout", "frames"}:
            raise ValueError("no figure of plotly")
        return go.Figure(record)


def _drawn(figure: Any) -> bytes:
    import matplotlib as mpl

    with mpl.rc_context(_SAME_EVERYWHERE):
        try:
            document = _saved(figure, "svg", {"Date": None, "Creator": None, "Format": None, "Type": None})
            if len(document) <= _SVG_BYTES:
                svg_check.check(document)
                return document
        except ValueError:  # the user's own links, say: as pixels they are harmless
            pass
        document = _saved(figure, "png", {"Software": None})
    try:
        _check(document)
    except ValueError as error:
        raise NoCodecError(f"the figure cannot be stored as a picture: {error}. Draw it smaller") from error
    return document


def _saved(figure: Any, form: str, metadata: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _check(data: bytes) -> None:
    if Picture(data).media_type == PNG:
        size_of_png(data)
    else:
        svg_check.check(data)
