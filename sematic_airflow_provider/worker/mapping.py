"""What mapped steps are expanded over, by refs: one instance fetches its own member of a collection, and no other.

Airflow resolves the arguments of a mapped task before its operator exists. So the operator cannot ask for refs; the input that ``expand`` makes can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from airflow.sdk.definitions._internal.expandinput import (
    DictOfListsExpandInput,
    ListOfDictsExpandInput,
    MappedArgument,
)
from airflow.sdk.definitions.xcom_arg import ConcatXComArg, MapXComArg, XComArg, ZipXComArg

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import NoCodecError, StepError
from sematic_airflow_provider.worker.arguments import materialised
from sematic_airflow_provider.worker.xcom import lazy_refs, note_read

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository


@attrs.define
class RefsOfLists(DictOfListsExpandInput):
    """What ``expand(**collections)`` was given."""

    def resolve(self, context: Any) -> tuple[Mapping[str, Any], set[int]]:
        """The own member of each collection, and the ids of what must not be rendered as a template."""
        index = _map_index(context)
        collections = {name: collection(value, context) for name, value in self.value.items()}
        lengths = {name: len(members) for name, members in collections.items()}
        data = {name: self._expand_mapped_field(name, value, index, lengths) for name, value in collections.items()}
        return data, {id(value) for name, value in data.items() if _is_pushed(self.value[name])}


@attrs.define
class RefsOfDicts(ListOfDictsExpandInput):
    """What ``expand_kwargs(dicts)`` was given."""

    def resolve(self, context: Any) -> tuple[Mapping[str, Any], set[int]]:
        """The arguments of this instance, and the ids of what must not be rendered as a template."""
        index = _map_index(context)
        own = (collection(self.value, context) if _is_pushed(self.value) else self.value)[index]
        pushed = not isinstance(own, Mapping) or _is_pushed(self.value)
        if _is_pushed(own):
            with lazy_refs():
                own = own.resolve(context)
        arguments = members(own) if isinstance(own, ArtifactRef) else own
        if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
            shown = own.type if isinstance(own, ArtifactRef) else type(own).__name__
            raise StepError(f"expand_kwargs takes a list of dicts with text keys: its element {index} is {shown}")
        return arguments, {id(value) for value in arguments.values()} if pushed else set()


def by_refs(given: Any) -> Any:
    """The same input of ``expand`` or ``expand_kwargs``, resolved to refs."""
    if isinstance(given, DictOfListsExpandInput):
        return RefsOfLists(given.value)  # type: ignore[call-arg]
    if isinstance(given, ListOfDictsExpandInput):
        return RefsOfDicts(given.value)  # type: ignore[call-arg]
    return given


def own_member(argument: MappedArgument, context: Any) -> Any:
    """What a mapped task group hands to the steps in it, by ref.

    Raises:
        StepError: this pass through the group is not given it.
    """
    data, _ = by_refs(argument._input).resolve(context)
    if argument._key not in data:
        raise StepError(
            f"the dict at {_map_index(context)} that the mapped task group is expanded over has no {argument._key!r}: every dict needs it, "
            "whatever the group's parameter has as its default"
        )
    return data[argument._key]


def collection(given: Any, context: Any) -> Any:
    """A sequence or dict of refs, for what other tasks pushed; what the Dag file holds, and small JSON that others pushed, as it is.

    Raises:
        StepError: it is no collection.
    """
    if isinstance(given, MapXComArg):  # its functions take values
        loaded = _Each(_in_order(collection(given.arg, context)), materialised)
        return attrs.evolve(given, arg=_Leaf(loaded)).resolve(context)
    if isinstance(given, ZipXComArg):
        leaves = [_Leaf(_in_order(collection(arg, context))) for arg in given.args]
        return attrs.evolve(given, args=leaves).resolve(context)
    if isinstance(given, ConcatXComArg):
        return attrs.evolve(given, args=[_Leaf(collection(arg, context)) for arg in given.args]).resolve(context)
    if not _is_pushed(given):
        return given
    with lazy_refs():
        found = given.resolve(context)
    found = members(found) if isinstance(found, ArtifactRef) else _ByRef(found) if _is_lazy(found) else found
    if isinstance(found, (Sequence, dict)) and not isinstance(found, (str, bytes)):
        return found
    raise StepError(
        f"a step is expanded over what is no list and no dict, but {type(found).__name__}: {_shown(given)} must return one"
    )


def members(ref: ArtifactRef) -> Any:
    """The members of a collection by ref, each knowing which collection it is a member of. Only the manifest is read, where there is one."""
    from sematic_airflow_provider.worker.stores import repository

    store = repository()
    tree = store.tree(ref)
    if tree is None or tree.kind == "object":
        value = store.load(ref)  # stored as a whole
        keep: Callable[[Any], Any] = lambda member: _described(member, ref)  # noqa: E731
        if isinstance(value, dict):
            return {key: keep(member) for key, member in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
            return _Each(value, keep)
        return value
    refs = [member if member.name else member.member_of(ref) for _, member in tree.members]
    return dict(zip(tree.labels(), refs, strict=True)) if tree.kind in ("dict", "map") else refs


def length_of(ref: ArtifactRef, store: Repository) -> int | None:
    """Over how many members tasks can be expanded; None for what is no list and no dict. Only the manifest is read, where there is one."""
    tree = store.tree(ref)
    if tree is not None and tree.kind != "object":
        return len(tree.members)
    value = store.load(ref)
    mappable = isinstance(value, (Sequence, Mapping)) and not isinstance(value, (str, bytes, bytearray))
    return len(value) if mappable else None


def _described(member: Any, ref: ArtifactRef) -> Any:
    """A member of what is stored as a whole; itself where it cannot be stored alone."""
    from sematic_airflow_provider.worker.stores import repository

    try:
        return repository().describe(member).member_of(ref)
    except NoCodecError:
        note_read(ref)
        return member


class _Each(Sequence[Any]):
    """A sequence whose members are made when they are asked for."""

    def __init__(self, given: Sequence[Any], make: Callable[[Any], Any]) -> None:
        self._given, self._make = given, make

    def __len__(self) -> int:
        return len(self._given)

    def __getitem__(self, index: Any) -> Any:
        return self._make(self._given[index])


class _ByRef(Sequence[Any]):
    """The outputs of a mapped task: one request for each that is asked for, and one for all of them."""

    def __init__(self, outputs: Any) -> None:
        self._outputs = outputs

    def __len__(self) -> int:
        return len(self._outputs)

    def __getitem__(self, index: Any) -> Any:
        with lazy_refs():
            return self._outputs[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])


@attrs.define
class _Leaf(XComArg):
    """Stands in an expression of ``map``, ``zip`` and ``concat`` for a collection that is known."""

    found: Any

    def resolve(self, context: Any) -> Any:
        return self.found


def _in_order(given: Any) -> Sequence[Any]:
    """A dict as pairs, as ``expand`` itself goes over one."""
    return list(given.items()) if isinstance(given, dict) else given


def _map_index(context: Any) -> int:
    index = context["ti"].map_index
    if index is None or index < 0:
        raise RuntimeError("the arguments of a mapped task are known only where it is expanded")
    return int(index)


def _is_pushed(given: Any) -> bool:
    return isinstance(given, (XComArg, MappedArgument))


def _is_lazy(found: Any) -> bool:
    from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

    return isinstance(found, LazyXComSequence)


def _shown(given: Any) -> str:
    operator = getattr(given, "operator", None)
    return f"the task {operator.task_id}" if operator is not None else "what it is expanded over"
