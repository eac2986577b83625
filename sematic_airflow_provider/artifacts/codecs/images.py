"""``png/1``: images of Pillow, each pixel as it was, as PNG files that anything can show."""

from __future__ import annotations

import io
import struct
import sys
from typing import Any, BinaryIO

from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

MOST_PIXELS = 1 << 27
"""Of images that are saved or loaded: a small file can say that it is a large image, and would fill the memory."""

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_START, _END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
_KEPT = ("transparency", "icc_profile", "exif")


class PngCodec:
    """Mode, pixels, palette, transparency, colour profile and EXIF (which has the orientation) come back; names of files, texts and resolutions do not.

    Images that were opened from a file come back as plain images.
    """

    name = "png/1"
    deterministic = True
    depends_on = ("pillow",)  # the zlib that is built into it compresses

    def handles(self, value: object) -> bool:
        """Images of Pillow itself, not of subclasses elsewhere."""
        image = sys.modules.get("PIL.Image")
        return image is not None and isinstance(value, image.Image) and type(value).__module__.startswith("PIL.")

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the image, once it has come back as it was."""
        if getattr(value, "n_frames", 1) != 1:
            raise NoCodecError(
                f"this image has {value.n_frames} frames: return a list of them, [frame.copy() for frame in PIL.ImageSequence.Iterator(image)]"
            )
        if value.mode not in _MODES:
            raise NoCodecError(
                f"PNG does not keep images of mode {value.mode} as they are: convert it (image.convert('RGB')), or return numpy.asarray(image)"
            )
        if not 0 < value.width * value.height <= MOST_PIXELS:
            raise NoCodecError(
                f"an image of {value.width} × {value.height} pixels cannot be stored as PNG (at most {MOST_PIXELS} pixels): return numpy.asarray(image)"
            )
        written = io.BytesIO()
        value.copy().save(  # a plain image: one that was opened brings options of its own
            written, "PNG", compress_level=6, **_kept(value)
        )
        back = self.decode(written.getbuffer())
        if not _same(back, value):
            raise NoCodecError(
                f"PNG does not keep this image of mode {value.mode} as it is: convert it (image.convert('RGBA')), or return numpy.asarray(image)"
            )
        file.write(written.getbuffer())

    def decode(self, data: memoryview) -> Any:
        """The image."""
        try:
            from PIL import PngImagePlugin
        except ImportError as error:
            raise MissingExtraError("reading an image", "figures") from error
        size_of_png(data)
        try:
            # not Image.open, which would try other formats, and only warns of large ones
            image = PngImagePlugin.PngImageFile(io.BytesIO(data))
            if getattr(image, "n_frames", 1) != 1:
                raise ValueError("a PNG with several frames was not written by this codec")
            image.load()
        except (SyntaxError, OSError, EOFError, struct.error) as error:  # what Pillow makes of damaged files
            raise ValueError(f"no PNG that can be read: {error}") from error
        plain = image.copy()
        plain.info = _kept(image)
        return plain


def size_of_png(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height that a PNG says it has.

    Raises:
        ValueError: it is none, it is cut off, or it has more pixels than may be loaded.
    """
    if len(data) < 45 or bytes(data[:8]) != _START or bytes(data[12:16]) != b"IHDR" or bytes(data[-12:]) != _END:
        raise ValueError("no PNG, or not all of one")
    width, height = struct.unpack(">II", data[16:24])
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f"a PNG of {width} × {height} pixels: at most {MOST_PIXELS} are loaded")
    return width, height


def _kept(image: Any) -> dict[str, Any]:
    return {name: image.info[name] for name in _KEPT if image.info.get(name) is not None}


def _same(one: Any, other: Any) -> bool:
    if (one.mode, one.size, _kept(one)) != (other.mode, other.size, _kept(other)) or one.tobytes() != other.tobytes():
        return False
    return one.mode != "P" or one.convert("RGBA").tobytes() == other.convert("RGBA").tobytes()
