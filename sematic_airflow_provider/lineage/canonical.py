"""The canonical JSON of an event, with the places where its facets stand in it: written in one pass, and facet by facet.

It is exactly `artifacts.digest.canonical_json` of the event, byte by byte: the digest is of it. Facets are what repeats, so that they can be told from
their texts alone saves every later look at them (`lineage/parts.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import accumulate
from json.encoder import c_make_encoder  # type: ignore[attr-defined]
from json.encoder import encode_basestring as quote
from typing import Any, Final, NamedTuple

from sematic_airflow_provider.errors import EventRejectedError

MAX_DEPTH: Final = 64
GROUPS: Final = ("facets", "inputFacets", "outputFacets")
_HOLDERS: Final = ("run", "job", "dataset")
_LISTS: Final = ("inputs", "outputs")

_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
# As that makes one for each value anew; Python without its C parts has none.
_write: Final = c_make_encoder and c_make_encoder(None, _ENCODER.default, quote, None, ":", ",", True, False, False)


def encode(value: Any) -> str:
    """The canonical text of one value."""
    if type(value) is str:
        return quote(value)
    return "".join(_write(value, 0)) if _write else _ENCODER.encode(value)


class Member(NamedTuple):
    """A facet, and where its text stands in that of the event."""

    start: int
    end: int
    value: Any


class Canonical(NamedTuple):
    """The text of an event, and its facets in the order in which they stand there."""

    text: str
    members: tuple[Member, ...]


def canonical_event(event: dict[str, Any]) -> Canonical:
    """The text of an event.

    Raises:
        EventRejectedError: it is nested too deeply, or holds what JSON has not.
    """
    writer = _Writer()
    try:
        writer.event(event)
    except RecursionError:
        raise EventRejectedError("event", f"is nested deeper than {MAX_DEPTH}") from None
    except (ValueError, TypeError) as error:
        raise EventRejectedError("event", f"is no JSON: {error}") from error
    return writer.written()


def canonical_facets(facets: Mapping[str, Any], known: Mapping[int, str]) -> Canonical:
    """The text of an object of facets, in which those of the job may stand under ``job``, and where they are.

    Args:
        facets: as they were in events.
        known: texts that were written before, by the ``id`` of the facet.
    """
    writer = _Writer()
    writer.facets(facets, known, nested="job")
    return writer.written()


class _Writer:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._members: list[tuple[int, Any]] = []  # the number of its piece, and the facet

    def written(self) -> Canonical:
        """What was written."""
        ends = list(accumulate(map(len, self._pieces)))
        members = tuple(Member(ends[number - 1], ends[number], facet) for number, facet in self._members)
        return Canonical("".join(self._pieces), members)

    def event(self, event: dict[str, Any]) -> None:
        """An event as a whole."""
        put, separator = self._pieces.append, "{"
        for key in sorted(event):
            value = event[key]
            put(f"{separator}{quote(key)}:")
            separator = ","
            if type(value) is dict and key in _HOLDERS:
                self._holder(value, 2)
            elif type(value) is list and key in _LISTS:
                between = "["
                for dataset in value:
                    put(between)
                    between = ","
                    if type(dataset) is dict:
                        self._holder(dataset, 3)
                    else:
                        put(_text(dataset, 3))
                put("]" if value else "[]")
            else:
                put(_text(value, 2))
        put("}" if event else "{}")

    def _holder(self, holder: dict[str, Any], depth: int) -> None:
        put, separator = self._pieces.append, "{"
        for key in sorted(holder):
            value = holder[key]
            if type(value) is dict and key in GROUPS and value:
                between = f"{separator}{quote(key)}:{{"
                for name in sorted(value):
                    put(f"{between}{quote(name)}:")
                    between = ","
                    self._members.append((len(self._pieces), value[name]))
                    put(_text(value[name], depth + 2))
                put("}")
            else:
                put(f"{separator}{quote(key)}:{_text(value, depth + 1)}")
            separator = ","
        put("}" if holder else "{}")

    def facets(self, facets: Mapping[str, Any], known: Mapping[int, str], nested: str) -> None:
        """An object of facets; in ``nested`` there are more of them."""
        put, separator = self._pieces.append, "{"
        for name in sorted(facets):
            facet = facets[name]
            put(f"{separator}{quote(name)}:")
            separator = ","
            if name == nested and type(facet) is dict:
                self.facets(facet, known, nested="")
            else:
                self._members.append((len(self._pieces), facet))
                put(known.get(id(facet)) or encode(facet))
        put("}" if facets else "{}")


def _text(value: Any, depth: int) -> str:
    if type(value) is str:
        return quote(value)
    text = encode(value)
    # Only with that many brackets can it be nested too deeply.
    if text.count("{") + text.count("[") > MAX_DEPTH - depth:
        _check_depth(value, depth)
    return text


def _check_depth(value: Any, depth: int) -> None:
    level = [value]
    for _ in range(MAX_DEPTH - depth):
        level = [
            member
            for item in level
            for member in (item.values() if type(item) is dict else item if type(item) is list else ())
            if type(member) is dict or type(member) is list
        ]
        if not level:
            return
    raise EventRejectedError("event", f"is nested deeper than {MAX_DEPTH}")
