"""What a ``lightgbm/1`` file must be like before LightGBM may read it.

LightGBM does not look whether the numbers in a text lead anywhere, and an odd number in a tree ends the process. So the trees are read here first: sizes,
indices, and how numbers are written.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise

_INTS = re.compile(r"-?\d{1,18}( -?\d{1,18})*")
_REALS = re.compile(r"-?(\d+(\.\d*)?(e[-+]?\d+)?|inf|nan)( -?(\d+(\.\d*)?(e[-+]?\d+)?|inf|nan))*")
_OF_SPLITS = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
_REALS_OF_SPLITS = ("split_gain", "threshold", "internal_value", "internal_weight")
_MOST_LEAVES = 1 << 24
_MOST_CLASSES = 1 << 20
_END = "end of trees"
_PARAMETER = re.compile(r"\[([a-z0-9_]+): [^\]\n\"\\]*\]\n")
_FOOT = re.compile(
    r"end of trees\n\n"
    r"feature_importances:\n(?:[^\n]+=\d+\n)*\n"
    rf"parameters:\n(?P<parameters>(?:{_PARAMETER.pattern.replace('(', '(?:')})*)\nend of parameters\n"
)

Tree = dict[str, str]


def check(text: str, parameters: Collection[str]) -> None:
    """See that the trees of a text lead nowhere outside of it, and that of parameters it names only these.

    Raises:
        ValueError: they do, or it is no model as LightGBM writes it.
    """
    try:
        _check(text.encode(), parameters)
    except KeyError as error:
        raise ValueError(f"no model as LightGBM writes it: without {error}") from error


def _check(data: bytes, parameters: Collection[str]) -> None:
    head, _, _ = data.partition(b"\n\n")
    about = _lines(head.decode(), "tree")
    features = _number(about, "max_feature_idx") + 1
    _see(0 <= features <= len(data), "number of features")
    _see(len(about["feature_names"].split(" ")) == max(features, 1), "names of features")
    _see(len(about["feature_infos"].split(" ")) == max(features, 1), "ranges of features")
    groups = _number(about, "num_tree_per_iteration")
    _see(1 <= groups <= _MOST_CLASSES and 1 <= _number(about, "num_class") <= _MOST_CLASSES, "number of classes")
    _see(0 <= _number(about, "label_index") <= features, "index of the label")
    sizes = _ints(about, "tree_sizes") if about["tree_sizes"] else []
    at = len(head) + 2
    for number, size in enumerate(sizes):
        tree = data[at : at + size].decode()
        _see(0 < size == len(tree.encode()), "sizes of trees")
        _check_tree(_lines(tree.rstrip("\n"), f"Tree={number}"), features)
        at += size
    _see(data[at : at + len(_END)].decode() == _END and not len(sizes) % groups, "number of trees")
    end = _FOOT.fullmatch(data[at:].decode())
    _see(end is not None, "what stands behind the trees")
    names = _PARAMETER.findall(end["parameters"]) if end else []
    _see(len(set(names)) == len(names) and set(names) <= set(parameters), "a parameter that is not known")


def _check_tree(tree: Tree, features: int) -> None:
    leaves, sets = _number(tree, "num_leaves"), _number(tree, "num_cat")
    _see(1 <= leaves <= _MOST_LEAVES and 0 <= sets < leaves, "number of leaves")
    _number(tree, "is_linear")
    _reals(tree, "shrinkage", 1)
    _reals(tree, "leaf_value", leaves)
    if tree["is_linear"] != "0":
        _check_linear(tree, features, leaves)
    if leaves == 1:
        return
    splits = leaves - 1
    for name in _REALS_OF_SPLITS:
        _reals(tree, name, splits)
    feature, decision, left, right, _ = (_ints(tree, name, splits) for name in _OF_SPLITS)
    _reals(tree, "leaf_weight", leaves)
    _ints(tree, "leaf_count", leaves)
    _see(all(0 <= index < features for index in feature), "a split on a feature that is not there")
    _see(all(0 <= kind < 16 for kind in decision), "a split of unknown kind")
    for children in (left, right):  # a split stands before those below it
        _see(all(n < child < splits or -leaves <= child < 0 for n, child in enumerate(children)), "a child")
    if sets:
        bounds = _ints(tree, "cat_boundaries", sets + 1)
        words = _ints(tree, "cat_threshold", bounds[-1])
        _see(bounds[0] == 0 and all(a <= b for a, b in pairwise(bounds)), "bounds of categories")
        _see(all(0 <= word < 1 << 32 for word in words), "categories")
    chosen = [float(text) for text, kind in zip(tree["threshold"].split(" "), decision, strict=True) if kind & 1]
    _see(all(0 <= number < sets for number in chosen), "a split by categories that are not there")


def _check_linear(tree: Tree, features: int, leaves: int) -> None:
    """Leaves that hold a linear model: on which features, with which weights."""
    _reals(tree, "leaf_const", leaves)
    counts = _ints(tree, "num_features", leaves)
    _see(all(count >= 0 for count in counts), "features of a leaf")
    used, weights = (tree[name].split() for name in ("leaf_features", "leaf_coeff"))
    _see(len(used) == len(weights) == sum(counts), "features of a leaf")
    _see(not used or bool(_INTS.fullmatch(" ".join(used)) and _REALS.fullmatch(" ".join(weights))), "linear leaves")
    _see(all(0 <= int(index) < features for index in used), "features of a leaf")


def _lines(text: str, first: str) -> Tree:
    """Lines of name and value, each name once: LightGBM and we must not read different ones."""
    lines = text.split("\n")
    _see(lines[0] == first, f"it should begin with {first}")
    pairs = [line.partition("=") for line in lines[1:] if line]
    found = {name: value for name, _, value in pairs}
    _see(len(found) == len(pairs), "a line that stands there twice")
    _see(not any(character in text for character in "\r\0"), "odd characters")
    return found


def _number(tree: Tree, name: str) -> int:
    return _ints(tree, name, 1)[0]


def _ints(tree: Tree, name: str, count: int | None = None) -> list[int]:
    text = tree[name]
    _see(_INTS.fullmatch(text) is not None and count in (None, text.count(" ") + 1), name)
    return [int(part) for part in text.split(" ")]


def _reals(tree: Tree, name: str, count: int) -> None:
    text = tree[name]
    _see(_REALS.fullmatch(text) is not None and text.count(" ") + 1 == count, name)


def _see(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"no model as LightGBM writes it: {what}")
