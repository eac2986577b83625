"""Arguments of a step: from refs, assets and literals to what the record keeps and to what the function takes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.asset import Asset, BaseAsset
from airflow.sdk.definitions.xcom_arg import XComArg

from sematic_airflow_provider.artifacts.handing import handed_over, read_with
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import ArtifactNotFoundError, NoCodecError, StepError
from sematic_airflow_provider.worker.xcom import lazy_refs, note_read

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository


def has_lazy(content: Any) -> bool:
    """Whether this is something that other tasks pushed, to be fetched as a ref."""
    return isinstance(content, XComArg) or (hasattr(content, "resolve") and hasattr(content, "iter_references"))


def like_before(given: dict[Any, Any], rendered: dict[Any, Any]) -> dict[Any, Any]:
    """A Counter, an OrderedDict or the like, of which Airflow's rendering has made a plain dict; as that where it holds what tasks pushed."""
    if next(XComArg.iter_xcom_references(given), None) is not None:
        return rendered
    made = copy.copy(given)
    made.clear()
    made.update(rendered)
    return made


def collect_assets(args: Any, kwargs: Mapping[str, Any]) -> Iterator[BaseAsset]:
    """Assets that were passed as arguments."""
    return (value for value in (*args, *kwargs.values()) if isinstance(value, BaseAsset))


def artifact_of_asset(asset: BaseAsset, context: Any) -> ArtifactRef:
    """The artifact of the asset event that started this run or, where none did, of the asset's latest event.

    Raises:
        StepError: the asset has no event, or its event carries no artifact.
    """
    if not isinstance(asset, Asset):
        raise StepError(f"a step takes an Asset as an argument, not {type(asset).__name__}")
    triggering = context.get("triggering_asset_events") or {}
    events = (
        list(triggering[asset])
        if asset in triggering
        else list(context["inlet_events"][asset].ascending(False).limit(1))
    )
    if not events:
        raise StepError(f"the asset {asset.name} has no event yet: run the task that has it in its outlets first")
    latest = max(events, key=lambda event: event.timestamp)
    record = (latest.extra or {}).get("sematic")
    if record is None:
        raise StepError(
            f"the latest event of the asset {asset.name} carries no artifact: it was not made by a sematic task that has the asset in its outlets"
        )
    return ArtifactRef.from_json(record)


def bind(operator: Any, context: Any, store: Repository) -> tuple[dict[str, ArtifactRef], list[str]]:
    """One ref for each argument that was passed, by parameter name, and the names of those that Airflow's context fills.

    Values that other tasks pushed are refs already. Lists and dicts that hold refs become manifests of them, literals become
    artifacts too. An argument that cannot be stored (an open connection, say) is left out: the step runs, and its record says
    no more than it knows.
    """
    operator.op_args = [_refs_only(value) for value in operator.op_args]
    operator.op_kwargs = {name: _refs_only(value) for name, value in operator.op_kwargs.items()}
    signature = inspect.signature(operator.python_callable)
    passed = signature.bind_partial(*operator.op_args, **operator.op_kwargs).arguments
    arguments: dict[str, ArtifactRef] = {}
    for name, value in passed.items():
        if isinstance(value, Iterator):
            operator.log.info("argument %s is not recorded: it can be read only once, which the function does", name)
            continue
        try:
            arguments[name] = value if isinstance(value, ArtifactRef) else store.describe(value)
        except NoCodecError as error:
            operator.log.info("argument %s is not recorded: %s", name, error)
    from_context = [name for name in signature.parameters if name not in passed and name in context]
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        from_context.append("**context")
    return arguments, from_context


def as_passed(
    bound: inspect.BoundArguments, positions: int, named: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """What was bound, by position and by name as it was passed: ``map_index_template`` and callbacks find arguments by their names."""
    parameters = bound.signature.parameters.values()
    rest: Mapping[str, Any] = next((bound.arguments.get(p.name, {}) for p in parameters if p.kind is p.VAR_KEYWORD), {})
    own = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return list(bound.args[:positions]), {name: bound.arguments[name] if name in own else rest[name] for name in named}


def handed(value: Any, annotation: Any, store: Repository) -> Any:
    """The argument that the function gets: every ref in it loaded and noted as read, but where it asks for an ``Artifact``.

    Raises:
        StepError: an input is gone.
    """
    return handed_over(value, annotation, store, note_read, lambda inner: _materialised(inner, store))


def materialised(value: Any) -> Any:
    """The value with every ref in it loaded and noted as read.

    Raises:
        StepError: an artifact is gone.
    """
    from sematic_airflow_provider.worker.stores import repository

    return _materialised(value, repository())


def _materialised(value: Any, store: Repository) -> Any:
    if isinstance(value, ArtifactRef):
        for ref in read_with(value, store):
            note_read(ref)
        try:
            return store.load(value)
        except ArtifactNotFoundError as error:
            raise StepError(f"an input of this step is gone: {error}") from error
    if type(value) in (list, tuple):
        return type(value)(_materialised(member, store) for member in value)
    if type(value) is dict:
        return {key: _materialised(member, store) for key, member in value.items()}
    return value


def _refs_only(value: Any) -> Any:
    """The outputs of a mapped task come as a lazy sequence that fetches one XCom at a time: fetch the refs."""
    from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

    if isinstance(value, LazyXComSequence):
        with lazy_refs():
            return list(value[:])  # one request, where iterating asks for one item after another until there is none
    if type(value) in (list, tuple):
        return type(value)(_refs_only(member) for member in value)
    if type(value) is dict:
        return {key: _refs_only(member) for key, member in value.items()}
    return value
