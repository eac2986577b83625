"""Pictures: where nodes stand, and that what is drawn is the graph and nothing else."""

from __future__ import annotations

import random
import time
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.lineage.exports.layers import layout
from sematic_airflow_provider.lineage.exports.picture import MOST_NODES, drawn, svg
from sematic_airflow_provider.lineage.graph import DatasetNode, Edge, LineageGraph
from tests.lineage.exports.parts import hostile_events, part_of, recorded

SVG = "{http://www.w3.org/2000/svg}"
PAIRS = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=40)


def _graph(nodes: int, edges: list[tuple[int, int]], focus: int = 0) -> LineageGraph:
    ids = [f"dataset:{number}" for number in range(nodes)]
    return LineageGraph(
        (ids[focus],),
        tuple(DatasetNode(i, i, "n", i, None) for i in ids),
        tuple(Edge(ids[a], ids[b], "read", "") for a, b in edges),
        False,
        (),
        (),
    )


@settings(max_examples=60, deadline=None)
@given(pairs=PAIRS)
def test_no_two_nodes_overlap_and_edges_go_on_unless_they_close_a_circle(pairs: list[tuple[int, int]]) -> None:
    names = [str(number) for number in range(16)]
    where = layout(names, [(str(a), str(b)) for a, b in pairs])
    assert set(where.places) == set(names)
    for layer in range(where.layers):
        inside = [place.y for place in where.places.values() if place.layer == layer]
        inside += [bend.y for bends in where.bends.values() for bend in bends if bend.layer == layer]
        assert all(b - a >= 1 - 1e-9 for a, b in pairwise(sorted(inside)))
        assert all(-1e-9 <= y <= where.height for y in inside)
    for a, b in where.bends:
        assert where.places[a].layer < where.places[b].layer
    backwards = {(str(a), str(b)) for a, b in pairs if a != b} - set(where.bends)
    if all(a < b for a, b in pairs):
        assert not backwards


def test_a_chain_is_a_line() -> None:
    where = layout(list("abcd"), [("a", "b"), ("b", "c"), ("c", "d")])
    assert [where.places[name] for name in "abcd"] == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_each_node_and_edge_is_drawn_once() -> None:
    for name, dag in (("mixed_with_plain_tasks", "mixed_with_plain_tasks"), ("mapped_failed_skipped", "recorded")):
        graph = part_of(recorded(name), dag).graph
        root = ET.fromstring(svg(graph))
        assert len(root.findall(f"{SVG}g")) == len(graph.nodes)
        assert len([p for p in root.findall(f"{SVG}path") if p.get("class") == "edge"]) == len(graph.edges)


def test_everything_is_inside_the_frame_whichever_way_it_runs() -> None:
    for nodes, edges in ((12, [(n, n + 1) for n in range(11)]), (30, [(0, n) for n in range(1, 30)])):
        root = ET.fromstring(svg(_graph(nodes, edges)))
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        boxes = [rect for group in root.findall(f"{SVG}g") for rect in group.findall(f"{SVG}rect")]
        assert len(boxes) == nodes
        for box in boxes:
            x, y, w, h = (float(box.get(name, -1)) for name in ("x", "y", "width", "height"))
            assert x >= 0
            assert x + w <= width
            assert y >= 0
            assert y + h <= height
        assert width < 1200


def test_hostile_names_are_text_in_the_picture() -> None:
    graph = part_of(hostile_events(), "hostile").graph
    root = ET.fromstring(svg(graph, "</title><script>alert(1)</script>\x00\ud800"))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags == {"svg", "title", "style", "defs", "marker", "path", "g", "rect", "circle", "text"}


@pytest.mark.thorough
def test_of_a_large_graph_the_nearest_nodes_are_drawn_and_fast() -> None:
    rng = random.Random(7)
    edges = [(rng.randrange(max(0, n - 40), n), n) for n in range(1, 2000) for _ in range(2)]
    graph = _graph(2000, edges, focus=1000)
    began = time.monotonic()
    part = drawn(graph)
    assert len(part.nodes) == MOST_NODES
    assert graph.focus[0] in {node.id for node in part.nodes}
    assert svg(graph).count("<rect") == MOST_NODES
    svg(graph, most=2000)
    assert time.monotonic() - began < 10
