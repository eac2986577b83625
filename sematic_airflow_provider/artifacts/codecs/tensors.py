"""``safetensors/1``: tensors of torch, and dicts of them such as ``model.state_dict()``, in the safetensors format.

``safetensors.torch.load`` reads what is stored. The format is written and read here: its bytes then never depend on a library's version, and nothing is copied
on the way. What it has no place for stands in its metadata, as one record under ``sematic``.
"""

from __future__ import annotations

import json
import math
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from sematic_airflow_provider.artifacts.codecs.json import from_json, to_json
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.errors import MissingExtraError, NoCodecError

_METADATA, _NOTE, _ALONE = "__metadata__", "sematic", "tensor"
_MAX_HEADER = 100_000_000  # as the format has it
_PARAMETER = 2
_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8",
    "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL", "complex64": "C64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0",
}  # fmt: skip


class SafetensorsCodec:
    """Dtype, shape and every bit of the numbers come back, and whether a tensor is a ``Parameter`` and requires a gradient.

    What is no part of a value is not kept, so that equal tensors are one artifact: the device (loaded tensors are in main memory), strides
    (they are contiguous), gradients and the graph that a tensor was computed by, and memory that two tensors of a dict share (they are two afterwards).
    A plain dict comes back sorted, an ``OrderedDict`` in its order and with the versions of modules that ``state_dict()`` notes in it.
    """

    name = "safetensors/1"
    deterministic = True
    chunked = True

    def handles(self, value: object) -> bool:
        """Tensors and parameters of torch itself, and dicts of nothing else with text keys."""
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "nn"):
            return False
        kinds = (torch.Tensor, torch.nn.Parameter)
        if type(value) not in (dict, OrderedDict):
            return type(value) in kinds
        members: Mapping[Any, Any] = value  # type: ignore[assignment]
        if not members:
            return hasattr(value, "_metadata")
        return all(type(key) is str and key != _METADATA and type(m) in kinds for key, m in members.items())

    def advice(self, value: object) -> str | None:
        """What to do with a module."""
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "nn") or not isinstance(value, torch.nn.Module):
            return None
        return (
            "a torch module is code and numbers, and its code cannot be stored safely: return model.state_dict(), and in the next step "
            f"make {type(value).__name__} again and call load_state_dict() on it"
        )

    def buffers(self, value: Any) -> Sequence[memoryview | bytes] | None:
        """Header and tensors, where all of these lie in main memory as the file has them."""
        tensors = _named(value)
        if not all(tensor.device.type == "cpu" and tensor.is_contiguous() for tensor in tensors.values()):
            return None
        return [_header(value, tensors), *(_memory(tensors[name]) for name in _in_file(tensors))]

    def encode(self, value: Any, file: BinaryIO) -> None:
        """Write the tensors, one at a time."""
        tensors = _named(value)
        file.write(_header(value, tensors))
        for name in _in_file(tensors):
            file.write(_memory(tensors[name]))

    def decode(self, data: memoryview) -> Any:
        """The tensors, in the memory that was given when it can be written to."""
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError("reading a tensor", "torch") from error
        header, start = _read_header(data)
        note = json.loads(header.pop(_METADATA)[_NOTE])
        kept = memoryview(bytearray(data[start:])) if data.readonly else data[start:]
        flags = note["requires_grad"]
        tensors = {
            name: _tensor(torch, kept[begin:end], about, flags.get(name, 0))
            for name, about, begin, end in _placed(header, len(kept))
        }
        kind, names = note["kind"], note.get("names", sorted(tensors))
        if sorted(names) != sorted(tensors) or kind not in ("tensor", "dict", "ordered"):
            raise ValueError(f"no tensors as this codec writes them: {str(kind)[:40]!r}")
        if kind == "tensor":
            return tensors[_ALONE]
        if kind == "dict":
            return {name: tensors[name] for name in names}
        ordered = OrderedDict((name, tensors[name]) for name in names)
        if "versions" in note:
            ordered._metadata = OrderedDict(from_json(note["versions"]))  # type: ignore[attr-defined]
        return ordered


def _named(value: Any) -> dict[str, Any]:
    """The tensors by name, as they can be written.

    Raises:
        NoCodecError: the format has no form for one.
    """
    found = value if isinstance(value, dict) else {_ALONE: value}
    return {name: _plain(name, tensor) for name, tensor in found.items()}


def _plain(name: str, tensor: Any) -> Any:
    import torch

    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized:
        kind = "nested" if tensor.is_nested else "quantized" if tensor.is_quantized else str(tensor.layout)
        raise NoCodecError(f"{name}: a {kind} tensor cannot be stored: make it dense (to_dense(), dequantize()) first")
    if tensor.device.type == "meta":
        raise NoCodecError(f"{name}: a tensor on the meta device has no numbers to store")
    if dtype not in _DTYPES:
        advice = ": return torch.view_as_real(tensor)" if tensor.is_complex() else ""
        raise NoCodecError(f"{name}: the safetensors format has no dtype {dtype}{advice or ': convert it first'}")
    return tensor.detach().resolve_conj().resolve_neg()


def _header(value: Any, tensors: Mapping[str, Any]) -> bytes:
    own = value if isinstance(value, dict) else {_ALONE: value}
    flags = {name: _flag(tensor) for name, tensor in own.items()}
    kind = "tensor" if own is not value else "dict" if type(value) is dict else "ordered"
    note: dict[str, Any] = {"kind": kind, "requires_grad": {name: flag for name, flag in flags.items() if flag}}
    if kind == "ordered":
        note["names"] = list(value)
        if (versions := getattr(value, "_metadata", None)) is not None:
            note["versions"] = to_json(dict(versions))
    record: dict[str, Any] = {_METADATA: {_NOTE: canonical_json(note).decode()}}
    end = 0
    for name in _in_file(tensors):
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        dtype = _DTYPES[str(tensor.dtype).removeprefix("torch.")]
        record[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [start, end]}
    try:
        text = canonical_json(record)
    except UnicodeEncodeError as error:
        raise NoCodecError(f"a name of a tensor is no text that can be stored: {error.reason}") from error
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _flag(tensor: Any) -> int:
    """How a gradient is asked for: not, by a tensor, by a parameter, which may also do without (3). Tensors that were computed come back without."""
    import torch

    if type(tensor) is torch.nn.Parameter:
        return _PARAMETER if tensor.requires_grad else _PARAMETER + 1
    return int(tensor.requires_grad and tensor.is_leaf)


def _in_file(tensors: Mapping[str, Any]) -> list[str]:
    """The names in the order of the file: wide numbers first, so that all lie where the processor wants them."""
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def _memory(tensor: Any) -> memoryview:
    import torch

    memory: memoryview = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return memory


def _read_header(data: memoryview) -> tuple[dict[str, Any], int]:
    size = int.from_bytes(data[:8], "little")
    if not 2 <= size <= min(_MAX_HEADER, len(data) - 8):
        raise ValueError("no header of a safetensors file")
    header = json.loads(bytes(data[8 : 8 + size]))
    if not isinstance(header, dict) or not isinstance(header.get(_METADATA), dict) or _NOTE not in header[_METADATA]:
        raise ValueError("a safetensors file without our note")
    return header, 8 + size


def _placed(header: Mapping[str, Any], size: int) -> Iterator[tuple[str, tuple[str, list[int]], int, int]]:
    """Names, dtypes, shapes and places of tensors. One follows the other without gaps, to the end of the file."""
    dtypes, at = {code: name for name, code in _DTYPES.items()}, 0
    for name, entry in sorted(header.items(), key=lambda pair: pair[1]["data_offsets"]):
        shape, (start, end) = entry["shape"], entry["data_offsets"]
        if not all(type(length) is int and 0 <= length < 1 << 63 for length in shape) or type(end) is not int:
            raise ValueError(f"the tensor {name[:80]} has no shape")
        width = _width(entry["dtype"])
        if start != at or end - start != math.prod(shape) * width or end > size or start % width:
            raise ValueError(f"the tensor {name[:80]} does not lie where it says")
        yield name, (dtypes[entry["dtype"]], shape), start, end
        at = end
    if at != size:
        raise ValueError("the tensors do not fill the file")


def _width(code: str) -> int:
    if code in ("BOOL", "BF16"):
        return 1 if code == "BOOL" else 2
    bits = code[1:].partition("_")[0]
    return int(bits) // 8


def _tensor(torch: Any, memory: memoryview, about: tuple[str, list[int]], flag: int) -> Any:
    dtype, shape = getattr(torch, about[0], None), about[1]
    if dtype is None:
        raise ValueError(f"torch {torch.__version__} has no dtype {about[0]}")
    tensor = torch.frombuffer(memory, dtype=dtype) if len(memory) else torch.empty(0, dtype=dtype)
    if dtype is torch.bool and len(memory) and int(tensor.view(torch.uint8).max()) > 1:
        raise ValueError("a truth value that is neither 0 nor 1")
    tensor = tensor.reshape(shape)
    if flag >= _PARAMETER:
        return torch.nn.Parameter(tensor, requires_grad=flag == _PARAMETER)
    return tensor.requires_grad_() if flag else tensor
