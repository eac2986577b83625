"""Handing arguments to functions: as values, or as artifacts where an annotation asks for them."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from sematic_airflow_provider.artifacts.artifact import Artifact, Note
from sematic_airflow_provider.artifacts.ref import ArtifactRef

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository


def read_with(ref: ArtifactRef, repository: Repository) -> list[ArtifactRef]:
    """What counts as read when this is: the artifact, the collection that it is a member of, or the outputs of tasks that it only holds together.

    Literals count for nothing.
    """
    if ref.within is not None:
        return [ref.within]
    own = ref.name.rpartition(".")[0]
    members = [member for member in repository.members(ref) if member.name]
    if ref.name and not (members and all(member.name.startswith(f"{own}.") for member in members)):
        return [ref]
    return members


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Evaluated annotations of a function; those that cannot be evaluated here are left out, one by one. ``x: int = None`` may be None."""
    found: dict[str, Any] = {}
    parameters = inspect.signature(function).parameters
    namespace = getattr(inspect.unwrap(function), "__globals__", {})
    for name, annotation in getattr(function, "__annotations__", {}).items():
        try:
            holder = {name: annotation}
            hints = typing.get_type_hints(_Annotated(holder), globalns=namespace, include_extras=True)
        except (NameError, AttributeError, SyntaxError, TypeError):
            continue
        found[name] = hints[name]
        if name in parameters and parameters[name].default is None:
            generic: Any = typing.Optional
            found[name] = generic[hints[name]]
    return found


def wants_artifacts(annotation: Any) -> bool:
    """Whether an annotation names ``Artifact``, alone or inside a collection or union."""
    if annotation is Artifact or typing.get_origin(annotation) is Artifact:
        return True
    return any(wants_artifacts(argument) for argument in typing.get_args(annotation))


def handed_over(value: Any, annotation: Any, repository: Repository, note: Note, load: Callable[[Any], Any]) -> Any:
    """An argument as the function wants it: artifacts where the annotation says so, else what ``load`` gives.

    ``list[Artifact[T]]`` takes a list of outputs as well as one output that is a list.

    Raises:
        NoCodecError: a literal was passed for an artifact, and no codec can store it.
    """
    return _handed_over(value, annotation, _Hand(repository, note, load), None)


class _Hand(typing.NamedTuple):
    repository: Repository
    note: Note
    load: Callable[[Any], Any]


def _handed_over(value: Any, annotation: Any, hand: _Hand, within: ArtifactRef | None) -> Any:
    if not wants_artifacts(annotation):
        return hand.load(value)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Artifact or origin is Artifact:
        ref = value if isinstance(value, ArtifactRef) else hand.repository.save(value)
        return Artifact(ref, hand.repository, hand.note, ref.within or (None if ref.name else within))
    if origin in (Union, types.UnionType):
        return None if _is_none(value) else _handed_over(value, _first_wanting(arguments), hand, within)
    if origin is typing.Annotated:
        return _handed_over(value, arguments[0], hand, within)
    if isinstance(value, ArtifactRef):
        tree = hand.repository.tree(value)
        if tree is None:
            value = hand.load(value)  # a list that is one artifact: its members become artifacts by themselves
        else:
            value, within = tree.value(lambda member: member), value
    if isinstance(value, Mapping):
        return {key: _handed_over(member, arguments[-1], hand, within) for key, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        fixed = origin is tuple and len(arguments) == len(value) and arguments[-1] is not Ellipsis
        wanted = arguments if fixed else [_first_wanting(arguments)] * len(value)
        members = [_handed_over(member, one, hand, within) for member, one in zip(value, wanted, strict=True)]
        return tuple(members) if isinstance(value, tuple) else members
    return hand.load(value)


def _first_wanting(annotations: Sequence[Any]) -> Any:
    return next(annotation for annotation in annotations if wants_artifacts(annotation))


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, ArtifactRef) and value.has_value and value.value is None)


class _Annotated:
    """Carries annotations to ``typing.get_type_hints``, which evaluates those of objects."""

    def __init__(self, annotations: dict[str, Any]) -> None:
        self.__annotations__ = annotations
