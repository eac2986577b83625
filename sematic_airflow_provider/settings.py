"""The frozen Settings of this package; the only reader of ``[sematic]``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, cast

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
    if _given is not None:
        return _given
    from airflow.providers.common.compat.sdk import conf

    def text(option: str) -> str:
        return str(conf.get(SECTION, option, fallback="") or "").strip()

    def number(option: str) -> int:
        raw = text(option)
        if not raw.isdigit():
            raise ConfigurationError(option, f"[{SECTION}] {option} must be a whole number from 0, it is {raw!r}")
        return int(raw)

    def switch(option: str) -> bool:
        raw = text(option).lower()
        if raw not in ("true", "false", "t", "f", "1", "0"):
            raise ConfigurationError(option, f"[{SECTION}] {option} must be True or False, it is {raw!r}")
        return raw in ("true", "t", "1")

    compute = text("compute").lower()
    if compute not in ("local", "kubernetes"):
        raise ConfigurationError("compute", f"[{SECTION}] compute must be local or kubernetes, it is {compute!r}")
    store = text("store") or default_store()
    return Settings(
        store=store,
        store_conn_id=text("store_conn_id"),
        inline_limit=number("inline_limit"),
        allow_pickle=switch("allow_pickle"),
        previews=switch("previews"),
        compress=switch("compress"),
        cache=switch("cache"),
        compute=cast("Compute", compute),
        pod_image=text("pod_image"),
        pod_template_file=text("pod_template_file"),
        pod_store=text("pod_store") or store,
        lineage_url=(text("lineage_url") or _api_base_url()).rstrip("/"),
        lineage_api_key=text("lineage_api_key"),
        drain_interval=number("drain_interval"),
        reconcile_interval=number("reconcile_interval"),
        spool=text("spool") or default_spool(),
        delivery_timeout=number("delivery_timeout"),
        record_env=tuple(name for name in text("record_env").replace(",", " ").split() if name),
        database=text("database"),
        lineage_keep_days=number("lineage_keep_days"),
        lineage_rate_limit=number("lineage_rate_limit"),
    )


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
