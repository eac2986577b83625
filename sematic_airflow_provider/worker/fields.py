"""Fields of what a step returns, which other tasks take by name: ``split(data).train`` or ``split(data)["train"]``.

``split`` returns a dataclass, named tuple or model; typed dicts and dicts have keys only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg

from sematic_airflow_provider.artifacts.handing import hints_of
from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.lineage.naming import RETURN_KEY, output_name

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.repository import Repository


class StepOutput(PlainXComArg):
    """What a step gives in a Dag; the fields that its annotation declares are attributes, for type checkers to see."""

    def __getattr__(self, name: str) -> Any:
        """Called for what is no attribute of Airflow's own. A field named like one of those (``map``, ``key``) is taken by ``output["map"]``."""
        if not name.startswith("_") and name != "operator" and self.key == RETURN_KEY:
            function = getattr(self.operator, "python_callable", None)
            names = field_names(hints_of(function).get("return")) if function is not None else None
            if names and name in names:
                return self[name]
            if names:
                raise AttributeError(
                    f"{self.operator.task_id} returns no field {name!r}. Its fields: {', '.join(names)}"
                )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __iter__(self) -> Iterator[Any]:
        """Refused.

        Raises:
            TypeError: always; with what to write instead.
        """
        raise TypeError(
            f"what {self.operator.task_id} returns is not known before it runs, so it cannot be unpacked or looped over here. For its parts, "
            "return a dataclass or named tuple and take its fields: output.train; for each of its members, step.expand(x=output)"
        )


def field_names(annotation: Any) -> tuple[str, ...] | None:
    """The names under which parts of a value of this type are taken; None for a type that has none by itself."""
    if not isinstance(annotation, type):
        return None
    for attribute in ("__dataclass_fields__", "model_fields", "_fields"):
        names = getattr(annotation, attribute, None)
        if names and (attribute != "_fields" or issubclass(annotation, tuple)):
            return tuple(names)
    return None


def taken_fields(operator: Any) -> list[str]:
    """The keys, but the whole, under which other tasks of the Dag take what this one returns."""
    if operator.dag is None:
        return []
    found = {
        key
        for task in operator.get_direct_relatives(upstream=False)
        for source, key in _references(task)
        if source.task_id == operator.task_id and key != RETURN_KEY
    }
    return sorted(found)


def field_outputs(operator: Any, whole: ArtifactRef, names: list[str], store: Repository) -> dict[str, ArtifactRef]:
    """An output for each of these fields that the value has; other keys are what the function pushed itself.

    A field that stands alone in a manifest is neither read nor written.
    """
    tree = store.tree(whole)
    if tree is not None and tree.kind in ("object", "dict"):
        parts: Mapping[str, Any] = dict(tree.members)
    else:
        from sematic_airflow_provider.artifacts.codecs import declared

        value = store.load(whole)
        parts = value if isinstance(value, dict) else declared.fields_of(value) or {}
    return {
        name: store.save(parts[name], name=output_name(operator.dag_id, operator.task_id, name))
        for name in names
        if name in parts
    }


def _references(task: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(task, MappedOperator):
        yield from XComArg.iter_xcom_references(task.partial_kwargs)
        yield from XComArg.iter_xcom_references(task._get_specified_expand_input())
    else:
        yield from XComArg.iter_xcom_references(task)
