"""Content-hashed artifacts, end-to-end lineage and reproducible steps for Apache Airflow.

Importing this package imports nothing else: each public name loads its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.artifact import Artifact
    from sematic_airflow_provider.artifacts.batches import Batches
    from sematic_airflow_provider.artifacts.picture import Picture
    from sematic_airflow_provider.errors import GateFailedError, SematicError
    from sematic_airflow_provider.lineage.capture import log_metric
    from sematic_airflow_provider.safety.gate import Bounds, check_bounds
    from sematic_airflow_provider.steps.policy import CachePolicy
    from sematic_airflow_provider.worker.decorator import sematic_task

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "Batches",
    "Bounds",
    "CachePolicy",
    "GateFailedError",
    "Picture",
    "SematicError",
    "check_bounds",
    "log_metric",
    "sematic_task",
]

_HOMES = {
    "Artifact": "artifacts.artifact",
    "Batches": "artifacts.batches",
    "Bounds": "safety.gate",
    "CachePolicy": "steps.policy",
    "GateFailedError": "errors",
    "Picture": "artifacts.picture",
    "SematicError": "errors",
    "check_bounds": "safety.gate",
    "log_metric": "lineage.capture",
    "sematic_task": "worker.decorator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
