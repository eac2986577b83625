"""What a test run puts in the place of an Airflow deployment while it lasts: XCom backend, listeners, store, the other end of a task's requests."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from sematic_airflow_provider import settings as settings_module
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.errors import ConfigurationError
from sematic_airflow_provider.lineage import capture, source
from sematic_airflow_provider.steps import recording
from sematic_airflow_provider.testing.logs import collecting_logs
from sematic_airflow_provider.testing.once import ProvenanceOnce, Remembered, mapped_downstreams
from sematic_airflow_provider.testing.supervisor import Supervisor
from sematic_airflow_provider.worker import provenance, setup_checks, stores
from sematic_airflow_provider.worker.xcom import SematicXComBackend

_MISSING = object()


class _NoListeners:
    """No listener of any plugin hears of a test run: what tasks would tell is kept by the run itself."""

    @property
    def hook(self) -> _NoListeners:
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda **_: []


def repository_of(store: Store) -> Repository:
    """The repository of a test run. It is set as the deployment's, but makes no previews."""
    settings = settings_module.load_settings()
    return Repository(
        store, inline_limit=settings.inline_limit, allow_pickle=settings.allow_pickle, compress=settings.compress
    )


@contextmanager
def entered(repository: Repository, variables: Mapping[str, str], connections: Mapping[str, str]) -> Iterator[None]:
    """Everything but the supervisor, which ``answering`` puts there.

    Raises:
        ConfigurationError: this is not the main thread, in which alone Airflow runs tasks.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError("testing", "Airflow runs tasks in the main thread only: call this from there")
    from airflow.sdk.definitions._internal.abstractoperator import AbstractOperator
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time import xcom as xcom_module

    settings = settings_module.load_settings()._replace(
        store=repository.store.url, store_conn_id="", compute="local", lineage_api_key=""
    )
    environment, terminated = dict(os.environ), signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, terminated)
        stack.callback(_restore_environment, environment)
        stack.callback(capture.forget)
        os.environ.update({f"AIRFLOW_VAR_{name.upper()}": value for name, value in variables.items()})
        os.environ.update({f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()})
        stack.enter_context(settings_module.given(settings))
        stack.enter_context(stores.given(repository))
        stack.enter_context(_swapped(task_runner, "get_listener_manager", _NoListeners))
        stack.enter_context(_swapped(task_runner, "_serialize_rendered_fields", lambda task: {}))  # the UI shows them
        stack.enter_context(_swapped(AbstractOperator, "_iter_all_mapped_downstreams", mapped_downstreams()))
        stack.enter_context(_swapped(setup_checks, "transport_configured", lambda: True))
        stack.enter_context(_swapped(provenance, "Provenance", ProvenanceOnce))
        for name in ("locate", "reachable_source"):
            stack.enter_context(_swapped(source, name, Remembered(getattr(source, name))))
        stack.enter_context(_swapped(recording, "recorded_code", Remembered(recording.recorded_code)))
        if not issubclass(xcom_module.XCom, SematicXComBackend):
            stack.enter_context(_swapped(xcom_module, "XCom", SematicXComBackend))
            stack.enter_context(_swapped(task_runner, "XCom", SematicXComBackend))
        stack.enter_context(collecting_logs())
        yield


@contextmanager
def answering(supervisor: Supervisor) -> Iterator[None]:
    """While this is entered, the supervisor answers what tasks ask for."""
    from airflow.sdk.execution_time import task_runner

    with _swapped(task_runner, "SUPERVISOR_COMMS", supervisor):
        yield


@contextmanager
def _swapped(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name, _MISSING)
    setattr(module, name, value)
    try:
        yield
    finally:
        if before is _MISSING:
            delattr(module, name)
        else:
            setattr(module, name, before)


def _restore_environment(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
