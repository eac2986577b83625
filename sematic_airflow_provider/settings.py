"""The frozen Settings of this package; the only reader of ``[sematic]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, cast

from sematic_airflow_provider.errors import ConfigurationError

SECTION = "sematic"
IN_STORE = "store"
"""What ``[sematic] spool`` says where workers have no disk that outlives them."""

Compute = Literal["local", "kubernetes"]


class Settings(NamedTuple):
    """One field for each option in ``[sematic]``; what they mean stands in ``provider_info``."""

    store: str
    store_conn_id: str
    inline_limit: int
    allow_pickle: bool
    previews: bool
    compress: bool
    cache: bool
    compute: Compute
    pod_image: str
    pod_template_file: str
    pod_store: str
    lineage_url: str
    lineage_api_key: str
    drain_interval: int
    reconcile_interval: int
    spool: str
    delivery_timeout: int
    record_env: tuple[str, ...]
    database: str
    lineage_keep_days: int
    lineage_rate_limit: int

    @property
    def spool_folder(self) -> str:
        """Where events wait on this machine, be it as a last resort."""
        return default_spool_folder() if self.spool == IN_STORE else self.spool


_given: Settings | None = None


@contextmanager
def given(settings: Settings) -> Iterator[None]:
    """While this is entered, these are the settings of this process, and nothing is read."""
    global _given
    before, _given = _given, settings
    try:
        yield
    finally:
        _given = before


def load_settings() -> Settings:
    """Read ``[sematic]`` now: from airflow.cfg, environment variables and the provider's defaults.

    Raises:
        ConfigurationError: an option has a value that it cannot have.
    """
    return _given if _given is not None else Settings(**{option: load_option(option) for option in Settings._fields})


def load_option(option: str) -> Any:
    """One field of the settings, read now: Airflow takes half a millisecond for all of them, much of what a request may cost that needs one or two.

    Raises:
        ConfigurationError: it has a value that it cannot have.
    """
    return getattr(_given, option) if _given is not None else _READERS.get(option, _text)(option)


def _text(option: str) -> str:
    from airflow.providers.common.compat.sdk import conf

    return str(conf.get(SECTION, option, fallback="") or "").strip()


def _number(option: str) -> int:
    raw = _text(option)
    if not raw.isdigit():
        raise ConfigurationError(option, f"[{SECTION}] {option} must be a whole number from 0, it is {raw!r}")
    return int(raw)


def _switch(option: str) -> bool:
    raw = _text(option).lower()
    if raw not in ("true", "false", "t", "f", "1", "0"):
        raise ConfigurationError(option, f"[{SECTION}] {option} must be True or False, it is {raw!r}")
    return raw in ("true", "t", "1")


def _compute(option: str) -> Compute:
    raw = _text(option).lower()
    if raw not in ("local", "kubernetes"):
        raise ConfigurationError(option, f"[{SECTION}] {option} must be local or kubernetes, it is {raw!r}")
    return cast("Compute", raw)


def _names(option: str) -> tuple[str, ...]:
    return tuple(_text(option).replace(",", " ").split())


_READERS: Mapping[str, Callable[[str], Any]] = {  # of those that are more than texts
    "store": lambda option: _text(option) or default_store(),
    "inline_limit": _number,
    "allow_pickle": _switch,
    "previews": _switch,
    "compress": _switch,
    "cache": _switch,
    "compute": _compute,
    "pod_store": lambda option: _text(option) or load_option("store"),
    "lineage_url": lambda option: (_text(option) or _api_base_url()).rstrip("/"),
    "drain_interval": _number,
    "reconcile_interval": _number,
    "spool": lambda option: _text(option) or default_spool(),
    "delivery_timeout": _number,
    "record_env": _names,
    "lineage_keep_days": _number,
    "lineage_rate_limit": _number,
}


def default_store() -> str:
    """Where artifacts live when ``[sematic] store`` is empty: a folder of this AIRFLOW_HOME, made when first needed."""
    return _in_home("sematic")


def default_spool() -> str:
    """Where events wait when ``[sematic] spool`` is empty: in pods that KubernetesExecutor makes for one task each, the store."""
    import os

    return IN_STORE if os.environ.get("AIRFLOW_IS_K8S_EXECUTOR_POD") else default_spool_folder()


def default_spool_folder() -> str:
    """The folder that events wait in where no other is named; elsewhere, the last resort."""
    return _in_home("sematic-spool")


def _in_home(folder: str) -> str:
    import os

    home = os.environ.get("AIRFLOW_HOME") or os.path.join(os.path.expanduser("~"), "airflow")
    return os.path.join(os.path.expanduser(home), folder)


def _api_base_url() -> str:
    from airflow.providers.common.compat.sdk import conf

    return str(conf.get("api", "base_url", fallback="") or "")
