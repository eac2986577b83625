"""Tensors and state dicts of torch."""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.codecs.registry import codec_named
from sematic_airflow_provider.artifacts.codecs.tensors import _DTYPES
from sematic_airflow_provider.artifacts.content import of_bytes
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.codec_contract import CodecContract

torch = pytest.importorskip("torch")

_GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "digests.json").read_text())


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


def _bits(tensor: Any) -> bytes:
    return bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())


class TestSafetensors(CodecContract):
    codec = "safetensors/1"
    header = """
import torch
from collections import OrderedDict
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
"""
    sources = (
        "torch.arange(6.0).reshape(2, 3)",
        "torch.tensor(2.5)",
        "torch.zeros(0, 3)",
        "torch.zeros(2, 0, dtype=torch.int64)",
        "torch.tensor([True, False])",
        "torch.tensor([float('nan'), -0.0, float('-inf')])",
        "torch.ones(3, requires_grad=True)",
        "torch.nn.Parameter(torch.ones(2, 2))",
        "torch.nn.Parameter(torch.ones(2), requires_grad=False)",
        "torch.arange(24).reshape(4, 6)[::2, ::3]",
        "torch.arange(6).reshape(2, 3).T",
        "torch.ones(1).expand(5)",
        "torch.tensor([1 + 2j, 3 - 1j]).conj()",
        "torch.tensor([1, 2], dtype=torch.uint16)",
        "OrderedDict(b=torch.ones(2, dtype=torch.bfloat16), a=torch.arange(3))",
        "{'b': torch.ones(3, dtype=torch.int8), 'a': torch.zeros(2, 2, dtype=torch.float64), 'ü/0': torch.tensor(1, dtype=torch.int16)}",
        "model().state_dict()",
        "torch.nn.ReLU().state_dict()",
        "dict(model().named_parameters())",
    )

    def same(self, one: Any, other: Any) -> bool:
        if type(one) is not type(other):
            return False
        if isinstance(other, dict):
            ordered = list if isinstance(other, OrderedDict) else set
            assert ordered(one) == ordered(other)
            assert getattr(one, "_metadata", None) == getattr(other, "_metadata", None)
            return all(self.same(one[name], other[name]) for name in other)
        assert (one.dtype, one.shape, one.requires_grad) == (other.dtype, other.shape, other.requires_grad)
        return one.is_contiguous() and _bits(one) == _bits(other.resolve_conj())


def test_values_keep_their_digests(repository: Repository) -> None:
    digests = {
        source: repository.save(TestSafetensors().make(source)).digest for source in TestSafetensors.sources[:16]
    }
    assert digests == _GOLDEN["safetensors/1"]


@pytest.mark.parametrize("name", _DTYPES)
def test_every_dtype_of_the_format_comes_back_bit_by_bit(repository: Repository, name: str) -> None:
    pattern = torch.arange(240, dtype=torch.uint8) % (2 if name == "bool" else 251)
    tensor = pattern.view(getattr(torch, name))
    loaded = repository.load(repository.save({"x": tensor, "odd": torch.zeros(3, dtype=torch.uint8)}))["x"]
    assert (loaded.dtype, _bits(loaded)) == (tensor.dtype, _bits(pattern))


def test_safetensors_itself_reads_what_is_stored(repository: Repository) -> None:
    library = pytest.importorskip("safetensors.torch")
    state = TestSafetensors().make("model().state_dict()")
    theirs = library.load(bytes(repository.store.get(repository.save(state).digest)))
    assert theirs.keys() == state.keys()
    assert all(torch.equal(theirs[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("torch.arange(6).reshape(2, 3)", "torch.arange(6).reshape(3, 2).T.contiguous().T.reshape(2, 3)"),
        ("torch.ones(4, 3, 2, 2)", "torch.ones(4, 3, 2, 2).to(memory_format=torch.channels_last)"),
        ("{'a': torch.ones(1), 'b': torch.ones(2)}", "{'b': torch.ones(2), 'a': torch.ones(1)}"),
        ("{'a': torch.ones(2), 'b': torch.ones(2)}", "(lambda t: {'a': t, 'b': t})(torch.ones(2))"),
        ("{'a': torch.arange(2), 'b': torch.arange(1, 3)}", "(lambda t: {'a': t[:2], 'b': t[1:]})(torch.arange(3))"),
        ("torch.ones(2)", "(torch.ones(2, requires_grad=True) * 1)"),
        ("torch.tensor([1 - 1j])", "torch.tensor([1 + 1j]).conj()"),
    ],
)
def test_equal_tensors_are_equal_however_they_lie_in_memory(repository: Repository, one: str, other: str) -> None:
    make = TestSafetensors().make
    assert repository.save(make(one)).digest == repository.save(make(other)).digest


def test_what_counts_makes_another_artifact(repository: Repository) -> None:
    values = [
        "torch.ones(2)",
        "torch.ones(2).half()",
        "torch.ones(2, 1)",
        "torch.ones(2, requires_grad=True)",
        "torch.nn.Parameter(torch.ones(2))",
    ]
    values += [
        "{'tensor': torch.ones(2)}",
        "OrderedDict(tensor=torch.ones(2))",
        "torch.tensor([0.0])",
        "torch.tensor([-0.0])",
    ]
    digests = {repository.save(TestSafetensors().make(value)).digest for value in values}
    assert len(digests) == len(values)


def test_a_loaded_state_dict_can_be_loaded_into_a_model_and_changed(repository: Repository) -> None:
    model, other = (TestSafetensors().make("model()") for _ in range(2))
    torch.nn.init.zeros_(other[0].weight)
    ref = repository.save(model.state_dict())
    state = repository.load(ref)
    assert other.load_state_dict(state).missing_keys == []
    assert torch.equal(other(torch.ones(2, 3)), model(torch.ones(2, 3)))
    state["0.weight"].zero_()
    assert not torch.equal(repository.load(ref)["0.weight"], state["0.weight"])


def test_tensors_are_written_from_where_they_lie_and_read_where_the_file_is() -> None:
    codec: Any = codec_named("safetensors/1")
    tensor = torch.arange(1000)
    pieces = codec.buffers(tensor)
    tensor[0] = 7
    data = bytearray(b"".join(pieces))
    assert codec.buffers(torch.ones(4, 4).T[1:]) is None
    loaded = codec.decode(memoryview(data))
    loaded[1] = 9
    assert data[-1000 * 8 :][:16] == struct.pack("<qq", 7, 9)


def test_the_rest_of_a_checkpoint_is_a_manifest_around_its_tensors(repository: Repository) -> None:
    model = TestSafetensors().make("model()")
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    ref = repository.save({"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict()})
    loaded = repository.load(ref)
    optimizer.load_state_dict(loaded["optimizer"])
    assert loaded["epoch"] == 3
    assert [member.codec_name for member in repository.members(ref)] == ["json/1", "safetensors/1", "tree/1"]
    assert repository.save(loaded).digest == ref.digest


def test_a_module_is_refused_with_advice(repository: Repository) -> None:
    with pytest.raises(NoCodecError, match=r"return model\.state_dict\(\).*make Linear again"):
        repository.save(torch.nn.Linear(2, 1))
    with pytest.raises(NoCodecError, match=r"member 'net'.*state_dict"):
        repository.save({"net": torch.nn.Linear(2, 1)})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("torch.eye(2).to_sparse()", "dense"), ("{'w': torch.zeros(2, device='meta')}", "w: .*meta"), ("torch.ones(2, dtype=torch.complex128)", "view_as_real"),
        ("torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)", "dequantize"), ("{chr(0xd800): torch.ones(2)}", "text"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_the_format_has_no_form_for_is_refused_with_advice(
    repository: Repository, source: str, words: str
) -> None:
    with pytest.raises(NoCodecError, match=words):
        repository.save(TestSafetensors().make(source))


def test_what_is_not_exactly_tensors_is_left_to_others(repository: Repository) -> None:
    assert repository.save({"a": torch.ones(1), "b": 1}).codec == "tree/1"
    assert repository.save({1: torch.ones(1)}).codec == "tree/1"
    assert repository.save({"__metadata__": torch.ones(1)}).codec == "tree/1"
    with pytest.raises(NoCodecError, match="Mine"):
        repository.save(torch.ones(1).as_subclass(type("Mine", (torch.Tensor,), {})))


def _file(header: Any, data: bytes = b"", note: Any = None) -> bytes:
    note = {"kind": "dict", "requires_grad": {}} if note is None else note
    text = json.dumps({"__metadata__": {"sematic": json.dumps(note)}, **header}).encode()
    return len(text).to_bytes(8, "little") + text + data


def _entry(shape: Any, start: Any, end: Any, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "data",
    [
        _file({"a": _entry([2], 0, 8)}, bytes(7)),
        _file({"a": _entry([2], 0, 8)}, bytes(9)),
        _file({"a": _entry([3], 0, 8)}, bytes(8)),
        _file({"a": _entry([2**62], 0, 8)}, bytes(8)),
        _file({"a": _entry([-1, -2], 0, 8)}, bytes(8)),
        _file({"a": _entry([2], 0, 8, "F4")}, bytes(8)),
        _file({"a": _entry([1], 0, 4), "b": _entry([1], 0, 4)}, bytes(4)),
        _file({"a": _entry([1], 4, 8)}, bytes(8)),
        _file({"a": _entry([True], 0, 4)}, bytes(4)),
        _file({"a": _entry([3], 0, 3, "U8"), "b": _entry([1], 3, 7)}, bytes(7)),
        _file({"a": _entry([1], 0, 1, "BOOL")}, b"\x07"),
        _file({"a": _entry([0, 2**63], 0, 0)}),
        _file({"a": _entry([1], 0.0, 4)}, bytes(4)),
        _file({"a": 5}),
        _file({"a": _entry([], 0, 4)}, bytes(4), {"kind": "module", "requires_grad": {}}),
        _file({"a": _entry([], 0, 4)}, bytes(4), {"kind": "tensor", "requires_grad": {}}),
        (2**63).to_bytes(8, "little") + b"{}",
        (50_000).to_bytes(8, "little") + b"[" * 50_000,
        _file({"a": _entry([1], 0, 4)}, bytes(4), {"kind": "ordered", "requires_grad": {}, "names": ["a", "a"]}),
        b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
    ],
)
def test_a_crafted_file_is_refused(repository: Repository, data: bytes) -> None:
    stored = repository.store.put(of_bytes(data))
    with pytest.raises(ArtifactError, match="safetensors/1"):
        repository.load(ArtifactRef(stored.digest, "safetensors/1", "torch.Tensor", stored.size))


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 400), byte=st.integers(0, 255), cut=st.integers(0, 400))
def test_damaged_files_give_tensors_or_errors(place: int, byte: int, cut: int) -> None:
    codec: Any = codec_named("safetensors/1")
    value = {"a": torch.arange(3.0), "b": torch.tensor([True, False]), "c": torch.zeros(0, 2)}
    data = bytearray(b"".join(codec.buffers(value)))
    data[place % len(data)] = byte
    for damaged in (data, data[:cut]):
        try:
            assert isinstance(codec.decode(memoryview(damaged)), (dict, torch.Tensor))
        except (ValueError, LookupError, TypeError, RuntimeError, AttributeError, ArtifactError):
            continue


def test_a_checkpoint_that_changed_in_one_layer_stores_little_more(repository: Repository) -> None:
    state = {f"layer {number}": torch.rand(1 << 20) for number in range(6)}
    first = repository.save(state)
    before = _stored_bytes(repository)
    state["layer 2"] = torch.rand(1 << 20)
    second = repository.save(state)
    assert (first.codec, second.codec) == ("chunks/1:safetensors/1",) * 2
    assert 4 << 20 <= _stored_bytes(repository) - before < 16 << 20
    assert torch.equal(repository.load(second)["layer 2"], state["layer 2"])


def _stored_bytes(repository: Repository) -> int:
    root = Path(repository.store.url.removeprefix("file://"))
    return sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
