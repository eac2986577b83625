"""What Airflow knows about a step, and its OpenLineage provider does not send: executor, pool, Dag bundle, and the parameters of the run."""

from __future__ import annotations

import json
import logging
from typing import Any

log = logging.getLogger(__name__)

IN_PROCESS = "in process"


def executor_of(task: Any) -> str:
    """The executor that runs the task: its own, else the deployment's first; ``in process`` under ``airflow dags test``."""
    from airflow.sdk.configuration import conf

    if _tested():
        return IN_PROCESS
    configured = str(conf.get("core", "executor", fallback="") or "")
    return str(getattr(task, "executor", None) or configured.split(",")[0].strip())


def bundle_of(task_instance: Any) -> dict[str, str | None] | None:
    """Name and version of the bundle that the Dag was read from; the version is None of a bundle that has none (a folder)."""
    bundle = getattr(task_instance, "bundle_instance", None)
    name, version = getattr(bundle, "name", None), getattr(bundle, "version", None)
    return None if name is None else {"name": str(name), "version": None if version is None else str(version)}


def parameters_of(context: Any) -> dict[str, Any]:
    """The parameters of the run by name, as JSON has them: defaults of the Dag, and what the run was triggered with. Not redacted yet.

    What it was triggered with and is no parameter, or not the value that the parameter has, stands under ``conf.<name>``.
    """
    params = context.get("params") or {}
    try:
        found = params.dump() if hasattr(params, "dump") else dict(params)
        plain: dict[str, Any] = json.loads(json.dumps(found, default=str, skipkeys=True))
        conf = json.loads(json.dumps(dict(_conf_of(context)), default=str, skipkeys=True))
        plain |= {f"conf.{name}": value for name, value in conf.items() if name not in plain or plain[name] != value}
    except Exception as error:  # noqa: BLE001 - values of parameters may be anything in tests: to describe a step must not fail it
        log.warning("the parameters of the run are not recorded: %s: %s", type(error).__name__, error)
        return {}
    return plain


def _conf_of(context: Any) -> dict[str, Any]:
    """Without what OpenLineage passes on there, which has a facet of its own."""
    conf = getattr(context.get("dag_run"), "conf", None)
    return {name: value for name, value in conf.items() if name != "openlineage"} if isinstance(conf, dict) else {}


def _tested() -> bool:
    """Whether the supervisor of this task is this process."""
    from airflow.sdk.execution_time import task_runner

    return type(getattr(task_runner, "SUPERVISOR_COMMS", None)).__name__ == "InProcessSupervisorComms"
