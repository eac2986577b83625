"""What producers told, by the shape that it should have: what has another one is empty, so that nothing told can break what reads it."""

from __future__ import annotations

from typing import Any


def mapping(value: Any) -> dict[str, Any]:
    """An object of JSON, else an empty one."""
    return (
        value if isinstance(value, dict) else {}
    )  # JSON has no other mapping, and to look at an abstract class is slow


def items(value: Any) -> list[Any]:
    """An array of JSON, else an empty one."""
    return value if isinstance(value, list) else []


def pairs(facet: Any, entries: str, key: str) -> dict[str, Any]:
    """The ``value`` of each of a facet's entries, by what each has under ``key``."""
    found = (mapping(entry) for entry in items(mapping(facet).get(entries)))
    return {str(entry[key]): entry.get("value") for entry in found if key in entry}
