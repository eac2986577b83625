"""Previews of tensors."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.artifacts.preview_checks import shown

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("make", "dtype", "first"),
    [
        (lambda: torch.tensor(5.5), "torch.float32", [5.5]),
        (lambda: torch.tensor([0.1]), "torch.float32", [0.1]),
        (lambda: torch.tensor([0.1]).half(), "torch.float16", [0.1]),
        (lambda: torch.tensor([1.5, -2.0]).bfloat16(), "torch.bfloat16", [1.5, -2.0]),
        (lambda: torch.tensor([1.5]).to(torch.float8_e4m3fn), "torch.float8_e4m3fn", [1.5]),
        (lambda: torch.tensor([True, False]), "torch.bool", [True, False]),
        (lambda: torch.tensor([2**62]), "torch.int64", [str(2**62)]),
        (lambda: torch.zeros(0, 3), "torch.float32", []),
        (lambda: torch.tensor([1 + 2j]).conj(), "torch.complex64", ["(1-2j)"]),
        (lambda: torch.tensor([0.5], requires_grad=True), "torch.float32", [0.5]),
        (lambda: torch.arange(6.0).reshape(2, 3).T, "torch.float32", [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
    ],
)
def test_tensors_of_every_type_are_shown(make: Any, dtype: str, first: list[Any]) -> None:
    made = shown(make())
    assert (made.dtype, made.first, made.device) == (dtype, first, "cpu")
    assert made.exact or made.dtype == "torch.complex64" or not made.first


def test_a_large_tensor_that_numpy_has_not_is_sampled() -> None:
    made = shown(torch.ones(1000, 1000).bfloat16())
    assert (made.shape, made.exact, made.min, made.max) == ([1000, 1000], False, 1.0, 1.0)


def test_a_tensor_that_repeats_one_element_is_not_written_out() -> None:
    made = shown(torch.ones(1).bfloat16().expand(10**10))
    assert (made.shape, made.max) == ([10**10], 1.0)


def test_sparse_tensors_show_their_shape() -> None:
    assert shown(torch.eye(5).to_sparse()).shape == [5, 5]


def test_a_network_shows_its_tensors_and_their_norms() -> None:
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(2.0)
    for value in (layer, layer.state_dict()):
        made = shown(value)
        assert (made.kind, made.count, made.elements) == ("tensors", 2, 8)
        weight = next(tensor for tensor in made.tensors if tensor.name == "weight")
        assert (weight.shape, weight.dtype, weight.norm) == ([2, 3], "torch.float32", math.sqrt(24))


def test_of_thousands_of_tensors_some_are_listed() -> None:
    made = shown({f"layer{n}.weight": torch.zeros(2) for n in range(3000)})
    assert (made.count, made.elements) == (3000, 6000)
    assert 2 <= len(made.tensors) <= 500
