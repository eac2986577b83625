"""What a step returned, saved: one artifact, or one for each of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.errors import StepError
from sematic_airflow_provider.lineage.naming import RETURN_KEY

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository


def save_outputs(repository: Repository, value: Any, *, multiple: bool, prefix: str) -> dict[str, ArtifactRef]:
    """Save what a step returned: under ``return_value``, or under each key of the dict when it has multiple outputs.

    A step that returns None has no output, as everywhere in Airflow.

    Raises:
        StepError: multiple outputs were declared and the value is not a dict with text keys.
        NoCodecError: no codec can store it.
    """
    if value is None:
        return {}
    if not multiple:
        return {RETURN_KEY: repository.save(value, name=_join(prefix, RETURN_KEY))}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise StepError(
            f"a step with multiple_outputs returns a dict with text keys, this one returned {type(value).__name__}"
        )
    return {key: repository.save(member, name=_join(prefix, key)) for key, member in value.items()}


def _join(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else ""
