"""``Picture``: what a figure is once it was stored. No figure can be made of it again, but it can be looked at, saved, and stored as the same artifact."""

from __future__ import annotations

from pathlib import Path

PNG, SVG = "image/png", "image/svg+xml"
_PNG_START = b"\x89PNG\r\n\x1a\n"


class Picture:
    """A PNG or SVG document. Notebooks show it; ``save`` writes it for anything else that shows pictures.

    No dataclass: those are stored by their fields, and this one as the document it is.
    """

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def data(self) -> bytes:
        """The document."""
        return self._data

    @property
    def media_type(self) -> str:
        """``image/png`` or ``image/svg+xml``."""
        return PNG if self.data.startswith(_PNG_START) else SVG

    def save(self, path: str | Path) -> None:
        """Write the document.

        Raises:
            ValueError: the file's name ends as one of another format does.
        """
        ending = ".png" if self.media_type == PNG else ".svg"
        if Path(path).suffix.lower() != ending:
            raise ValueError(
                f"this picture is stored as {self.media_type}: give the file a name that ends with {ending}"
            )
        Path(path).write_bytes(self.data)

    def _repr_png_(self) -> bytes | None:
        return self.data if self.media_type == PNG else None

    def _repr_svg_(self) -> str | None:
        return self.data.decode() if self.media_type == SVG else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"<Picture {self.media_type}, {len(self.data)} bytes>"
