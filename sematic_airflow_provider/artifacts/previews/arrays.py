"""Previews of arrays and tensors: NumPy, SciPy's sparse matrices, torch."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
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

    flat = tensor.detach()
    whole = tensor.numel() <= SAMPLE
    if tensor.layout == torch.strided and (
        flat.device.type != "cpu" or flat.dtype in (torch.bfloat16,) or flat.element_size() < 2 or not whole
    ):
        positions = spread(tensor.numel(), SAMPLE)
        flat = torch.take(flat, torch.from_numpy(positions).to(flat.device)).cpu()
    if flat.dtype.is_floating_point and flat.dtype not in (torch.float16, torch.float32, torch.float64):
        flat = flat.float()
    facts = {
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype),
        "nbytes": tensor.numel() * tensor.element_size(),
        "device": str(tensor.device),
    }
    if tensor.layout != torch.strided:
        return ArrayPreview(**facts, exact=False, sample_size=0, first=[])
    array = flat.resolve_conj().resolve_neg().numpy()
    found = _numbers(array) if array.dtype.kind in "biuf" and array.size else {"exact": False, "sample_size": 0}
    first = [cell(member) for member in array.reshape(-1)[:FIRST]] if whole else _first_of(tensor)
    return ArrayPreview(**facts, **{**found, "exact": whole}, first=first)


def _first_of(tensor: Any) -> list[Any]:
    import torch

    positions = torch.arange(min(FIRST, tensor.numel()), device=tensor.device)
    first = torch.take(tensor.detach(), positions).cpu().resolve_conj().resolve_neg()
    if first.dtype.is_floating_point and first.dtype not in (torch.float16, torch.float32, torch.float64):
        first = first.float()
    return [cell(member) for member in first.numpy()]


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
