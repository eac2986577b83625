"""JSON texts without what they have in common: large members are cut out, and stored once.

Events repeat themselves: each task of a Dag tells of the Dag, each run of a task sends its source again. So the text of an event is kept as what is its
own, with a mark where a part was, and parts are kept by the digest of their text. It is text that is cut: putting it together again gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from sematic_airflow_provider.artifacts.digest import canonical_json, digest_bytes
from sematic_airflow_provider.lineage.naming import short_key

SMALLEST: Final = 256
"""Bytes; what is smaller costs more as a part than in its place."""

_MOST: Final = 200  # parts of one text: each costs a search through it

_MARK: Final = re.compile(rb"\0([A-Za-z0-9_-]{24})")  # JSON has no NUL


class Parted(NamedTuple):
    """A text with marks, and the texts that they stand for, by key; parts may have marks themselves."""

    skeleton: bytes
    parts: dict[str, bytes]


Read = Callable[[Collection[str]], Mapping[str, bytes]]
"""Gives the texts of parts, by key."""


def take_apart(text: bytes, groups: Iterable[Mapping[str, Any]]) -> Parted:
    """Cut large members out of a canonical JSON text.

    Args:
        text: the text.
        groups: what may be cut out: the members of these mappings, such as the facets of a run, and the members of those.
    """
    parts: dict[str, bytes] = {}
    if len(text) < SMALLEST:
        return Parted(text, parts)
    for member in (member for group in groups for member in group.values()):
        whole = _large(member)
        if whole is None:
            continue
        if len(parts) >= _MOST:
            break
        inner = member.values() if isinstance(member, Mapping) else ()
        for cut in sorted(filter(None, map(_large, inner)), key=len, reverse=True)[:_MOST]:
            whole, text = _cut(whole, cut, parts), _cut(text, cut, parts)
        if len(whole) >= SMALLEST:
            text = _cut(text, whole, parts)
    return Parted(text, parts)


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


def _large(value: Any) -> bytes | None:
    if not isinstance(value, (Mapping, list, str)) or (isinstance(value, str) and len(value) < SMALLEST // 4):
        return None
    text = canonical_json(value)
    return text if len(text) >= SMALLEST else None


def _cut(text: bytes, part: bytes, parts: dict[str, bytes]) -> bytes:
    key = short_key(digest_bytes(part))
    parts[key] = part
    return text.replace(part, b"\0" + key.encode())
