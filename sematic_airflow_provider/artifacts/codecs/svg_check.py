"""SVG documents that only draw: what notebooks and browsers show must not run or fetch anything."""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

_ELEMENTS = frozenset(
    {
        "svg", "g", "defs", "path", "use", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "image", "clipPath", "mask",
        "pattern", "linearGradient", "radialGradient", "stop", "filter", "feColorMatrix", "feComponentTransfer", "feFuncA", "feFuncB",
        "feFuncG", "feFuncR", "title", "desc", "metadata", "style", "a",
    }
)  # fmt: skip
_REFERENCE = re.compile(r"#[^\s\"'()]+|data:image/png;base64,[A-Za-z0-9+/=\s]*")
_LINK = re.compile(r"#\S+|https?://\S+")
_FETCHES = re.compile(r"url\(\s*['\"]?(?!#)|@import|expression|javascript:|\\", re.IGNORECASE)


def check(data: bytes) -> None:
    """See that a document draws, and does nothing else.

    Raises:
        ValueError: it is no SVG, or has something in it that could run or fetch.
    """
    parser, seen = expat.ParserCreate(), _Seen()
    parser.StartElementHandler = seen.start
    parser.EndElementHandler = seen.end
    parser.CharacterDataHandler = seen.text
    parser.EntityDeclHandler = seen.refuse
    parser.ProcessingInstructionHandler = seen.refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"no SVG document: {error}") from error
    if seen.first != "svg" or not data.endswith(b">\n"):
        raise ValueError("no SVG document, or not all of one: it has to end with </svg> and a new line")


class _Seen:
    """What the parser comes across."""

    def __init__(self) -> None:
        self.first: str | None = None
        self._open: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.first = self.first or name
        self._open.append(name)
        if name not in _ELEMENTS:
            raise ValueError(f"the element {name[:40]} has no place in a picture")
        for attribute, text in attributes.items():
            local = attribute.rpartition(":")[2].lower()
            allowed = _LINK if name == "a" else _REFERENCE
            leads_out = local in ("href", "src") and not allowed.fullmatch(text)
            if leads_out or local.startswith("on") or _FETCHES.search(text):
                raise ValueError(f"the attribute {attribute[:40]} of {name} leads out of the picture")

    def end(self, name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        # style arrives in pieces: a piece that could be part of something is enough to say no
        if self._open and self._open[-1] == "style" and re.search(r"[@\\]|url|import", text, re.IGNORECASE):
            raise ValueError("the style fetches something")

    def refuse(self, *_: Any) -> None:
        raise ValueError("entities and instructions have no place in a picture")
