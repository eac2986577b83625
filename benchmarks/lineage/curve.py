"""Cost by size of the store, drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 320, 60, 50, 40
_LINES: Final = {
    "event_ms": ("an event taken in", "#0072b2"),
    "list_ms": ("first page of a list", "#009e73"),
    "graph_ms": ("a graph of 500 nodes", "#d55e00"),
}


def drawing(table: Sequence[Mapping[str, Any]]) -> str:
    """An SVG picture: milliseconds by runs stored, both logarithmic."""
    values = [row[name] for row in table for name in _LINES if row.get(name)]
    sizes = [row["runs"] for row in table]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(min(sizes)), math.log10(max(sizes))

    def x(runs: float) -> float:
        return _LEFT + (math.log10(runs) - first) / ((last - first) or 1) * (_WIDTH - _LEFT - 170)

    def y(ms: float) -> float:
        return _HEIGHT - _BOTTOM - (math.log10(ms) - low) / ((high - low) or 1) * (_HEIGHT - _BOTTOM - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12" role="img">',
        "<title>Milliseconds by runs stored</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="13">milliseconds, by runs stored</text>',
    ]
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 170}" y1="{at:.1f}" y2="{at:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10**power:g}</text>')
    parts += [f'<text x="{x(runs):.1f}" y="{_HEIGHT - 25}" text-anchor="middle">{runs:,}</text>' for runs in sizes]
    for name, (title, colour) in _LINES.items():
        points = [(x(row["runs"]), y(row[name])) for row in table if row.get(name)]
        if points:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in points]
            parts.append(
                f'<text x="{points[-1][0] + 10:.1f}" y="{points[-1][1] + 4:.1f}" fill="{colour}">{title}</text>'
            )
    return "\n".join([*parts, "</svg>", ""])
