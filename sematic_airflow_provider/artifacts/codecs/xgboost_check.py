"""What an ``xgboost/1`` file must be like before XGBoost may read it.

XGBoost does not look whether the numbers in a file lead anywhere: a node whose child is node 10**9 is read, and predicting reads there. So every number that is
an index or a length is checked here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sematic_airflow_provider.artifacts.codecs.ubjson import parse

_MOST_GROUPS = 1 << 20
_MOST_CATEGORIES = 1 << 24  # what XGBoost itself allows
_NO_PARENT = 2**31 - 1
_PER_NODE = (
    "left_children", "right_children", "parents", "split_indices", "split_conditions", "split_type", "default_left", "loss_changes", "sum_hessian",
)  # fmt: skip


def check(data: memoryview) -> None:
    """See that a file leads nowhere outside of itself.

    Raises:
        ValueError: it does, or it is no model as XGBoost writes it.
    """
    try:
        learner = parse(data)["learner"]
        about = learner["learner_model_param"]
        features = int(about["num_feature"])
        groups = max(1, int(about["num_class"]), int(about.get("num_target", 1)))
        _see(0 <= features < 1 << 31 and groups <= _MOST_GROUPS, "numbers of features and classes")
        for key in ("feature_names", "feature_types"):
            _see(len(learner.get(key, ())) in (0, features), key)
        _check_booster(learner["gradient_booster"], features, groups)
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(f"no model as XGBoost writes it: {type(error).__name__}: {error}") from error


def _check_booster(booster: dict[str, Any], features: int, groups: int) -> None:
    if booster["name"] == "gblinear":
        _see(len(booster["model"]["weights"]) == (features + 1) * groups, "weights")
        return
    is_dart = booster["name"] == "dart"
    _see(is_dart or booster["name"] == "gbtree", "name of the booster")
    model = (booster["gbtree"] if is_dart else booster)["model"]
    trees, info = model["trees"], [*model["tree_info"]]
    _see(not is_dart or len(booster["weight_drop"]) == len(trees), "weights of trees")
    _see(int(model["gbtree_model_param"]["num_trees"]) == len(info) == len(trees), "number of trees")
    _see(int(model["gbtree_model_param"].get("num_parallel_tree", 1)) >= 1, "number of parallel trees")
    _see(all(type(group) is int and 0 <= group < groups for group in info), "groups of trees")
    if rounds := [*map(int, model.get("iteration_indptr", ()))]:
        _see(rounds[0] == 0 and rounds[-1] == len(trees) and all(a <= b for a, b in pairwise(rounds)), "rounds")
    if cats := model.get("cats"):
        _check_encodings(cats, features)
    for tree in trees:
        _check_tree(tree, features, groups)


def _check_tree(tree: dict[str, Any], features: int, groups: int) -> None:
    import numpy as np

    about = tree["tree_param"]
    count, width = int(about["num_nodes"]), int(about["size_leaf_vector"])
    _see(count >= 1 and 0 <= width <= groups and int(about["num_feature"]) <= features, "size of a tree")
    _see(all(tree[name].shape == (count,) for name in _PER_NODE), "lengths of a tree's arrays")
    _see(tree["base_weights"].shape == (count * max(width, 1),), "weights of a tree")
    left, right, split = (tree[name].astype("i8") for name in ("left_children", "right_children", "split_indices"))
    parents = tree["parents"]
    _see(bool(np.all((parents >= -1) & ((parents < count) | (parents == _NO_PARENT)))), "a parent that is not there")
    reached = np.zeros(count, bool)
    nodes = np.zeros(1, "i8")
    while nodes.size:
        _see(len(np.unique(nodes)) == len(nodes) and not reached[nodes].any(), "nodes that are reached twice")
        reached[nodes] = True
        inner = nodes[left[nodes] != -1]
        _see(_within(split[inner], features), "a split on a feature that is not there")
        nodes = np.concatenate([left[inner], right[inner]])
        _see(_within(nodes, count), "a child that is not there")
        _see(bool(np.all(parents[nodes] == np.tile(inner, 2))), "a child of another node")
    if width > 1:
        leaves = right[reached & (left == -1)]
        _see(_within(leaves, len(tree["leaf_weights"]) // width), "a leaf without weights")
    _check_categories(tree, count)


def _check_categories(tree: dict[str, Any], count: int) -> None:
    """Splits by category: which categories of which nodes."""
    import numpy as np

    nodes, values = tree["categories_nodes"], tree["categories"]
    starts, sizes = tree["categories_segments"], tree["categories_sizes"]
    _see(len(nodes) == len(starts) == len(sizes) and _within(nodes, count), "nodes that split by category")
    _see(_within(starts, len(values) + 1) and _within(sizes, len(values) + 1), "categories of nodes")
    _see(bool(np.all(starts + sizes <= len(values))) and _within(values, _MOST_CATEGORIES), "categories of nodes")
    by_category = np.flatnonzero(np.asarray(tree["split_type"]) != 0)
    _see(bool(np.isin(by_category, nodes).all()), "a split by categories that are not there")


def _check_encodings(cats: dict[str, Any], features: int) -> None:
    """Which number stands for which category of the data that the model was trained on."""
    import numpy as np

    bounds, order, encodings = cats["feature_segments"], cats["sorted_idx"], cats["enc"]
    if not len(bounds):
        _see(not len(order) and not len(encodings), "categories of features")
        return
    sizes = np.diff(bounds)
    _see(len(encodings) == features == len(sizes) and bounds[0] == 0 and bool(np.all(sizes >= 0)), "categories")
    _see(len(order) == bounds[-1] and bool(np.all((order >= 0) & (order < np.repeat(sizes, sizes)))), "their order")
    for size, encoding in zip(sizes.tolist(), encodings, strict=True):
        values, offsets = encoding["values"], encoding.get("offsets")
        if offsets is None:
            _see(len(values) == size, "values of categories")
        elif len(offsets):
            ends = np.diff(offsets)
            _see(len(ends) == size and offsets[0] == 0 and offsets[-1] == len(values), "texts of categories")
            _see(bool(np.all(ends >= 0)), "texts of categories")
        else:
            _see(size == 0, "texts of categories")


def _within(numbers: Any, end: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < end)


def _see(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"no model as XGBoost writes it: {what}")
