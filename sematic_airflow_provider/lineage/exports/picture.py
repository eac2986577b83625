"""A picture of a graph: SVG that stands for itself, in light and dark, on paper, in a report and in a notebook."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Final

from sematic_airflow_provider.lineage.exports.layers import Layout, Place, layout
from sematic_airflow_provider.lineage.exports.letters import visible
from sematic_airflow_provider.lineage.graph import ArtifactNode, LineageGraph, Node, RunNode

MOST_NODES: Final = 160
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 172, 46, 58, 18, 16
_GAP_DOWN: Final = 34
_PAGE: Final = 1150
_LETTERS: Final = 20
_STYLE: Final = """
.lg{--ink:#1c2433;--soft:#5b6675;--line:#9aa5b4;--paper:#fff;--run:#eef3fb;--run-line:#7d97c4;--data:#f6f3ea;--data-line:#b7a570;--model:#efe9fa;
--model-line:#8f78c9;--ok:#2f8f5b;--bad:#c2413a;--wait:#b7791f;--focus:#1f5fd0;font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media (prefers-color-scheme:dark){.lg{--ink:#e6eaf0;--soft:#9aa5b4;--line:#5d6878;--paper:#161b22;--run:#1d2838;--run-line:#5877ab;--data:#2a261a;
--data-line:#8d7d4c;--model:#2a2340;--model-line:#8570c0;--ok:#57c48a;--bad:#ec7b74;--wait:#e0ae57;--focus:#79a7ff}}
@media print{.lg{--ink:#1c2433;--soft:#5b6675;--line:#9aa5b4;--paper:#fff;--run:#eef3fb;--run-line:#7d97c4;--data:#f6f3ea;--data-line:#b7a570;
--model:#efe9fa;--model-line:#8f78c9;--ok:#2f8f5b;--bad:#c2413a;--wait:#b7791f;--focus:#1f5fd0}}
.lg .edge{fill:none;stroke:var(--line);stroke-width:1.3}.lg .tip{fill:var(--line)}
.lg rect{stroke-width:1.2}.lg .run rect{fill:var(--run);stroke:var(--run-line)}.lg .data rect{fill:var(--data);stroke:var(--data-line)}
.lg .model rect{fill:var(--model);stroke:var(--model-line)}.lg .locked rect{fill:none;stroke:var(--line);stroke-dasharray:4 3}
.lg .focus rect{stroke:var(--focus);stroke-width:2.6}.lg .name{fill:var(--ink);font-size:12.5px;font-weight:600}
.lg .what{fill:var(--soft);font-size:10.5px}.lg .success{fill:var(--ok)}.lg .failed{fill:var(--bad)}.lg .running{fill:var(--wait)}
.lg .unknown{fill:var(--line)}.lg .more{fill:var(--soft);font-size:13px}
"""


def drawn(graph: LineageGraph, most: int = MOST_NODES) -> LineageGraph:
    """The part of a graph that a picture shows: all of it, or the nodes nearest to what it is about."""
    if len(graph.nodes) <= most:
        return graph
    near: dict[str, list[str]] = {}
    for edge in graph.edges:
        near.setdefault(edge.source, []).append(edge.target)
        near.setdefault(edge.target, []).append(edge.source)
    order = dict.fromkeys(graph.focus or [graph.nodes[0].id])
    queue = list(order)
    for node_id in queue:  # grows while it is read
        for other in near.get(node_id, ()):
            if other not in order:
                order[other] = None
                queue.append(other)
    kept = set(list(order)[:most])
    return LineageGraph(
        focus=tuple(node for node in graph.focus if node in kept),
        nodes=tuple(node for node in graph.nodes if node.id in kept),
        edges=tuple(edge for edge in graph.edges if edge.source in kept and edge.target in kept),
        truncated=True,
        more_upstream=graph.more_upstream,
        more_downstream=graph.more_downstream,
    )


def svg(graph: LineageGraph, title: str = "Lineage", most: int = MOST_NODES) -> str:
    """The picture of a graph, of so many nodes at most: from left to right, or from top to bottom where that fits a page better."""
    shown = drawn(graph, most)
    frame = _Frame(layout([node.id for node in shown.nodes], [(edge.source, edge.target) for edge in shown.edges]))
    labels: dict[tuple[str, str], list[str]] = {}
    for edge in shown.edges:
        labels.setdefault((edge.source, edge.target), []).append(edge.label)
    edges = [frame.edge(pair, names) for pair, names in labels.items()]
    focus, more = set(shown.focus), set(shown.more_upstream) | set(shown.more_downstream)
    nodes = [_node(node, *frame.corner(node.id), node.id in focus, node.id in more) for node in shown.nodes]
    width, height = (f"{max(length, 60):.0f}" for length in frame.size)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lg" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<title>{_xml(title)}</title><style>{_STYLE}</style>"
        f'<defs><marker id="lg-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 .8 7 4 0 7.2Z"/></marker></defs>{"".join(edges)}{"".join(nodes)}</svg>'
    )


class _Frame:
    """Where things are on the paper, in pixels."""

    def __init__(self, where: Layout) -> None:
        self._where = where
        across = 2 * _MARGIN + where.layers * (_WIDTH + _GAP_X) - _GAP_X
        down = 2 * _MARGIN + where.height * (_WIDTH + _GAP_Y) - _GAP_Y
        self._is_down = down < 0.8 * across and across > _PAGE
        self.size = (
            (down, 2 * _MARGIN + where.layers * (_HEIGHT + _GAP_DOWN) - _GAP_DOWN)
            if self._is_down
            else (across, 2 * _MARGIN + where.height * (_HEIGHT + _GAP_Y) - _GAP_Y)
        )

    def corner(self, node_id: str) -> tuple[float, float]:
        """The upper left corner of a node."""
        return self._corner(self._where.places[node_id])

    def edge(self, pair: tuple[str, str], labels: Sequence[str]) -> str:
        """The arrow from one node to another, through its bends."""
        places = [self._where.places[pair[0]], *self._where.bends.get(pair, ()), self._where.places[pair[1]]]
        points = [point for place in places for point in (self._entry(place), self._exit(place))][1:-1]
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (x1, y1), (x2, y2) in pairwise(points):
            if self._is_down:
                bent = max(abs(y2 - y1) / 2, 12)
                path += f"C{x1:.1f} {y1 + bent:.1f} {x2:.1f} {y2 - bent:.1f} {x2:.1f} {y2:.1f}"
            else:
                bent = max(abs(x2 - x1) / 2, 24)
                path += f"C{x1 + bent:.1f} {y1:.1f} {x2 - bent:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        if places[-1].layer <= places[0].layer:
            path = self._back(places[0], places[-1])
        names = ", ".join(sorted({label for label in labels if label})[:20])
        return f'<path class="edge" marker-end="url(#lg-tip)" d="{path}"><title>{_xml(names)}</title></path>'

    def _back(self, start: Place, end: Place) -> str:
        """A way around, beside the nodes, of what closes a circle."""
        (x1, y1), (x2, y2) = self._corner(start), self._corner(end)
        if self._is_down:
            aside = max(x1, x2) + _WIDTH + 2 * _GAP_DOWN
            x1, x2, y1, y2 = x1 + _WIDTH, x2 + _WIDTH + 2, y1 + _HEIGHT / 2, y2 + _HEIGHT / 2
            return f"M{x1:.1f} {y1:.1f}C{aside:.1f} {y1:.1f} {aside:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        aside = min(y1, y2) - _GAP_DOWN
        x1, x2, y2 = x1 + _WIDTH / 2, x2 + _WIDTH / 2, y2 - 2
        return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {aside:.1f} {x2:.1f} {aside:.1f} {x2:.1f} {y2:.1f}"

    def _corner(self, place: Place) -> tuple[float, float]:
        if self._is_down:
            return _MARGIN + place.y * (_WIDTH + _GAP_Y), _MARGIN + place.layer * (_HEIGHT + _GAP_DOWN)
        return _MARGIN + place.layer * (_WIDTH + _GAP_X), _MARGIN + place.y * (_HEIGHT + _GAP_Y)

    def _entry(self, place: Place) -> tuple[float, float]:
        x, y = self._corner(place)
        return (x + _WIDTH / 2, y - 2) if self._is_down else (x - 2, y + _HEIGHT / 2)

    def _exit(self, place: Place) -> tuple[float, float]:
        x, y = self._corner(place)
        return (x + _WIDTH / 2, y + _HEIGHT) if self._is_down else (x + _WIDTH, y + _HEIGHT / 2)


def anchor(node_id: str) -> str:
    """What a node is called inside a document."""
    return "n-" + node_id.replace(":", "-")


def _node(node: Node, x: float, y: float, is_focus: bool, has_more: bool) -> str:
    kind = "run" if isinstance(node, RunNode) else "data"
    if isinstance(node, ArtifactNode) and (node.dataset_type or "").upper() == "MODEL":
        kind = "model"
    classes = " ".join(filter(None, (kind, "focus" if is_focus else "", "locked" if node.locked else "")))
    radius = _HEIGHT / 2 if kind == "run" else 5
    parts = [
        f'<g class="{classes}"><title>{_xml(_hint(node))}</title>',
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}"/>',
    ]
    left = x + 12
    if isinstance(node, RunNode):
        left = x + 30
        state = node.state if node.state in ("success", "failed", "running") else "unknown"
        parts.append(f'<circle class="{state}" cx="{x + 18:.1f}" cy="{y + _HEIGHT / 2:.1f}" r="4.5"/>')
    parts.append(
        f'<text class="name" x="{left:.1f}" y="{y + 19:.1f}">{_xml(_short(node.label, _LETTERS if left == x + 12 else _LETTERS - 2))}</text>'
    )
    parts.append(f'<text class="what" x="{left:.1f}" y="{y + 34:.1f}">{_xml(_short(_what(node), _LETTERS + 6))}</text>')
    if has_more:
        parts.append(f'<text class="more" x="{x + _WIDTH - 18:.1f}" y="{y + 16:.1f}">⋯</text>')
    return "".join(parts) + "</g>"


def _what(node: Node) -> str:
    if node.locked:
        return "not yours to read"
    if isinstance(node, RunNode):
        return f"{node.state or 'unknown'}{_took(node.duration_s)}{' · from cache' if node.cache == 'hit' else ''}"
    if isinstance(node, ArtifactNode):
        kind = (node.type or node.codec or "artifact").rsplit(".", 1)[-1]
        return f"{kind} · {(node.digest or '')[:12]}"
    return f"{node.version[:10]} · {node.namespace}" if node.version else node.namespace or "data set"


def _hint(node: Node) -> str:
    if node.locked:
        return "of a Dag that you may not read"
    if isinstance(node, RunNode):
        return f"{node.job_name} ({node.dag_run_id or node.run_id})"
    if isinstance(node, ArtifactNode):
        return f"{', '.join(node.names[:3])}\n{node.type}\n{node.digest}"
    return f"{node.namespace} {node.name} {node.version or ''}"


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f" · {seconds:.1f} s" if seconds < 100 else f" · {dt.timedelta(seconds=round(seconds))}"


def _short(text: str, most: int = _LETTERS) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _xml(text: str) -> str:
    return escape(visible(text))
