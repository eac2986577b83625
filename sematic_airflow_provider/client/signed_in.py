"""Where ``airflowctl auth login`` has left URL and token: Airflow's own command line, which need not be installed here."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sematic_airflow_provider.errors import ConfigurationError


def signed_in(environment: str = "production") -> tuple[str, str]:
    """URL and token of the environment that somebody has signed in to.

    Args:
        environment: the name it was given; ``AIRFLOW_CLI_ENVIRONMENT`` comes first, as for airflowctl itself.

    Raises:
        ConfigurationError: nobody has signed in here, or the token cannot be read.
    """
    name = os.environ.get("AIRFLOW_CLI_ENVIRONMENT") or environment
    url = _url(name)
    token = os.environ.get("AIRFLOW_CLI_TOKEN") or _from_keyring(name)
    if not token:
        raise ConfigurationError(
            "token",
            f"the key ring of this machine has no token of airflowctl for the environment {name}: run airflowctl auth login, set AIRFLOW_CLI_TOKEN, "
            "or give token= or username= and password=",
        )
    return url, token


def _url(name: str) -> str:
    folders = [
        Path(os.environ.get("AIRFLOW_HOME") or Path.home() / "airflow"),
        Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "airflow",  # earlier versions
    ]
    for folder in folders:
        path = folder / f"{name}.json"
        try:
            found = json.loads(path.read_text())["api_url"]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError("api_url", f"{path} is no configuration of airflowctl: {error}") from error
        if isinstance(found, str) and found:
            return found
    where = " or ".join(str(folder) for folder in folders)
    raise ConfigurationError("api_url", f"airflowctl has no environment {name} in {where}: run airflowctl auth login")


def _from_keyring(name: str) -> str | None:
    try:
        import keyring
    except ImportError:
        return None
    for key in (f"api_token_{name}", f"api_token-{name}"):
        found = keyring.get_password("airflowctl", key)
        if found:
            return str(found)
    return None
