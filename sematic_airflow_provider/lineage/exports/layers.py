"""Where the nodes of a picture stand: in layers from left to right, in an order that crosses few edges (the method of Sugiyama)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_SWEEPS: Final = 10
_MOST_BENDS: Final = 20_000


class Place(NamedTuple):
    """Layer, and height in units of one node."""

    layer: int
    y: float


class Layout(NamedTuple):
    """The places of nodes, and of the points where long edges pass the layers between."""

    places: Mapping[str, Place]
    bends: Mapping[tuple[str, str], Sequence[Place]]
    layers: int
    height: float


def layout(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> Layout:
    """Place nodes so that edges go to the right. Edges that close a circle go to the left; those of no known node are left out."""
    known = set(nodes)
    pairs = list(dict.fromkeys((a, b) for a, b in edges if a in known and b in known and a != b))
    forward = _without_circles(nodes, pairs)
    layer_of = _layer_of(nodes, forward)
    members: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for node in nodes:
        members[layer_of[node]].append(node)
    chains: dict[tuple[str, str], list[str]] = {}
    links: list[tuple[str, str]] = []
    bends = 0
    for a, b in forward:
        between = range(layer_of[a] + 1, layer_of[b])
        bends += len(between)
        names = [f"\0{len(chains)}:{layer}" for layer in between] if bends <= _MOST_BENDS else []
        for name, layer in zip(names, between, strict=False):
            members[layer].append(name)
        chains[a, b] = names
        path = [a, *names, b]
        links += pairwise(path)
    before, after = _both_ways(links)
    _order(members, before, after)
    y = _heights(members, before, after)
    places = {node: Place(layer_of[node], y[node]) for node in nodes}
    passed = {
        edge: [Place(layer_of[edge[0]] + step, y[name]) for step, name in enumerate(names, 1)]
        for edge, names in chains.items()
    }
    return Layout(places, passed, len(members), max(y.values(), default=0.0) + 1)


def _without_circles(nodes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges but those that lead back to where one came from; without recursion, since lineages are long."""
    out: dict[str, list[str]] = {node: [] for node in nodes}
    for a, b in pairs:
        out[a].append(b)
    entered = {b for _, b in pairs}
    kept: list[tuple[str, str]] = []
    done: set[str] = set()
    open_: set[str] = set()
    for start in [*(n for n in nodes if n not in entered), *nodes]:
        if start in done:
            continue
        stack = [(start, iter(out[start]))]
        open_.add(start)
        while stack:
            node, following = stack[-1]
            target = next(following, None)
            if target is None:
                stack.pop()
                open_.discard(node)
                done.add(node)
            elif target not in open_:
                kept.append((node, target))
                if target not in done:
                    open_.add(target)
                    stack.append((target, iter(out[target])))
    return kept


def _layer_of(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest way from a source; sources stand just before what they first flow into."""
    before, after = _both_ways(edges)
    waiting = {node: len(before.get(node, ())) for node in nodes}
    ready = [node for node in nodes if not waiting[node]]
    layer = dict.fromkeys(nodes, 0)
    for node in ready:  # grows while it is read
        for target in after.get(node, ()):
            layer[target] = max(layer[target], layer[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for node in nodes:
        if node not in before and node in after:
            layer[node] = min(layer[target] for target in after[node]) - 1
    return layer


def _both_ways(edges: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
        before.setdefault(b, []).append(a)
    return before, after


def _order(members: list[list[str]], before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> None:
    """Sort each layer by where the neighbours stand, to the right and back, a few times."""
    position = {node: index for layer in members for index, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        rightwards = sweep % 2 == 0
        neighbours = before if rightwards else after
        for layer in members if rightwards else reversed(members):
            wanted = {
                node: sum(position[n] for n in near) / len(near) if (near := neighbours.get(node)) else position[node]
                for node in layer
            }
            layer.sort(key=lambda node: wanted[node])
            position.update((node, index) for index, node in enumerate(layer))


def _heights(
    members: Sequence[Sequence[str]], before: Mapping[str, list[str]], after: Mapping[str, list[str]]
) -> dict[str, float]:
    """Each node as near to the middle of its neighbours as its layer's order and distances of one unit let it."""
    tallest = max(map(len, members), default=0)
    y = {node: index + (tallest - len(layer)) / 2 for layer in members for index, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        rightwards = sweep % 2 == 0
        for layer in members if rightwards else reversed(members):
            wanted = []
            for node in layer:
                near = (before if rightwards else after).get(node) or before.get(node) or after.get(node) or [node]
                wanted.append(sum(y[n] for n in near) / len(near))
            y.update(zip(layer, _apart(wanted), strict=True))
    top = min(y.values(), default=0.0)
    return {node: height - top for node, height in y.items()}


def _apart(wanted: Sequence[float]) -> list[float]:
    """The nearest heights to those wanted (least squares) that keep the order and a distance of one: neighbours that push each other move as a block."""
    blocks: list[list[float]] = []  # sum and count
    for index, height in enumerate(wanted):
        blocks.append([height - index, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    means = [total / count for total, count in blocks for _ in range(int(count))]
    return [mean + index for index, mean in enumerate(means)]
