"""The Airflow plugin: API, Lineage tabs and task listener. Every process loads it, so each part is built only where it is asked for."""

from __future__ import annotations

from functools import cached_property
from types import ModuleType
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from sematic_airflow_provider import __version__

URL_PREFIX = "/sematic"
_BUNDLE = f"sematic/static/main.js?v={__version__}"


class SematicPlugin(AirflowPlugin):
    """Registered by the ``airflow.plugins`` entry point."""

    name = "sematic"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        from sematic_airflow_provider.server.app import create_app

        return [{"app": create_app(), "url_prefix": URL_PREFIX, "name": "Sematic"}]

    @cached_property
    def react_apps(self) -> list[dict[str, Any]]:
        # One name: the bundle is one ES module, run once, and Airflow looks it up by this name.
        return [
            {"name": "Lineage", "bundle_url": _BUNDLE, "destination": destination, "url_route": route}
            for destination, route in (
                ("dag", "lineage"),
                ("dag_run", "lineage-run"),
                ("task", "lineage-task"),
                ("task_instance", "lineage-ti"),
            )
        ]

    @cached_property
    def listeners(self) -> list[ModuleType]:
        from sematic_airflow_provider.worker import listener

        return [listener]
