"""Previews of arrays and tensors: NumPy, SciPy's sparse matrices, torch."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sematic_airflow_provider.artifacts.previews.cells import cell, cut
from sematic_airflow_provider.artifacts.previews.form import ArrayPreview, Preview, Tensor, TensorsPreview
from sematic_airflow_provider.artifacts.previews.summaries import extremes, most_common, spread, statistics

FIRST = 24
SAMPLE = 1 << 18
TENSORS = 500
_EXACT = 1 << 24
_COPIED = 1 << 21
_BLOCK = 1 << 12
_NORM_ELEMENTS = 1 << 25
_NORM_PIECE = 1 << 20


def preview_of(value: object) -> Preview | None:
    """The preview of an array, a tensor or named tensors; None for anything else."""
    numpy, torch, sparse = (sys.modules.get(name) for name in ("numpy", "torch", "scipy.sparse"))
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _array(numpy.asarray(value))
    if sparse is not None and sparse.issparse(value):
        return _sparse(value)
    if torch is None:
        return None
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, torch.nn.Module):
        return _tensors(value.state_dict())
    if isinstance(value, Mapping) and value and all(isinstance(member, torch.Tensor) for member in value.values()):
        return _tensors(value)
    return None


def _array(array: Any) -> ArrayPreview:
    found = {
        "shape": list(array.shape),
        "dtype": cut(str(array.dtype)),
        "nbytes": array.nbytes,
        "first": [cell(member) for member in array.flat[:FIRST]] if array.ndim else [cell(array[()])],
    }
    if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8 and array.size:
        return ArrayPreview(**found, **_numbers(array))
    sample = array.flat[spread(array.size, 10_000)] if array.dtype.kind in "USmM" and array.ndim else None
    if sample is None:
        return ArrayPreview(**found, exact=False, sample_size=0)
    if array.dtype.kind in "US":
        return ArrayPreview(**found, exact=False, sample_size=sample.size, top=most_common(sample.tolist())[0])
    there = sample[~(sample != sample)]  # NaT is not itself
    ends = (cell(there.min()), cell(there.max())) if there.size else (None, None)
    return ArrayPreview(**found, exact=array.size <= sample.size, sample_size=sample.size, min=ends[0], max=ends[1])


def _numbers(array: Any) -> dict[str, Any]:
    flat = _flat(array)
    exact = array.size <= (_COPIED if flat is None else _EXACT)
    if flat is None and exact:
        flat = array.reshape(-1)
    sample = _sample(array if flat is None else flat)
    low, high, nan, inf = extremes(flat if exact else sample)
    counts = most_common(sample.tolist())[0] if array.dtype.kind == "b" else None
    return {
        "exact": exact,
        "sample_size": int(sample.size),
        "nan": nan,
        "inf": inf,
        "min": cell(low),
        "max": cell(high),
        "statistics": statistics(sample) if array.dtype.kind != "b" else None,
        "top": counts,
    }


def _flat(array: Any) -> Any:
    """All elements in one row, where that needs no copy."""
    if array.flags.c_contiguous or array.ndim == 1:
        return array.reshape(-1)
    return array.T.reshape(-1) if array.flags.f_contiguous else None


def _sample(array: Any) -> Any:
    """Whole pages of elements from all over the array, or all of them."""
    import numpy as np

    if array.size <= SAMPLE:
        return array.reshape(-1)
    if array.ndim != 1:
        return array.flat[spread(array.size, SAMPLE // 4)]
    blocks = spread(array.size // _BLOCK, SAMPLE // _BLOCK)
    return np.concatenate([array[block * _BLOCK : (block + 1) * _BLOCK] for block in blocks])


def _sparse(matrix: Any) -> ArrayPreview:
    data = (
        matrix.data
        if hasattr(matrix, "data") and getattr(matrix.data, "dtype", None) is not None
        else matrix.tocoo().data
    )
    found: dict[str, Any] = {"exact": False, "sample_size": 0}
    if data.dtype.kind in "biuf" and data.size:
        found = _numbers(data)
    shape = [int(length) for length in matrix.shape]
    return ArrayPreview(
        shape=shape, dtype=str(matrix.dtype), nbytes=int(data.nbytes), first=[], stored=int(matrix.nnz), **found
    )


def _tensor(tensor: Any) -> ArrayPreview:
    import torch

    facts: dict[str, Any] = {
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype),
        "nbytes": tensor.numel() * tensor.element_size(),
        "device": str(tensor.device),
    }
    if tensor.layout != torch.strided:
        return ArrayPreview(**facts, exact=False, sample_size=0, first=[])
    plain = tensor.detach().resolve_conj().resolve_neg()
    if plain.device.type == "cpu":
        try:
            return replace(_array(plain.numpy()), **facts)
        except TypeError:  # a type that NumPy does not have
            pass
    sample = _taken(plain, spread(tensor.numel(), SAMPLE))
    found = _numbers(sample) if sample.dtype.kind in "biuf" and sample.size else {"sample_size": int(sample.size)}
    first = _taken(plain, spread(min(FIRST, tensor.numel()), FIRST))
    return ArrayPreview(
        **facts, **{**found, "exact": sample.size == tensor.numel()}, first=[cell(member) for member in first]
    )


def _taken(tensor: Any, positions: Any) -> Any:
    """Some elements as a NumPy array, wherever the tensor is; nothing else of it is copied."""
    import torch

    raw = (
        tensor.view(torch.uint8) if tensor.element_size() == 1 else tensor
    )  # not everything is known of very short floats
    taken = torch.take(raw, torch.from_numpy(positions).to(raw.device)).cpu().view(tensor.dtype)
    if taken.dtype.is_floating_point and taken.dtype not in (torch.float16, torch.float32, torch.float64):
        taken = taken.float()
    return taken.numpy()


def _tensors(tensors: Mapping[str, Any]) -> TensorsPreview:
    elements = sum(tensor.numel() for tensor in tensors.values() if hasattr(tensor, "numel"))
    shown = [(str(name), tensor) for name, tensor in tensors.items() if hasattr(tensor, "numel")][:TENSORS]
    return TensorsPreview(
        count=len(tensors),
        elements=elements,
        tensors=[
            Tensor(
                name=cut(name),
                shape=list(tensor.shape),
                dtype=str(tensor.dtype),
                norm=_norm(tensor) if elements <= _NORM_ELEMENTS else None,
            )
            for name, tensor in shown
        ],
    )


def _norm(tensor: Any) -> Any:
    if not tensor.dtype.is_floating_point or not math.prod(tensor.shape):
        return None
    pieces = tensor.detach().reshape(-1).split(_NORM_PIECE)  # so that few are there twice
    return cell(math.sqrt(sum(float(piece.double().square().sum()) for piece in pieces)))
