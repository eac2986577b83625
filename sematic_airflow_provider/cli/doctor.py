"""What ``airflow sematic doctor`` looks at. Each check is a function that returns one finding and never raises for what it looks for."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sematic_airflow_provider import __version__
from sematic_airflow_provider.errors import SematicError, first_line
from sematic_airflow_provider.settings import IN_STORE, Settings, load_settings

XCOM_BACKEND = "sematic_airflow_provider.worker.xcom.SematicXComBackend"
TRANSPORT = "sematic_airflow_provider.worker.transport.SematicTransport"
State = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table; ``fix`` is empty where nothing is to be done."""

    check: str
    state: State
    found: str
    fix: str = ""

    def row(self) -> dict[str, str]:
        """As it is printed."""
        return {"check": self.check, "state": self.state, "found": self.found, "fix": self.fix}


def examine() -> list[Finding]:
    """All findings, in the order in which they are best mended."""
    findings = [_versions(), _xcom_backend(), _transport()]
    try:
        settings = load_settings()
    except SematicError as error:
        return [
            *findings,
            Finding("settings", "error", str(error), "correct the option in airflow.cfg or its environment variable"),
        ]
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (_store, _waiting, _delivery, _tables, _bundle, _pods)
    for check in checks:
        findings.extend(check(settings))
    return findings


def _versions() -> Finding:
    found = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("apache-airflow", "apache-airflow-providers-openlineage")
    )
    major, minor = (int(part) for part in importlib.metadata.version("apache-airflow").split(".")[:2])
    found = f"sematic-airflow-provider {__version__}, {found}"
    if (major, minor) < (3, 1) or major > 3:
        return Finding("versions", "error", found, "use Airflow 3.1 or later, below 4")
    return Finding("versions", "ok", found)


def _xcom_backend() -> Finding:
    from airflow.configuration import conf

    configured = conf.get("core", "xcom_backend")
    try:
        backend = conf.getimport("core", "xcom_backend")
    except Exception as error:  # noqa: BLE001 - whatever the configured module raises is what was found
        return Finding("XCom backend", "error", f"{configured}: {error}", f"set [core] xcom_backend = {XCOM_BACKEND}")
    if any(f"{base.__module__}.{base.__qualname__}" == XCOM_BACKEND for base in getattr(backend, "__mro__", ())):
        return Finding("XCom backend", "ok", configured)
    return Finding(
        "XCom backend", "error", configured, f"set [core] xcom_backend = {XCOM_BACKEND} (AIRFLOW__CORE__XCOM_BACKEND)"
    )


def _transport() -> Finding:
    from airflow.providers.openlineage import conf

    fix = f'set [openlineage] transport = {{"type": "{TRANSPORT}"}} (AIRFLOW__OPENLINEAGE__TRANSPORT)'
    if conf.is_disabled():
        return Finding("OpenLineage transport", "error", "OpenLineage is disabled or has no transport", fix)
    config = conf.transport()
    kind = str(config.get("type", "none"))
    if TRANSPORT not in json.dumps(config, default=str):
        path = conf.config_path(False)
        if path and Path(path).is_file() and TRANSPORT in Path(path).read_text(encoding="utf-8"):
            return Finding("OpenLineage transport", "ok", path)
        return Finding(
            "OpenLineage transport", "error", kind, f"{fix}, or add it to a composite transport beside yours"
        )
    return Finding("OpenLineage transport", "ok", kind.rsplit(".", 1)[-1])


def _store(settings: Settings) -> Iterator[Finding]:
    from sematic_airflow_provider.configured_store import configured_store

    try:
        store = configured_store(settings)
        store.check_writable()
    except SematicError as error:
        yield Finding("store", "error", settings.store, str(error))
        return
    yield Finding("store", "ok", f"{store.url}, readable and writable")


def _waiting(settings: Settings) -> Iterator[Finding]:
    from sematic_airflow_provider.cli.delivery import places

    try:
        for place in places(settings):
            if place.waiting:
                since = f" since {place.since:%Y-%m-%d %H:%M:%S} UTC" if place.since else ""
                why = f"; the API server is not asked now: {place.refusal}" if place.refusal else ""
                fix = "start the API server, or run: airflow sematic drain"
                yield Finding("waiting events", "warning", f"{place.waiting} in {place.where}{since}{why}", fix)
            if place.rejected:
                found = f"{place.rejected} in {place.where}/rejected"
                fix = "read the .reason.txt beside each; airflow sematic drain --rejected tries them again"
                yield Finding("rejected events", "warning", found, fix)
    except SematicError:
        return  # what is wrong with the store has been found already
    except OSError as error:
        yield Finding("waiting events", "error", str(error), "make the folder readable for who runs Airflow")


def _delivery(settings: Settings) -> Iterator[Finding]:
    if not settings.lineage_api_key:
        fix = "" if settings.drain_interval else "set [sematic] drain_interval above 0, or [sematic] lineage_api_key"
        state: State = "ok" if settings.drain_interval else "error"
        yield Finding("delivery of events", state, "through the store (no [sematic] lineage_api_key)", fix)
    elif not settings.lineage_url:
        yield Finding(
            "delivery of events",
            "warning",
            "an API key, but no URL: events go through the store",
            "set [sematic] lineage_url or [api] base_url",
        )
    else:
        way = "by each task" if settings.spool == IN_STORE else f"by way of {settings.spool}"
        yield Finding("delivery of events", "ok", f"posted to {settings.lineage_url} {way}")


def _tables(settings: Settings) -> Iterator[Finding]:
    from airflow.utils.session import create_session
    from sqlalchemy.exc import SQLAlchemyError

    from sematic_airflow_provider.db.manager import SematicDBManager
    from sematic_airflow_provider.db.sessions import lineage_place, separate

    try:
        where = f"in {lineage_place()}" if separate() else "in Airflow's database"
        with create_session() as session:
            migrated = SematicDBManager(session).check_migration()
    except (SematicError, SQLAlchemyError) as error:
        reason = first_line(getattr(error, "orig", None) or error)
        yield Finding(
            "lineage tables", "error", reason, "set [sematic] database to one that answers, or leave it empty"
        )
        return
    if migrated:
        yield Finding("lineage tables", "ok", f"migrated, {where}")
    else:
        yield Finding("lineage tables", "error", f"missing or of another version, {where}", "run: airflow db migrate")


def _bundle(settings: Settings) -> Iterator[Finding]:
    bundle = Path(__file__).parents[1] / "server" / "static" / "main.js"
    if bundle.is_file():
        yield Finding("Lineage UI", "ok", f"built, {bundle.stat().st_size // 1024} kB")
    else:
        yield Finding("Lineage UI", "error", "the bundle is missing", "install the wheel, or run: make ui")


def _pods(settings: Settings) -> Iterator[Finding]:
    if settings.compute != "kubernetes":
        return
    if not settings.pod_image and not settings.pod_template_file:
        yield Finding(
            "pods", "error", "compute = kubernetes without an image", "set [sematic] pod_image or pod_template_file"
        )
        return
    try:
        importlib.metadata.version("apache-airflow-providers-cncf-kubernetes")
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "pods", "error", "the Kubernetes provider is missing", "pip install 'sematic-airflow-provider[kubernetes]'"
        )
    else:
        yield Finding("pods", "ok", settings.pod_image or settings.pod_template_file)
