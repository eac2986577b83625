"""Commands work beside the database: they see the options of all providers, and connections that are kept in the database."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from airflow.utils.providers_configuration_loader import providers_configuration_loaded

Command = TypeVar("Command", bound=Callable[..., Any])


def server_side(command: Command) -> Command:
    """Run a command as Airflow runs its own that need connections."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        return command(*args, **kwargs)

    return cast("Command", providers_configuration_loaded(run))
