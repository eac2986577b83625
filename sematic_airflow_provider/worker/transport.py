"""The OpenLineage transport: each event is durable before the task goes on, and reaches the API server soon after.

Where workers have a disk, the event is written there, in a millisecond or two, and a process of its own posts it (``delivery``). Where a worker's disk
goes away with it (``[sematic] spool = store``), it is posted at once, and what cannot be posted waits in the artifact store; so it does where there is no
key to post with. Each way stands in for the others: an event is lost only where no disk, no server and no store takes it, and then the log has it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import attr
from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Config, Transport

from sematic_airflow_provider.delivery.breaker import Breaker
from sematic_airflow_provider.delivery.deadline import within
from sematic_airflow_provider.delivery.folder import SpoolFolder
from sematic_airflow_provider.delivery.passes import Post, deliver
from sematic_airflow_provider.delivery.server import Answer, Server
from sematic_airflow_provider.delivery.spool import StoreSpool
from sematic_airflow_provider.errors import ArtifactError, ConfigurationError, DeliveryError, StoreError
from sematic_airflow_provider.settings import IN_STORE, Settings, default_spool_folder, load_settings
from sematic_airflow_provider.worker.deliverer import wake
from sematic_airflow_provider.worker.redaction import redacted_event

log = logging.getLogger(__name__)

_STORE_SECONDS: Final = 4.0
_CARRIED: Final = 20
_LARGEST_LOGGED: Final = 256 << 10


@attr.define
class SematicConfig(Config):
    """The transport has no options of its own: ``[sematic]`` holds them."""

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> SematicConfig:
        """Accept what OpenLineage found in ``[openlineage] transport``."""
        unknown = set(params) - {"type"}
        if unknown:
            log.warning(
                "the sematic transport has no options in [openlineage] transport, ignored: %s",
                ", ".join(sorted(unknown)),
            )
        return cls()


class SematicTransport(Transport):
    """``{"type": "sematic_airflow_provider.worker.transport.SematicTransport"}``."""

    kind = "sematic"
    config_class = SematicConfig

    def __init__(self, config: SematicConfig) -> None:
        self.config = config

    def emit(self, event: Any) -> None:
        """Make an event durable, and see that it is delivered. Takes milliseconds, and a few seconds at most where disk, server or store fail.

        Raises:
            StoreError: no place took it; the log has the event. The OpenLineage provider logs that too, and goes on.
        """
        told = redacted_event(json.loads(Serde.to_json(event)))
        data = json.dumps(told, separators=(",", ":")).encode()
        ways = _Ways(data)
        problems: list[str] = []
        for way in ways.in_order():
            try:
                way()
            except Exception as error:  # noqa: BLE001 - whatever one way raises, the next is tried: an event is at stake
                problems.append(f"{way.__name__.strip('_').replace('_', ' ')}: {error or type(error).__name__}")
            else:
                if problems:
                    log.warning("the lineage event %s took another way: %s", _identity(told), "; ".join(problems))
                return
        tail = f" The event: {data.decode()}" if len(data) <= _LARGEST_LOGGED else ""
        log.error("the lineage event %s is kept nowhere: %s.%s", _identity(told), "; ".join(problems), tail)
        raise StoreError(f"the lineage event {_identity(told)} is kept nowhere: {'; '.join(problems)}", "")

    def close(self, timeout: float = -1) -> bool:
        """Nothing is ever held back in this process."""
        return True


class _Ways:
    """How one event can become durable. Each way returns when it is, or raises why not."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._settings, self._flaw = _settings()
        self._folder = SpoolFolder(self._settings.spool_folder if self._settings else default_spool_folder())
        self._server = _server_of(self._settings)
        self._breaker = Breaker(self._folder.path)

    def in_order(self) -> list[Callable[[], None]]:
        """The best first."""
        if self._settings is None:
            return [self._to_disk]
        if self._server is None:
            return [self._to_store, self._to_disk]
        if self._settings.spool == IN_STORE:
            return [self._to_server, self._to_store, self._to_disk]
        return [self._to_disk_and_on, self._to_server, self._to_store]

    def _to_disk_and_on(self) -> None:
        server = self._server
        assert server is not None  # noqa: S101 - see in_order
        self._folder.put(self._data)
        try:
            wake(self._folder, server)
        except OSError as error:  # no more processes: then here, for as long as a post may take
            log.warning("lineage events are delivered by the task itself: %s", error)
            deliver(self._folder, server.post, most=_CARRIED, seconds=server.timeout)

    def _to_server(self) -> None:
        server = self._server
        assert server is not None  # noqa: S101 - see in_order
        if refusal := self._breaker.refusal():
            raise DeliveryError(f"not asked now, since {refusal}")
        try:
            answer = server.post([self._data])
        except DeliveryError as error:
            if not error.unfit:
                self._breaker.failed(str(error), error.wait)
            raise
        for reason in (*answer.refused.values(), *answer.failed.values()):
            raise DeliveryError(f"refused: {reason}")  # the drain puts it aside, with the reason
        self._breaker.succeeded()
        self._carry(server.post)

    def _to_store(self) -> None:
        from sematic_airflow_provider.worker.stores import repository

        spool = StoreSpool(
            repository(self._settings).store
        )  # opened here: only the main thread may look up connections
        within(_STORE_SECONDS, lambda: spool.put(self._data))
        if self._server is None:
            self._carry(lambda events: _all_put(spool, events))

    def _to_disk(self) -> None:
        if self._flaw is not None:
            log.warning("lineage events wait in %s until this is mended: %s", self._folder.where, self._flaw)
        self._folder.put(self._data)

    def _carry(self, post: Post) -> None:
        """Take along a few of those that had to stay on this disk."""
        try:
            if self._folder.has_waiting() and not self._folder.is_held():
                deliver(self._folder, post, most=_CARRIED, seconds=1)
        except OSError as error:
            log.warning("lineage events still wait in %s: %s", self._folder.where, error)


def _server_of(settings: Settings | None) -> Server | None:
    """Whom events are posted to; None where they cannot be."""
    if settings is None or not settings.lineage_api_key or not settings.lineage_url:
        return None
    return Server(settings.lineage_url, settings.lineage_api_key, float(max(1, settings.delivery_timeout)))


def _settings() -> tuple[Settings | None, ConfigurationError | None]:
    try:
        return load_settings(), None
    except ConfigurationError as error:
        return None, error


def _all_put(spool: StoreSpool, events: Sequence[bytes]) -> Answer:
    try:
        within(_STORE_SECONDS, lambda: [spool.put(data) for data in events])
    except (TimeoutError, ArtifactError) as error:
        raise DeliveryError(str(error)) from error
    return Answer({}, {})


def _identity(told: dict[str, Any]) -> str:
    """What of, when: enough to find its task."""
    of = told.get("job") or told.get("dataset") or {}
    run = told.get("run") or {}
    kind = told.get("eventType") or "OTHER"
    return f"{kind} of {of.get('namespace')}/{of.get('name')} (run {run.get('runId')}, {told.get('eventTime')})"
