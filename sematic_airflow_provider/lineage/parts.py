"""JSON texts without what they have in common: large members are cut out, and stored once.

Events repeat themselves: each task of a Dag tells of the Dag, each run of a task sends its source again. So the text of an event is kept as what is its
own, with a mark where a part was, and parts are kept by the digest of their text. It is text that is cut: putting it together again gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.lineage.canonical import Member, encode
from sematic_airflow_provider.lineage.naming import short_key

SMALLEST: Final = 256
"""Characters; what is smaller costs more as a part than in its place."""

MOST: Final = 200
"""Parts that one text is cut into: a text of thousands of facets must not become thousands of rows."""

_INNER: Final = 2 * SMALLEST  # from this size on a facet's own members are looked at
_REMEMBERED: Final = 8 << 20  # characters of facets that are remembered as cut
_MARK: Final = re.compile(rb"\0([A-Za-z0-9_-]{24})")  # JSON has no NUL


class Parted(NamedTuple):
    """A text with marks, and the texts that they stand for, by key; parts may have marks themselves."""

    skeleton: str
    parts: dict[str, str]


Read = Callable[[Collection[str]], Mapping[str, bytes]]
"""Gives the texts of parts, by key."""


class Cutter:
    """Takes texts apart, and remembers how the facets were cut that come again and again."""

    def __init__(self) -> None:
        self._known: dict[str, Parted] = {}
        self._size = 0

    def cut(self, text: str, members: Iterable[Member]) -> Parted:
        """Cut large facets out of a text.

        Args:
            text: a canonical JSON text.
            members: the facets in it, in their order.
        """
        pieces: list[str] = []
        parts: dict[str, str] = {}
        at = 0
        for start, end, value in members:
            if end - start < SMALLEST or len(parts) >= MOST:
                continue
            facet = self._facet(text[start:end], value)
            parts.update(facet.parts)
            pieces += (text[at:start], facet.skeleton)
            at = end
        if not pieces:
            return Parted(text, parts)
        pieces.append(text[at:])
        return Parted("".join(pieces), parts)

    def _facet(self, text: str, value: Any) -> Parted:
        found = self._known.get(text)
        if found is None:
            found = _cut_facet(text, value)
            if self._size > _REMEMBERED:
                self._known, self._size = {}, 0  # a new dict: another thread may read the old one
            self._known[text] = found
            self._size += len(text)
        return found


def _cut_facet(text: str, value: Any) -> Parted:
    parts: dict[str, str] = {}
    if len(text) >= _INNER and type(value) is dict:
        pieces: list[str] = []
        at = 0
        for name in sorted(value):
            member = value[name]
            if len(parts) >= MOST or not (type(member) in (dict, list, str) and member):
                continue
            if type(member) is str and len(member) < SMALLEST // 6:  # even escaped all through it is small
                continue
            inner = encode(member)
            if len(inner) < SMALLEST:
                continue
            found = text.find(inner, at)
            if found >= 0:
                pieces += (text[at:found], _part(inner, parts))
                at = found + len(inner)
        text = "".join(pieces) + text[at:]
    return Parted(_part(text, parts) if len(text) >= SMALLEST else text, parts)


def _part(text: str, parts: dict[str, str]) -> str:
    key = short_key(digest_bytes(text.encode()))
    parts[key] = text
    return f"\0{key}"


def put_together(skeletons: Collection[bytes], read: Read) -> dict[bytes, bytes]:
    """The texts that these are skeletons of.

    Raises:
        KeyError: a part is not there.
    """
    known: dict[str, bytes] = {}
    wanted = {key for skeleton in skeletons for key in marks(skeleton)}
    while wanted:
        found = read(wanted)
        known |= {key: found[key] for key in wanted}
        wanted = {key for part in found.values() for key in marks(part)} - known.keys()
    return {skeleton: _filled(skeleton, known) for skeleton in skeletons}


def marks(text: bytes) -> set[str]:
    """The keys of the parts that a text names."""
    return {found.decode() for found in _MARK.findall(text)} if b"\0" in text else set()


def _filled(text: bytes, known: Mapping[str, bytes]) -> bytes:
    if b"\0" not in text:
        return text
    return _MARK.sub(lambda match: _filled(known[match[1].decode()], known), text)
