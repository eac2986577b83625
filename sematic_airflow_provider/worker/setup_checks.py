"""Is Airflow set up for us? Asked at the start of each step, and by ``airflow sematic doctor`` in words of its own."""

from __future__ import annotations

import json
from logging import Logger
from typing import Any

from sematic_airflow_provider.errors import ConfigurationError

XCOM_BACKEND = "sematic_airflow_provider.worker.xcom.SematicXComBackend"
TRANSPORT = "sematic_airflow_provider.worker.transport.SematicTransport"


def check_xcom_backend() -> None:
    """Make sure that what steps return is stored by our backend, or one built on it.

    Raises:
        ConfigurationError: another one is configured.
    """
    from airflow.sdk.execution_time.xcom import XCom

    from sematic_airflow_provider.worker.xcom import SematicXComBackend

    if not issubclass(XCom, SematicXComBackend):
        raise ConfigurationError(
            "xcom_backend",
            f"sematic tasks need their XCom backend: set [core] xcom_backend = {XCOM_BACKEND} "
            f"(AIRFLOW__CORE__XCOM_BACKEND) for all Airflow processes. Configured is {XCom.__module__}.{XCom.__qualname__}",
        )


def warn_without_lineage(log: Logger) -> None:
    """Say in the task's log when no lineage will be recorded; the step itself runs."""
    if not transport_configured():
        log.warning(
            'Lineage of this step is not recorded: set [openlineage] transport = {"type": "%s"} (AIRFLOW__OPENLINEAGE__TRANSPORT), '
            "or add it to your composite transport",
            TRANSPORT,
        )


def transport_configured() -> bool:
    """Whether the OpenLineage provider is on and its transport is ours, or a composite that holds ours."""
    from airflow.providers.openlineage import conf

    if conf.is_disabled():
        return False
    return _mentions_ours(conf.transport()) or _mentions_ours(_config_file(conf.config_path(False)))


def _mentions_ours(config: Any) -> bool:
    return TRANSPORT in json.dumps(config, default=str)


def _config_file(path: str) -> Any:
    if not path:
        return None
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            return yaml.safe_load(file)
    except (OSError, yaml.YAMLError):
        return None
