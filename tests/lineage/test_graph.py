"""The walk."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sematic_airflow_provider.lineage.graph import Edge, Hop, Stop, artifact_label, run_label, walk


class Edges:
    """A graph in memory, counting how often it is asked."""

    def __init__(self, *pairs: str) -> None:
        self._edges = [Edge(*pair.split(">"), "read", "") for pair in pairs]  # type: ignore[misc,arg-type]
        self.asked = 0
        self.cut: set[str] = set()

    def into(self, stops: Sequence[Stop]) -> Hop:
        self.asked += 1
        node_ids = [stop.node_id for stop in stops]
        return Hop([edge for edge in self._edges if edge.target in node_ids], frozenset(self.cut & set(node_ids)))

    def out_of(self, stops: Sequence[Stop]) -> Hop:
        self.asked += 1
        node_ids = [stop.node_id for stop in stops]
        return Hop([edge for edge in self._edges if edge.source in node_ids])


DIAMOND = ("a>b", "a>c", "b>d", "c>d", "d>e", "x>c")


def test_everything_is_found_in_both_directions() -> None:
    found = walk(["d"], Edges(*DIAMOND), depth=9)
    assert set(found.ids) == set("abcdex")
    assert len(found.edges) == len(DIAMOND)
    assert not found.truncated


def test_upstream_hops_never_turn_downstream() -> None:
    assert set(walk(["b"], Edges(*DIAMOND), depth=9).ids) == set("abde")


@pytest.mark.parametrize(("direction", "ids"), [("upstream", "abcdx"), ("downstream", "de")])
def test_one_direction_only(direction: str, ids: str) -> None:
    assert set(walk(["d"], Edges(*DIAMOND), depth=9, direction=direction).ids) == set(ids)  # type: ignore[arg-type]


def test_depth_limits_and_marks_what_has_more() -> None:
    found = walk(["d"], Edges(*DIAMOND), depth=1)
    assert set(found.ids) == set("bcde")
    assert (found.more_upstream, found.more_downstream) == ({"b", "c"}, set())
    assert not found.truncated


def test_depth_zero_is_the_node_alone_and_says_that_there_is_more() -> None:
    found = walk(["d"], Edges(*DIAMOND), depth=0)
    assert (set(found.ids), found.more_upstream, found.more_downstream) == ({"d"}, {"d"}, {"d"})


def test_the_size_limits_and_says_so() -> None:
    found = walk(["d"], Edges(*DIAMOND), depth=9, max_nodes=3)
    assert len(found.ids) == 3
    assert found.truncated


def test_more_seeds_than_fit_are_cut() -> None:
    found = walk(list("abcdex"), Edges(*DIAMOND), depth=1, max_nodes=2)
    assert len(found.ids) == 2
    assert found.truncated


def test_a_cycle_ends() -> None:
    assert set(walk(["a"], Edges("a>b", "b>a"), depth=50).ids) == {"a", "b"}


def test_a_hop_is_one_question_whatever_its_width() -> None:
    wide = Edges(*(f"{n}>hub" for n in range(200)))
    walk(["hub"], wide, depth=2, direction="upstream")
    assert wide.asked <= 3


def test_what_the_neighbours_left_out_is_more() -> None:
    edges = Edges(*DIAMOND)
    edges.cut = {"c"}
    found = walk(["d"], edges, depth=9)
    assert (found.more_upstream, found.more_downstream, found.truncated) == ({"c"}, set(), False)


def test_labels_are_what_people_call_things() -> None:
    assert run_label("group.train", "flow.group.train") == "train"
    assert run_label(None, "spark.job") == "job"
    assert artifact_label(["flow.train.return_value"], "f" * 64) == "train"
    assert artifact_label(["flow.split.test"], "f" * 64) == "split.test"
    assert artifact_label([], "f" * 64) == "f" * 12
