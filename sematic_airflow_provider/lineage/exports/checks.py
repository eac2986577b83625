"""Checks that stood between a value and its use: what was judged, by which bounds, with what result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_MOST: Final = 500
_CLOSED: Final = "the gate is closed: "


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was judged. ``bounds`` and ``value`` are as people read them; ``passed`` is None where it was not executed."""

    name: str
    value: str
    bounds: str
    passed: bool | None


def checks_of_facet(facet: Any) -> tuple[Check, ...]:
    """The checks of OpenLineage's run facet ``test``."""
    tests = facet.get("tests") if isinstance(facet, Mapping) else None
    if not isinstance(tests, list):
        return ()
    found = []
    for test in tests[:_MOST]:
        if not isinstance(test, Mapping) or not isinstance(test.get("name"), str):
            continue
        passed = {"pass": True, "fail": False}.get(str(test.get("status")))
        bounds = _short(test.get("expected")) or _short(test.get("description"))
        found.append(Check(_short(test["name"]), _short(test.get("actual")), bounds, passed))
    return tuple(found)


def checks_of_value(value: Any) -> tuple[Check, ...]:
    """The checks of a gate's report that a step returned: ``[{"name", "value", "bounds": {"min", "max"}, "passed"}]``; none of any other value."""
    if not isinstance(value, list) or not value:
        return ()
    found = []
    for entry in value[:_MOST]:
        bounds = entry.get("bounds") if isinstance(entry, Mapping) else None
        if not isinstance(bounds, Mapping) or not {"name", "value", "passed"} <= entry.keys():
            return ()
        found.append(
            Check(
                _short(entry["name"]),
                _short(entry["value"]),
                wording(bounds.get("min"), bounds.get("max")),
                entry["passed"] is True,
            )
        )
    return tuple(found)


def checks_of_error(message: str) -> tuple[Check, ...]:
    """What a gate that stayed closed said: the only trace of its checks where a run told no more than its error."""
    if not message.startswith(_CLOSED):
        return ()
    return tuple(Check("gate", _short(part), "", False) for part in message[len(_CLOSED) :].split("; ")[:_MOST])


def wording(least: Any, most: Any) -> str:
    """Bounds as people read them."""
    if least is not None and most is not None:
        return f"{_short(least)} to {_short(most)}"
    if least is not None:
        return f"at least {_short(least)}"
    return f"at most {_short(most)}" if most is not None else ""


def _short(value: Any) -> str:
    return "" if value is None else str(value)[:500]
