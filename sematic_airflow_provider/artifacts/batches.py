"""Batches: a sequence of artifacts that is read one at a time, as what wrote it made them one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from sematic_airflow_provider.artifacts.ref import ArtifactRef

T = TypeVar("T")


class Batches(Sequence[T]):
    """What a step gets that reads the result of a generator. Each batch is loaded when it is reached, and again when it is reached again; none is kept."""

    def __init__(self, refs: Sequence[ArtifactRef], load: Callable[[ArtifactRef], Any]) -> None:
        self.refs = refs
        self._load = load

    def __iter__(self) -> Iterator[T]:
        return (self._load(ref) for ref in self.refs)

    def __len__(self) -> int:
        return len(self.refs)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Batches[T]: ...
    def __getitem__(self, index: int | slice) -> T | Batches[T]:
        if isinstance(index, slice):
            return Batches(self.refs[index], self._load)
        value: T = self._load(self.refs[index])
        return value

    def __repr__(self) -> str:
        return f"<{len(self)} batches>"


def is_stream(value: object) -> bool:
    """Whether a value makes its members one at a time: generators, ``map``, ``zip`` and other iterators, but not open files; and Batches themselves."""
    return isinstance(value, Batches) or (isinstance(value, Iterator) and not hasattr(value, "readable"))
